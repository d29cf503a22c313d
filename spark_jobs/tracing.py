"""Where is my file, and why didn't my row change: one file's way, read from bucket, log and target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import arrival_of
from spark_jobs.contract.records import BOM, RecordError, split_records
from spark_jobs.contract.rows import JudgedRow, judge_header, judge_row, latest_allowed, precedence
from spark_jobs.ingest_log import LogEntry, of_generations
from spark_jobs.replaying import Replay, Wanted, plan
from spark_jobs.settings import IngestSettings, Places, SettingsError
from spark_jobs.tables import Tables
from spark_jobs.taking import of_files
from spark_jobs.waiting import reason_of, state_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Trace:
    """One generation's way. Moments are aware; None: not got that far. ``place`` is the object's name now."""

    file: str
    place: str
    seen: datetime
    state: str
    taken: tuple[datetime, ...] = ()
    entry: LogEntry | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of a file's row for one key: ``sentence`` says it; the row numbers are None where there is no row."""

    sentence: str
    row: int | None = None
    outranked_by: str | None = None
    outranking_row: int | None = None


def find(store: FileStore, settings: IngestSettings, name: str) -> list[tuple[FileId, StoredFile, datetime]]:
    """Every generation of a file that the bucket holds: file id at upload, object now, arrival. Raises SettingsError."""
    places = settings.places
    try:
        moved: list[Replay] = plan(store, settings.feed, places, Wanted((name,)))
    except SettingsError:
        moved = []
    relative = _relative(places, name)
    found = [(_uploaded_as(places, relative, r), r.stored, r.arrival) for r in moved]
    live = store.look(places.bucket, places.source_prefix + relative)
    if live:
        arrival = arrival_of(live.file.name, places.source_prefix, live.created, live.metadata)
        found.append((live.file, live, arrival))
    if not found:
        raise _nowhere(name, places)
    return found


def _nowhere(name: str, places: Places) -> SettingsError:
    return SettingsError(f"{name!r} is not in {places.bucket}: neither waiting, nor archived, nor rejected")


def _uploaded_as(places: Places, relative: str, moved: Replay) -> FileId:
    """As far as the bucket knows: an archived object's name leaves out the folder that it was uploaded to."""
    now = moved.stored.file.name
    if now.startswith(places.rejected_prefix):
        relative = now.removeprefix(places.rejected_prefix).removesuffix(f".{moved.original}")
    elif relative.startswith(places.archive_prefix):
        relative = moved.to.rpartition("/")[2]
    return FileId(places.bucket, places.source_prefix + relative, moved.original)


@dataclass(frozen=True)
class Found:
    """A generation under the id that the log has it by, if the log has it."""

    file: FileId
    stored: StoredFile
    arrival: datetime
    entry: LogEntry | None


def identify(spark: SparkSession, store: FileStore, settings: IngestSettings, name: str) -> list[Found]:
    """What ``find`` finds, each under its true name: a replayed copy is archived beside the original, and only its
    generation tells them apart. Whoever names a folder gets no file of another. Raises SettingsError.
    """
    found = find(store, settings, name)
    generations = [file.generation for file, _, _ in found]
    entries = {_archive_keeps(entry.file): entry for entry in of_generations(spark, Tables.of(settings), generations)}
    places = settings.places
    relative = _relative(places, name)
    anywhere = "/" not in relative or relative.startswith((places.archive_prefix, places.rejected_prefix))
    identified = [
        Found(entry.file if entry else file, stored, arrival, entry)
        for file, stored, arrival in found
        for entry in [entries.get(_archive_keeps(file))]
    ]
    asked = [one for one in identified if anywhere or one.file.name == places.source_prefix + relative]
    if not asked:
        raise _nowhere(name, places)
    return asked


def _archive_keeps(file: FileId) -> tuple[str, int]:
    """Of a file id, what its archived object's name still says."""
    return file.name.rpartition("/")[2], file.generation


def _relative(places: Places, name: str) -> str:
    return name.partition("#")[0].removeprefix(f"{places.bucket}/").removeprefix(places.source_prefix)


def trace(spark: SparkSession, store: FileStore, settings: IngestSettings, found: Sequence[Found]) -> list[Trace]:
    """The way of each of these generations."""
    taken: dict[str, list[datetime]] = {}
    noted = of_files(spark.table(Tables.of(settings).attempts), [one.file for one in found])
    for row in noted.select("file_id", "attempted_at").collect():
        taken.setdefault(row["file_id"], []).append(row["attempted_at"].astimezone(UTC))
    return [
        Trace(
            str(one.file),
            one.stored.file.name,
            one.arrival,
            _state(store, settings, one.stored, one.entry),
            tuple(sorted(taken.get(str(one.file), []))),
            one.entry,
        )
        for one in found
    ]


def _state(store: FileStore, settings: IngestSettings, stored: StoredFile, entry: LogEntry | None) -> str:
    if stored.file.name.startswith(settings.places.rejected_prefix):
        return f"rejected: {reason_of(store, stored)}"
    if stored.file.name.startswith(settings.places.archive_prefix):
        return "merged and archived"
    return f"{entry.outcome}, to be archived" if entry else f"waiting: {state_of(stored)}"


def explain_key(
    spark: SparkSession, store: FileStore, settings: IngestSettings, found: Sequence[Found], key: str
) -> list[Verdict]:
    """For each of these generations: which of its rows has the key, and what the target has instead, if it does."""
    target = _target_row(spark, settings, key)
    return [
        _explain(_rows(store, settings.feed, one.stored, one.arrival), target, settings.feed, one.file, key)
        for one in found
    ]


def good_rows(store: FileStore, feed: Feed, found: Found) -> Iterator[JudgedRow]:
    """The rows of a generation that break no rule."""
    return (row for row in _rows(store, feed, found.stored, found.arrival) if row.values is not None)


def _explain(rows: Iterable[JudgedRow], target: dict[str, Any] | None, feed: Feed, file: FileId, key: str) -> Verdict:
    best: JudgedRow | None = None
    for row in rows:
        if row.values is None or row.values[feed.position(feed.key)] != key:
            continue
        if best is None or precedence(feed, row.values) > precedence(feed, best.values or ()):
            best = row
    if best is None or best.values is None:
        return Verdict(f"{file} has no good row for {feed.key} {key!r}; bad ones are in orders_rejected_rows")
    stamp = best.values[feed.position(feed.newest_by[0])]
    mine = f"row {best.row} of {file} ({stamp:%Y-%m-%d %H:%M:%S})"
    if target is None:
        return Verdict(f"{mine} has not reached the target yet", best.row)
    theirs = f"row {target['row_number']} of {target['file_id']} ({target['stamp']:%Y-%m-%d %H:%M:%S})"
    if target["file_id"] == str(file):
        return Verdict(
            f"the target has {mine}" if target["row_number"] == best.row else f"the target has {theirs}", best.row
        )
    if precedence(feed, target["values"]) == precedence(feed, best.values):
        return Verdict(f"the target has the same content as {mine}, brought by {theirs}", best.row)
    return Verdict(f"{mine} was outranked by {theirs}", best.row, target["file_id"], target["row_number"])


def _target_row(spark: SparkSession, settings: IngestSettings, key: str) -> dict[str, Any] | None:
    from pyspark.sql import functions as F

    feed = settings.feed
    target = spark.table(Tables.of(settings).target).where(F.col(feed.key) == F.lit(key))
    row = target.head()
    if row is None:
        return None
    values = tuple(v.astimezone(UTC) if isinstance(v, datetime) else v for v in (row[c] for c in feed.column_names))
    stamp = values[feed.position(feed.newest_by[0])]
    return {"file_id": row["file_id"], "row_number": row["row_number"], "values": values, "stamp": stamp}


def _rows(store: FileStore, feed: Feed, stored: StoredFile, arrival: datetime) -> Iterator[JudgedRow]:
    """The rows as far as the file can be read; one that was rejected may end anywhere."""
    with store.reading(stored.file) as stream:
        if stream is None:
            return
        chunks = iter(lambda: stream.read(_CHUNK), b"")
        first = next(chunks, b"")

        def all_chunks() -> Iterator[bytes]:
            yield first.removeprefix(BOM)
            yield from chunks

        try:
            records = split_records(all_chunks())
            header = next(records, None)
            if header is None:
                return
            positions, faults = judge_header(feed, header)
            if faults:
                return
            for number, record in enumerate(records, 1):
                yield judge_row(feed, positions, record, number, latest_allowed(feed, arrival))
        except (RecordError, UnicodeDecodeError):
            return
