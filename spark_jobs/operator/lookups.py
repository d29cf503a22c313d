# ruff: noqa: S608 - names come from the declared feeds, numbers are numbers, and texts are parameters
"""What the operator's commands read from the tables, without Spark: log lines, attempts, and rows of the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from spark_jobs.batches import Attempts
from spark_jobs.contract.column_types import Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.values import Value
from spark_jobs.queries.engine import Engine, NoTable, Row, Scalar
from spark_jobs.steps.parking import AttemptRow, attempts_of
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import near_sql

_FILES_PER_QUERY = 100
_LOG = ", ".join("file_id" if field.name == "file" else field.name for field in fields(LogEntry))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
Key = tuple[Value, ...]
T = TypeVar("T")


def recent_entries(engine: Engine, feed: Feed, limit: int) -> list[LogEntry]:
    """The latest log lines of a feed, newest first; none if no run has created the table. A batch has one time."""
    order = "ORDER BY logged_at DESC, file_id DESC"
    return _entries(engine, f"SELECT {_LOG} FROM {_log(feed)} {order} LIMIT {int(limit)}")


def has_log(engine: Engine, feed: Feed) -> bool:
    """Whether the feed's log exists and may be read: engines answer alike if not."""
    try:
        engine.rows(f"SELECT file_id FROM {_log(feed)} LIMIT 1")
    except NoTable:
        return False
    return True


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
            return _EPOCH + timedelta(microseconds=value)
        case Records() as kind:
            return kind.parse(name, value, _LATEST)
    return value


def _entries(engine: Engine, statement: str) -> list[LogEntry]:
    found = []
    for row in _rows(engine, statement):
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
