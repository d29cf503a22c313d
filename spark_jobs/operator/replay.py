"""Replay: copy archived or rejected files into the replay folder below source/, where they are ingested like uploads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import name_problem
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import ARRIVAL_KEY, REPLAY_FOLDER, carried_arrival, noted_arrival
from spark_jobs.operator.backlog import read_report
from spark_jobs.settings import BucketLayout, SettingsError

# Below their prefixes. Objects archived before 2026-12 lost the folder that they were uploaded to.
_ARCHIVED = re.compile(r"\d{4}/\d{2}/\d{2}/(?P<folder>(?:.+/)?)(?P<stem>[^/]+)\.(?P<generation>\d+)\.csv")
_REJECTED = re.compile(r"(?P<folder>(?:.+/)?)(?P<base>[^/]+)\.(?P<generation>\d+)")
_REPLAYED = re.compile(re.escape(REPLAY_FOLDER) + r"\d+/")

Answer = Literal["copied", "already waiting", "gone"]


@dataclass(frozen=True)
class Selection:
    """Which files to replay: by name or id, or all with a date between two days (inclusive) in their name."""

    files: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if bool(self.files) == bool(self.first or self.last):
            raise SettingsError("select files either by name or with --from and --to")
        if not self.files and not (self.first and self.last and self.first <= self.last):
            raise SettingsError("--from and --to must be given together, and --from must not be later than --to")


@dataclass(frozen=True)
class Replay:
    """One planned copy. ``uploaded`` is the name below source/ at upload, without a folder if the object's name lost it;
    ``original`` is the generation then, and ``arrival`` (aware) the time.
    """

    stored: StoredFile
    uploaded: str
    original: int
    arrival: datetime
    to: str


@dataclass(frozen=True)
class Copy:
    """``file`` is the copy that is now waiting; the log will contain its own id. None if there is no copy."""

    answer: Answer
    file: FileId | None = None


def plan(store: FileStore, feed: Feed, layout: BucketLayout, selection: Selection) -> list[Replay]:
    """The copies to make, older generations first. Raises SettingsError for a file that doesn't exist."""
    found = {replay.stored.file: replay for replay in _found(store, feed, layout, selection)}
    return sorted(found.values(), key=lambda replay: replay.original)


def carry_out(store: FileStore, replay: Replay) -> Copy:
    """Copy one file back. Idempotent: the copy's name is derived from the generation."""
    copied = store.copy(replay.stored.file, replay.to, {ARRIVAL_KEY: replay.arrival.isoformat()})
    if copied:
        return Copy("copied", copied)
    existing = store.stat(replay.stored.file.bucket, replay.to)
    return Copy("already waiting", existing.file) if existing else Copy("gone")


def _found(store: FileStore, feed: Feed, layout: BucketLayout, selection: Selection) -> Iterator[Replay]:
    if selection.first and selection.last:
        yield from _between(store, feed, layout, selection.first, selection.last)
    for file in selection.files:
        replays = list(moved_files(store, feed, layout, file))
        if not replays:
            raise SettingsError(
                f"{file!r} is not in {layout.archive_prefix} or {layout.rejected_prefix} of bucket {layout.bucket}, "
                "or the feed doesn't accept its name"
            )
        # If any object is known to come from the named folder, those without a folder belong to other files.
        relative = relative_name(layout, file)
        exact = [one for one in replays if one.uploaded == relative]
        yield from exact if exact and "/" in relative else replays


def _between(store: FileStore, feed: Feed, layout: BucketLayout, first: date, last: date) -> Iterator[Replay]:
    days = (first + timedelta(n) for n in range((last - first).days + 1))
    candidates: list[StoredFile] = []
    for day in days:
        candidates += store.list_files(layout.bucket, f"{layout.archive_prefix}{day:%Y/%m/%d}/")
    candidates += store.list_files(layout.bucket, layout.rejected_prefix)
    for stored in candidates:
        replay = _replay_of(store, feed, layout, stored)
        named = feed.file_date(replay.uploaded.rpartition("/")[2]) if replay else None
        if replay and named and first <= named <= last:
            yield replay


def moved_files(store: FileStore, feed: Feed, layout: BucketLayout, text: str) -> Iterator[Replay]:
    """Archived or rejected generations of a file, given its object name, its file id, or the name it was uploaded under.

    A name without a folder means any folder. A name with a folder also finds archived objects whose names lost theirs.
    """
    name, generation = split_id(layout, text)
    if name.startswith((layout.archive_prefix, layout.rejected_prefix)):
        prefixes: Sequence[str] = [name]
        folder = base = ""
    else:
        folder, _, base = name.removeprefix(layout.source_prefix).rpartition("/")
        prefixes = _prefixes(feed, layout, folder, base)
    for prefix in prefixes:
        for stored in store.list_files(layout.bucket, prefix):
            replay = _replay_of(store, feed, layout, stored)
            if replay is None or generation not in (None, replay.original):
                continue
            its_folder, _, its_base = replay.uploaded.rpartition("/")
            lost_folder = not its_folder and stored.file.name.startswith(layout.archive_prefix)
            if base in ("", its_base) and (not folder or folder == its_folder or lost_folder):
                yield replay


def split_id(layout: BucketLayout, text: str) -> tuple[str, int | None]:
    """The object name and, if ``text`` is a file id, the generation. Raises SettingsError."""
    if not (text.startswith(f"{layout.bucket}/") and "#" in text):
        return text, None
    try:
        parsed = FileId.parse(text)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return parsed.name, parsed.generation


def relative_name(layout: BucketLayout, text: str) -> str:
    """A file's name below the source folder, given its name, object name or file id."""
    return split_id(layout, text)[0].removeprefix(layout.source_prefix)


def _prefixes(feed: Feed, layout: BucketLayout, folder: str, base: str) -> Sequence[str]:
    """All archived files of one name are below the day in that name."""
    day = feed.file_date(base)
    rejected = f"{layout.rejected_prefix}{folder}/{base}." if folder else f"{layout.rejected_prefix}{base}."
    return [*([f"{layout.archive_prefix}{day:%Y/%m/%d}/"] if day else []), rejected]


def _replay_of(store: FileStore, feed: Feed, layout: BucketLayout, stored: StoredFile) -> Replay | None:
    """How to copy an object back; None if it isn't a file of the feed (a report, or another name)."""
    name = stored.file.name
    if name.startswith(layout.archive_prefix):
        matched = _ARCHIVED.fullmatch(name.removeprefix(layout.archive_prefix))
        base = f"{matched['stem']}.csv" if matched else ""
    else:
        matched = _REJECTED.fullmatch(name.removeprefix(layout.rejected_prefix))
        base = matched["base"] if matched else ""
    if not matched or feed.file_date(base) is None:
        return None
    folder, original = matched["folder"], int(matched["generation"])
    # A replay of a replay goes to the same depth. A folder that the function would reject is left out.
    kept = _REPLAYED.sub("", folder, count=1) if _REPLAYED.match(folder) else folder
    kept = "" if name_problem(feed, kept + base) else kept
    to = f"{layout.source_prefix}{REPLAY_FOLDER}{original}/{kept}{base}"
    return Replay(stored, folder + base, original, _arrival(store, stored, original), to)


def _arrival(store: FileStore, stored: StoredFile, original: int) -> datetime:
    """From the mark of an accepted file or the report of a rejected one; otherwise the time it was moved."""
    arrival = noted_arrival(original, stored.created, stored.metadata)
    if arrival:
        return arrival
    reported = read_report(store, stored).get("arrival")
    return carried_arrival(reported if isinstance(reported, str) else None, stored.created)
