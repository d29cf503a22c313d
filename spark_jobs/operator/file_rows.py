"""Why didn't my row change: the rows of a file, compared with what the target has for their keys."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import Any

from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import CheckedRow, FileValidation, blocks_of
from spark_jobs.contract.rows import latest_allowed, precedence
from spark_jobs.contract.values import WHITE_SPACE, Fault
from spark_jobs.operator.file_history import Found
from spark_jobs.operator.lookups import Key, target_rows
from spark_jobs.queries.engine import Engine, Row
from spark_jobs.settings import SettingsError

_CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class KeyHistory:
    """What happened to a file's row for one key: ``sentence`` explains it; row numbers are None if there is no such row."""

    sentence: str
    row: int | None = None
    outranked_by: str | None = None
    outranking_row: int | None = None


def explain_key(engine: Engine, store: FileStore, feed: Feed, found: Sequence[Found], key: str) -> list[KeyHistory]:
    """For each of these generations: which of its rows has the key, and what the target has instead.

    Raises SettingsError if the key isn't valid.
    """
    values = parse_key(feed, key)
    target = _target_row(engine, feed, values)
    return [explain(good_rows(store, feed, one), target, feed, one.file, values) for one in found]


def explain_target(engine: Engine, feed: Feed, key: str) -> KeyHistory:
    """What the target has, for a caller that can't read the file. Raises SettingsError if the key isn't valid."""
    values = parse_key(feed, key)
    target = _target_row(engine, feed, values)
    return KeyHistory(f"the target has {target or f'no row for {_described(feed, values)}'}")


def _target_row(engine: Engine, feed: Feed, key: Key) -> TargetRow | None:
    row = next(target_rows(engine, feed, [key]), None)
    return TargetRow.of(feed, row) if row else None


def _described(feed: Feed, key: Key) -> str:
    return f"{', '.join(feed.key)} {key_text(key)!r}"


def parse_key(feed: Feed, text: str) -> Key:
    """A key as typed values. Several columns are written as a line of CSV. Raises SettingsError."""
    parts = next(csv.reader([text]), []) if len(feed.key) > 1 else [text]
    values: tuple[Any, ...] = tuple(
        feed.column(name).type.parse(name, part.strip(WHITE_SPACE), datetime.max.replace(tzinfo=UTC))
        for name, part in zip(feed.key, parts, strict=False)
    )
    if len(parts) != len(feed.key) or any(isinstance(value, Fault) for value in values):
        raise SettingsError(f"--key must be a value of {', '.join(feed.key)} (several columns: as in a line of CSV)")
    return values


def key_text(values: Sequence[Any]) -> str:
    """A key for people: the value, or a line of CSV."""
    if len(values) == 1:
        return str(values[0])
    line = StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def utc_text(stamp: Any) -> str:
    """A timestamp of a row with all its digits, in UTC whatever the reader's time zone: as files without offset have it."""
    return f"{stamp.astimezone(UTC).replace(tzinfo=None).isoformat(' ')} UTC"


@dataclass(frozen=True)
class TargetRow:
    """One row of the target: where it came from, its values in the feed's order, and its timestamp (aware)."""

    file_id: str
    row_number: int
    values: tuple[Any, ...]
    stamp: datetime

    @classmethod
    def of(cls, feed: Feed, row: Row) -> TargetRow:
        """From a row as `target_rows` gives it."""
        values = tuple(row[name] for name in feed.column_names)
        return cls(row["file_id"], row["row_number"], values, row[feed.moment])

    def __str__(self) -> str:
        return f"row {self.row_number} of {self.file_id} ({utc_text(self.stamp)})"


def explain(rows: Iterable[CheckedRow], target: TargetRow | None, feed: Feed, file: FileId, key: Key) -> KeyHistory:
    """Compare a file's newest row for a key with the target's row."""
    best: CheckedRow | None = None
    for row in rows:
        if tuple(row.values[position] for position in feed.key_positions) != key:
            continue
        if best is None or precedence(feed, row.values) > precedence(feed, best.values):
            best = row
    if best is None:
        invalid = f"see {feed.table_prefix}_rejected_rows for its invalid rows"
        return KeyHistory(f"{file} has no valid row for {_described(feed, key)}; {invalid}")
    stamp = best.values[feed.position(feed.moment)]
    ours = f"row {best.number} of {file} ({utc_text(stamp)})"
    if target is None:
        return KeyHistory(f"{ours} has not reached the target yet", best.number)
    if target.file_id == str(file):
        return KeyHistory(f"the target has {target}", best.number)
    if precedence(feed, target.values) == precedence(feed, best.values):
        return KeyHistory(f"the target has the same content as {ours}, from {target}", best.number)
    return KeyHistory(f"{ours} was outranked by {target}", best.number, target.file_id, target.row_number)


def good_rows(store: FileStore, feed: Feed, found: Found) -> Iterator[CheckedRow]:
    """The valid rows of a generation, up to the first violation of the whole file, where a rejected file stops."""
    file = FileValidation(feed, latest_allowed(feed, found.arrival))
    with store.open_file(found.stored.file) as stream:
        for block, last in blocks_of(stream) if stream else ():
            yield from (row for row in file.take(block, last=last) if not row.faults)
            if file.violations:
                return


@dataclass(frozen=True)
class Tie:
    """``row`` of ``file`` shares ``key`` and ``stamp`` (aware) with the target's row, which came from ``kept_row`` of
    ``kept_file`` and differs in another column. Ties that a newer row has resolved since are not listed.
    """

    key: str
    stamp: datetime
    file: str
    row: int
    kept_file: str
    kept_row: int


def find_ties(engine: Engine, store: FileStore, feed: Feed, found: Sequence[Found]) -> Iterator[Tie]:
    """The ties of each of these generations, in row order."""
    for one in found:
        rows = good_rows(store, feed, one)
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            yield from _ties_in(engine, feed, one.file, chunk)


def _ties_in(engine: Engine, feed: Feed, file: FileId, rows: Sequence[CheckedRow]) -> Iterator[Tie]:
    moment = feed.position(feed.moment)
    keys = {tuple(row.values[at] for at in feed.key_positions) for row in rows}
    kept = {tuple(row[name] for name in feed.key): TargetRow.of(feed, row) for row in target_rows(engine, feed, keys)}
    for row in rows:
        key = tuple(row.values[at] for at in feed.key_positions)
        target = kept.get(key)
        if target and target.stamp == row.values[moment] and target.values != tuple(row.values):
            yield Tie(key_text(key), target.stamp, str(file), row.number, target.file_id, target.row_number)
