"""Where is my file, and why didn't my row change: one file's way, read from bucket, log and target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import CheckedRow, FileValidation, blocks_of
from spark_jobs.contract.marks import arrival_of
from spark_jobs.contract.rows import latest_allowed, precedence
from spark_jobs.operator.backlog import reason_of, state_of
from spark_jobs.operator.replay import Replay, Wanted, plan
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError
from spark_jobs.store.ingest_log import LogEntry, of_generations
from spark_jobs.store.tables import Tables, of_files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class FileHistory:
    """One generation's way. Moments are aware; None: not got that far. ``place`` is the object's name now."""

    file: str
    place: str
    seen: datetime
    state: str
    taken: tuple[datetime, ...] = ()
    entry: LogEntry | None = None


@dataclass(frozen=True)
class KeyHistory:
    """What became of a file's row for one key: ``sentence`` says it; the row numbers are None where there is no row."""

    sentence: str
    row: int | None = None
    outranked_by: str | None = None
    outranking_row: int | None = None


def find(store: FileStore, settings: IngestSettings, name: str) -> list[tuple[FileId, StoredFile, datetime]]:
    """Every generation of a file that the bucket holds: file id at upload, object now, arrival. Raises SettingsError."""
    layout = settings.layout
    try:
        moved: list[Replay] = plan(store, settings.feed, layout, Wanted((name,)))
    except SettingsError:
        moved = []
    relative = _relative(layout, name)
    found = [(_uploaded_as(layout, relative, r), r.stored, r.arrival) for r in moved]
    live = store.stat(layout.bucket, layout.source_prefix + relative)
    if live:
        arrival = arrival_of(live.file.name, layout.source_prefix, live.created, live.metadata)
        found.append((live.file, live, arrival))
    if not found:
        raise _nowhere(name, layout)
    return found


def _nowhere(name: str, layout: BucketLayout) -> SettingsError:
    return SettingsError(f"{name!r} is not in {layout.bucket}: neither waiting, nor archived, nor rejected")


def _uploaded_as(layout: BucketLayout, relative: str, moved: Replay) -> FileId:
    """As far as the bucket knows: an archived object's name leaves out the folder that it was uploaded to."""
    now = moved.stored.file.name
    if now.startswith(layout.rejected_prefix):
        relative = now.removeprefix(layout.rejected_prefix).removesuffix(f".{moved.original}")
    elif relative.startswith(layout.archive_prefix):
        relative = moved.to.rpartition("/")[2]
    return FileId(layout.bucket, layout.source_prefix + relative, moved.original)


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
    layout = settings.layout
    relative = _relative(layout, name)
    anywhere = "/" not in relative or relative.startswith((layout.archive_prefix, layout.rejected_prefix))
    identified = [
        Found(entry.file if entry else file, stored, arrival, entry)
        for file, stored, arrival in found
        for entry in [entries.get(_archive_keeps(file))]
    ]
    asked = [one for one in identified if anywhere or one.file.name == layout.source_prefix + relative]
    if not asked:
        raise _nowhere(name, layout)
    return asked


def _archive_keeps(file: FileId) -> tuple[str, int]:
    """Of a file id, what its archived object's name still says."""
    return file.name.rpartition("/")[2], file.generation


def _relative(layout: BucketLayout, name: str) -> str:
    return name.partition("#")[0].removeprefix(f"{layout.bucket}/").removeprefix(layout.source_prefix)


def file_history(
    spark: SparkSession, store: FileStore, settings: IngestSettings, found: Sequence[Found]
) -> list[FileHistory]:
    """The way of each of these generations."""
    taken: dict[str, list[datetime]] = {}
    noted = of_files(spark.table(Tables.of(settings).attempts), [one.file for one in found])
    for row in noted.select("file_id", "attempted_at").collect():
        taken.setdefault(row["file_id"], []).append(row["attempted_at"].astimezone(UTC))
    return [
        FileHistory(
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
    if stored.file.name.startswith(settings.layout.rejected_prefix):
        return f"rejected: {reason_of(store, stored)}"
    if stored.file.name.startswith(settings.layout.archive_prefix):
        return "merged and archived"
    return f"{entry.outcome}, to be archived" if entry else f"waiting: {state_of(stored)}"


def explain_key(
    spark: SparkSession, store: FileStore, settings: IngestSettings, found: Sequence[Found], key: str
) -> list[KeyHistory]:
    """For each of these generations: which of its rows has the key, and what the target has instead, if it does."""
    target = _target_row(spark, settings, key)
    return [_explain(good_rows(store, settings.feed, one), target, settings.feed, one.file, key) for one in found]


def _explain(rows: Iterable[CheckedRow], target: dict[str, Any] | None, feed: Feed, file: FileId, key: str) -> KeyHistory:
    best: CheckedRow | None = None
    for row in rows:
        if row.values[feed.position(feed.key)] != key:
            continue
        if best is None or precedence(feed, row.values) > precedence(feed, best.values):
            best = row
    if best is None:
        return KeyHistory(f"{file} has no good row for {feed.key} {key!r}; bad ones are in orders_rejected_rows")
    stamp = best.values[feed.position(feed.newest_by[0])]
    mine = f"row {best.number} of {file} ({stamp:%Y-%m-%d %H:%M:%S})"
    if target is None:
        return KeyHistory(f"{mine} has not reached the target yet", best.number)
    theirs = f"row {target['row_number']} of {target['file_id']} ({target['stamp']:%Y-%m-%d %H:%M:%S})"
    if target["file_id"] == str(file):
        return KeyHistory(
            f"the target has {mine}" if target["row_number"] == best.number else f"the target has {theirs}", best.number
        )
    if precedence(feed, target["values"]) == precedence(feed, best.values):
        return KeyHistory(f"the target has the same content as {mine}, brought by {theirs}", best.number)
    return KeyHistory(f"{mine} was outranked by {theirs}", best.number, target["file_id"], target["row_number"])


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


def good_rows(store: FileStore, feed: Feed, found: Found) -> Iterator[CheckedRow]:
    """The rows of a generation that break no rule, as far as the file can be read: a rejected file may end anywhere."""
    file = FileValidation(feed, latest_allowed(feed, found.arrival))
    with store.open_file(found.stored.file) as stream:
        for block, last in blocks_of(stream) if stream else ():
            yield from (row for row in file.take(block, last=last) if not row.faults)
            if file.violations:
                return
