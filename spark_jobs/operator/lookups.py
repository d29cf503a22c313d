# ruff: noqa: S608 - names come from the declared feeds, numbers are numbers, and texts are parameters
"""What the operator's commands read from the tables, without Spark: log lines, attempts, and rows of the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from spark_jobs.batches import Attempts
from spark_jobs.contract.column_types import Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.values import EPOCH, Value, from_micros
from spark_jobs.queries.engine import Engine, NoTable, Row, Scalar
from spark_jobs.steps.parking import AttemptRow, attempts_of
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import near_sql

_FILES_PER_QUERY = 100
_LOG = ", ".join("file_id" if field.name == "file" else field.name for field in fields(LogEntry))
_LATEST = datetime.max.replace(tzinfo=UTC)
Key = tuple[Value, ...]
T = TypeVar("T")


def recent_entries(engine: Engine, feed: Feed, limit: int) -> list[LogEntry]:
    """The latest log lines of a feed, newest first; none if no run has created the table. A batch has one time."""
    order = "ORDER BY logged_at DESC, file_id DESC"
    return _entries(engine, f"SELECT {_LOG} FROM {_log(feed)} {order} LIMIT {int(limit)}")


@dataclass(frozen=True)
class LogTotals:
    """Files by outcome, and rows by what became of them, in the log lines since a time; ``last_merge`` (aware) of all."""

    merged: int = 0
    rejected: int = 0
    superseded: int = 0
    inserted: int = 0
    updated: int = 0
    outranked: int = 0
    rejected_rows: int = 0
    last_merge: datetime | None = None

    @property
    def shares(self) -> dict[str, int]:
        """The rows of merged files, by what became of them."""
        return {
            "inserted": self.inserted,
            "updated": self.updated,
            "outranked": self.outranked,
            "rejected": self.rejected_rows,
        }

    @property
    def rows(self) -> int:
        return sum(self.shares.values())

    @classmethod
    def sum(cls, totals: Sequence[LogTotals]) -> LogTotals:
        """Of several feeds."""
        counts = {f.name: sum(getattr(one, f.name) for one in totals) for f in fields(cls) if f.name != "last_merge"}
        return cls(**counts, last_merge=max((one.last_merge for one in totals if one.last_merge), default=None))


def log_totals(engine: Engine, feed: Feed, since: datetime) -> LogTotals | None:
    """The totals of a feed's log lines since this time (aware). None if its log doesn't exist or may not be read: engines
    answer alike then.
    """
    names = ("inserted", "updated", "outranked", "rejected_rows")
    recent = "CASE WHEN unix_micros(logged_at) >= :since THEN"
    sums = ", ".join([f"sum({recent} 1 END) AS files", *(f"sum({recent} {name} END) AS {name}" for name in names)])
    statement = f"SELECT outcome, max(unix_micros(logged_at)) AS latest, {sums} FROM {_log(feed)} GROUP BY outcome"
    try:
        rows = {
            row["outcome"]: row for row in engine.rows(statement, {"since": (since - EPOCH) // timedelta(microseconds=1)})
        }
    except NoTable:
        return None
    files = {outcome: row["files"] or 0 for outcome, row in rows.items()}
    # A rejected file's rows were not loaded, so that no row of it is inserted, updated or outranked.
    merged = rows.get("merged", {})
    latest = merged.get("latest")
    return LogTotals(
        **files,
        **{name: merged.get(name) or 0 for name in names},
        last_merge=None if latest is None else from_micros(latest),
    )


def entries_of(engine: Engine, feed: Feed, generations: Sequence[int]) -> list[LogEntry]:
    """The log lines with these generations, for a caller that doesn't know the rest of the file id."""
    found = []
    for some in _parts(generations, _FILES_PER_QUERY):
        numbers = ", ".join(str(int(number)) for number in some)
        where = f"WHERE {near_sql('l', some)} AND l.generation IN ({numbers})"
        found += _entries(engine, f"SELECT {_LOG} FROM {_log(feed)} l {where}")
    return found


def attempts_at(engine: Engine, feed: Feed, files: Sequence[FileId]) -> list[AttemptRow]:
    """The rows of the attempts table about these files."""
    found = []
    for some in _parts(files, _FILES_PER_QUERY):
        names, parameters = _list_of([str(file) for file in some])
        where = f"WHERE {near_sql('a', [file.generation for file in some])} AND a.file_id IN ({names})"
        columns = ", ".join(AttemptRow._fields)
        found += _rows(engine, f"SELECT {columns} FROM {feed.table_prefix}_attempts a {where}", parameters)
    return [AttemptRow(**row) for row in found]


def unlogged_attempts(engine: Engine, feed: Feed) -> dict[FileId, Attempts]:
    """What was noted about all files that are not in the log, for a caller that can't read the bucket."""
    columns = ", ".join(f"a.{name}" for name in AttemptRow._fields)
    logged = f"SELECT 1 FROM {_log(feed)} l WHERE l.generation = a.generation AND l.file_id = a.file_id"
    rows = _rows(engine, f"SELECT {columns} FROM {feed.table_prefix}_attempts a WHERE NOT EXISTS ({logged})")
    return attempts_of(AttemptRow(**row) for row in rows)


def named(engine: Engine, feed: Feed, base: str) -> tuple[list[LogEntry], list[AttemptRow]]:
    """The log lines and attempts of all files with this base name, in any folder."""
    part: dict[str, Scalar] = {"part": f"/{base}#"}
    where = "WHERE contains(file_id, :part)"
    entries = _entries(engine, f"SELECT {_LOG} FROM {_log(feed)} {where}", part)
    rows = _rows(engine, f"SELECT {', '.join(AttemptRow._fields)} FROM {feed.table_prefix}_attempts {where}", part)
    return entries, [AttemptRow(**row) for row in rows]


def waiting_attempts(engine: Engine, feed: Feed, files: Sequence[FileId]) -> dict[FileId, Attempts]:
    """What was noted about those of these files that are not in the log."""
    done = {entry.file for entry in entries_of(engine, feed, [file.generation for file in files])}
    noted = attempts_of(attempts_at(engine, feed, files))
    return {file: noted[file] for file in files if file in noted and file not in done}


def target_rows(engine: Engine, feed: Feed, keys: Iterable[Key]) -> Iterator[Row]:
    """The target's rows with these keys: the feed's columns with the contract's values, ``file_id`` and ``row_number``."""
    columns = ", ".join([*(_selected(feed, name) for name in feed.column_names), "file_id", "row_number"])
    single = len(feed.key) == 1
    names = ", ".join(f"`{name}`" for name in feed.key)
    for some in _parts(list(keys), engine.max_parameters // len(feed.key)):
        texts, parameters = zip(*(_list_of(key, f"k{number}_") for number, key in enumerate(some)), strict=True)
        wanted = ", ".join(texts if single else (f"({text})" for text in texts))
        where = f"{names} IN ({wanted})" if single else f"({names}) IN ({wanted})"
        given = {name: value for each in parameters for name, value in each.items()}
        for row in _rows(engine, f"SELECT {columns} FROM {feed.table_prefix}_target WHERE {where}", given):
            yield {name: _as_value(feed, name, value) for name, value in row.items()}


def _selected(feed: Feed, name: str) -> str:
    """Times with all digits, and lists of records, in a form that every engine returns alike."""
    match feed.column(name).type:
        case Timestamp():
            return f"unix_micros(`{name}`) AS `{name}`"
        case Records():
            return f"to_json(`{name}`) AS `{name}`"
    return f"`{name}`"


def _as_value(feed: Feed, name: str, value: Any) -> Any:
    if value is None or name not in feed.column_names:
        return value
    match feed.column(name).type:
        case Timestamp():
            return from_micros(value)
        case Records() as kind:
            return kind.parse(name, value, _LATEST)
    return value


def _entries(engine: Engine, statement: str, parameters: dict[str, Scalar] | None = None) -> list[LogEntry]:
    found = []
    for row in _rows(engine, statement, parameters):
        row["file"] = FileId.parse(row.pop("file_id"))
        found.append(LogEntry(**row))
    return found


def _rows(engine: Engine, statement: str, parameters: dict[str, Scalar] | None = None) -> list[Row]:
    try:
        return engine.rows(statement, parameters)
    except NoTable:
        return []


def _log(feed: Feed) -> str:
    return f"{feed.table_prefix}_ingest_log"


def _list_of(values: Sequence[Any], prefix: str = "p") -> tuple[str, dict[str, Scalar]]:
    """Parameters for these values, and their names as a list in SQL."""
    parameters: dict[str, Scalar] = {f"{prefix}{number}": value for number, value in enumerate(values)}
    return ", ".join(f":{name}" for name in parameters), parameters


def _parts(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]
