"""Where is my file: the history of each of its generations, read from the bucket and the log, or from the log alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feeds import file_date
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import arrival_of
from spark_jobs.operator.backlog import reason_of, state_of
from spark_jobs.operator.lookups import attempts_at, entries_of, named
from spark_jobs.operator.moved_files import MovedFile, moved_files, name_at_upload, relative_name
from spark_jobs.operator.parked import FailedRuns, ParkedFile, parked_file
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError
from spark_jobs.steps.archive import destination
from spark_jobs.steps.parking import NOTES, AttemptRow, attempts_of
from spark_jobs.store.ingest_log import LogEntry


@dataclass(frozen=True)
class FileHistory:
    """The history of one generation. Times are aware. ``place`` is the object's current name, ``taken`` when batches took
    it; ``entry`` is None until it is logged, ``parked`` unless runs failed on it. ``place`` is None if the bucket can't be
    read, and ``seen`` if it isn't logged either.
    """

    file: str
    place: str | None
    seen: datetime | None
    state: str
    taken: tuple[datetime, ...]
    entry: LogEntry | None
    parked: ParkedFile | None


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
        parked = None
        if place.startswith(layout.source_prefix) and one.entry is None and one.file in attempts:
            parked = parked_file(one.file, attempts[one.file], failed_runs)
        state = describe_state(store, layout, one)
        histories.append(FileHistory(file, place, one.arrival, state, _taken(rows, file), one.entry, parked))
    return histories


def logged_history(
    engine: Engine, settings: IngestSettings, name: str, failed_runs: FailedRuns | None
) -> list[FileHistory]:
    """What the tables know about each generation of a file, for a caller that can't read the bucket. A name without a
    folder means any folder.
    """
    relative, generation = name_at_upload(settings.layout, name)
    folder, _, base = relative.rpartition("/")
    entries, rows = named(engine, settings.feed, base)
    logged = {entry.file: entry for entry in entries}
    attempts = attempts_of(rows)
    wanted = settings.layout.source_prefix + relative
    histories = []
    for file in sorted({*logged, *attempts}):
        is_named = file.name == wanted if folder else file.name.rpartition("/")[2] == base
        if file.bucket != settings.layout.bucket or not is_named or generation not in (None, file.generation):
            continue
        entry = logged.get(file)
        parked = None if entry else parked_file(file, attempts[file], failed_runs)
        state = entry.outcome if entry else "taken, not logged yet"
        seen = entry.arrived_at if entry else None
        histories.append(FileHistory(str(file), None, seen, state, _taken(rows, str(file)), entry, parked))
    return histories


def _taken(rows: Sequence[AttemptRow], file: str) -> tuple[datetime, ...]:
    return tuple(sorted(row.attempted_at for row in rows if row.file_id == file and not row.batch_id.startswith(NOTES)))


def describe_state(store: FileStore, layout: BucketLayout, found: Found) -> str:
    """Where a generation is in the pipeline, in a few words."""
    if found.stored.file.name.startswith(layout.rejected_prefix):
        return f"rejected: {reason_of(store, found.stored)}"
    if found.stored.file.name.startswith(layout.archive_prefix):
        return "merged and archived"
    return f"{found.entry.outcome}, not moved yet" if found.entry else f"waiting: {state_of(found.stored)}"
