"""Where is my file, and why didn't my row change: the history of one file, read from the bucket, the log and the target."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import Any

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import file_date
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import CheckedRow, FileValidation, blocks_of
from spark_jobs.contract.marks import accepted_at, arrival_of
from spark_jobs.contract.rows import latest_allowed, precedence
from spark_jobs.contract.values import WHITE_SPACE, Fault
from spark_jobs.operator.backlog import reason_of, state_of
from spark_jobs.operator.lookups import Key, attempts_at, entries_of, target_rows
from spark_jobs.operator.moved_files import MovedFile, moved_files, relative_name
from spark_jobs.operator.parked import FailedRuns, ParkedFile, parked_file
from spark_jobs.queries.engine import Engine, Row
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError
from spark_jobs.steps.archive import destination
from spark_jobs.steps.parking import NOTES, attempts_of
from spark_jobs.store.ingest_log import LogEntry

_CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class FileHistory:
    """The history of one generation. Times are aware. ``place`` is the object's current name, ``validated`` when the
    function accepted it (None if it didn't, or didn't note it), ``taken`` when batches took it, ``moved`` when it left the
    source folder; ``entry`` is None until it is logged, ``parked`` unless runs failed on it.
    """

    file: str
    place: str
    seen: datetime
    validated: datetime | None
    moved: datetime | None
    state: str
    taken: tuple[datetime, ...]
    entry: LogEntry | None
    parked: ParkedFile | None


@dataclass(frozen=True)
class KeyHistory:
    """What happened to a file's row for one key: ``sentence`` explains it; row numbers are None if there is no such row."""

    sentence: str
    row: int | None = None
    outranked_by: str | None = None
    outranking_row: int | None = None


@dataclass(frozen=True)
class Found:
    """One generation of a file: its id at upload, the object as it is now, and its log line if it has one."""

    file: FileId
    stored: StoredFile
    arrival: datetime
    entry: LogEntry | None = None


def find(store: FileStore, settings: IngestSettings, name: str) -> list[Found]:
    """Every generation of a file in the bucket, without log lines. Raises SettingsError if there is none."""
    layout = settings.layout
    relative = relative_name(layout, name)
    moved = sorted(moved_files(store, layout, name), key=lambda one: one.original)
    found = [Found(_uploaded_as(layout, relative, one), one.stored, one.arrival) for one in moved]
    live = store.stat(layout.bucket, layout.source_prefix + relative)
    if live:
        arrival = arrival_of(live.file.name, layout.source_prefix, live.created, live.metadata)
        found.append(Found(live.file, live, arrival))
    if not found:
        raise _not_found(name, layout)
    return found


def _not_found(name: str, layout: BucketLayout) -> SettingsError:
    return SettingsError(f"{name!r} is not in bucket {layout.bucket}: not waiting, not archived and not rejected")


def _uploaded_as(layout: BucketLayout, relative: str, moved: MovedFile) -> FileId:
    """The file id at upload. If the archived object's name lost the folder, assume the one that was asked for."""
    lost_folder = moved.stored.file.name.startswith(layout.archive_prefix) and "/" not in moved.uploaded
    by_name = relative.rpartition("/")[2] == moved.uploaded
    uploaded = relative if lost_folder and by_name else moved.uploaded
    return FileId(layout.bucket, layout.source_prefix + uploaded, moved.original)


def identify(engine: Engine, store: FileStore, settings: IngestSettings, name: str) -> list[Found]:
    """What ``find`` finds, with log lines and the file ids from the log. If ``name`` includes a folder, files of other
    folders are left out. Raises SettingsError.
    """
    layout = settings.layout
    found = find(store, settings, name)
    entries = entries_of(engine, settings.feed, [one.file.generation for one in found])
    relative = relative_name(layout, name)
    any_folder = "/" not in relative or relative.startswith((layout.archive_prefix, layout.rejected_prefix))
    identified = [with_entry(one, entries, settings) for one in found]
    matching = [one for one in identified if any_folder or one.file.name == layout.source_prefix + relative]
    if not matching:
        raise _not_found(name, layout)
    return matching


def with_entry(one: Found, entries: Sequence[LogEntry], settings: IngestSettings) -> Found:
    """A generation with its log line and the file id from there. A line belongs to it if it has the same id, or sends the
    file to where the object is, or, for an archived object whose name lost the folder, has the same base name.
    """
    same = [entry for entry in entries if _base(entry.file) == _base(one.file)]
    exact = [entry for entry in same if one.stored.file.name in (entry.file.name, destination(entry, settings))]
    lost_folder = one.stored.file.name == _without_folder(one.file, settings)
    matching = exact or [entry for entry in same if entry.file == one.file or lost_folder]
    if not matching:
        return one
    return Found(matching[0].file, one.stored, one.arrival, matching[0])


def _base(file: FileId) -> tuple[str, int]:
    return file.name.rpartition("/")[2], file.generation


def _without_folder(file: FileId, settings: IngestSettings) -> str | None:
    """The name of an archived object without the folder of its upload, as all had until 2026-12."""
    base = file.name.rpartition("/")[2]
    day = file_date(base)
    prefix = settings.layout.archive_prefix
    return f"{prefix}{day:%Y/%m/%d}/{base.removesuffix('.csv')}.{file.generation}.csv" if day else None


def file_history(
    engine: Engine,
    store: FileStore,
    settings: IngestSettings,
    found: Sequence[Found],
    failed_runs: FailedRuns | None,
) -> list[FileHistory]:
    """The history of each of these generations. ``failed_runs`` is asked for the last error of parked files."""
    rows = attempts_at(engine, settings.feed, [one.file for one in found])
    attempts = attempts_of(rows)
    layout = settings.layout
    histories = []
    for one in found:
        file, place = str(one.file), one.stored.file.name
        taken = [row.attempted_at for row in rows if row.file_id == file and not row.batch_id.startswith(NOTES)]
        parked = None
        if place.startswith(layout.source_prefix) and one.entry is None and one.file in attempts:
            parked = parked_file(one.file, attempts[one.file], failed_runs)
        histories.append(
            FileHistory(
                file,
                place,
                one.arrival,
                accepted_at(one.file.generation, one.stored.metadata),
                # A move creates a new object.
                None if place.startswith(layout.source_prefix) else one.stored.created,
                describe_state(store, layout, one),
                tuple(sorted(taken)),
                one.entry,
                parked,
            )
        )
    return histories


def describe_state(store: FileStore, layout: BucketLayout, found: Found) -> str:
    """Where a generation is in the pipeline, in a few words."""
    if found.stored.file.name.startswith(layout.rejected_prefix):
        return f"rejected: {reason_of(store, found.stored)}"
    if found.stored.file.name.startswith(layout.archive_prefix):
        return "merged and archived"
    return f"{found.entry.outcome}, not moved yet" if found.entry else f"waiting: {state_of(found.stored)}"


def explain_key(engine: Engine, store: FileStore, feed: Feed, found: Sequence[Found], key: str) -> list[KeyHistory]:
    """For each of these generations: which of its rows has the key, and what the target has instead.

    Raises SettingsError if the key isn't valid.
    """
    values = parse_key(feed, key)
    row = next(target_rows(engine, feed, [values]), None)
    target = TargetRow.of(feed, row) if row else None
    return [explain(good_rows(store, feed, one), target, feed, one.file, values) for one in found]


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
        return f"row {self.row_number} of {self.file_id} ({self.stamp:%Y-%m-%d %H:%M:%S})"


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
        return KeyHistory(f"{file} has no valid row for {', '.join(feed.key)} {key_text(key)!r}; {invalid}")
    stamp = best.values[feed.position(feed.moment)]
    ours = f"row {best.number} of {file} ({stamp:%Y-%m-%d %H:%M:%S})"
    if target is None:
        return KeyHistory(f"{ours} has not reached the target yet", best.number)
    if target.file_id == str(file):
        return KeyHistory(f"the target has {target}", best.number)
    theirs, best_rank = precedence(feed, target.values), precedence(feed, best.values)
    if theirs == best_rank:
        return KeyHistory(f"the target has the same content as {ours}, from {target}", best.number)
    if theirs < best_rank:
        return KeyHistory(f"{ours} is newer than {target}, but has not reached the target", best.number)
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
