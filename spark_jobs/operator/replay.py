"""Replay: copy archived or rejected files into the replay folder below source/, where they are ingested like uploads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import ARRIVAL_KEY, REPLAY_FOLDER, carried_arrival, noted_arrival
from spark_jobs.operator.backlog import read_report
from spark_jobs.settings import BucketLayout, SettingsError

_ARCHIVED = re.compile(r"(?P<stem>.+)\.(?P<generation>\d+)\.csv")
_REJECTED = re.compile(r"(?P<name>.+)\.(?P<generation>\d+)")

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
    """One planned copy. ``original`` is the generation under which the file first arrived (at ``arrival``, aware)."""

    stored: StoredFile
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
        replays = list(_named(store, feed, layout, file))
        if not replays:
            raise SettingsError(
                f"{file!r} is not in {layout.archive_prefix} or {layout.rejected_prefix} of bucket {layout.bucket}, "
                "or the feed doesn't accept its name"
            )
        yield from replays


def _between(store: FileStore, feed: Feed, layout: BucketLayout, first: date, last: date) -> Iterator[Replay]:
    days = (first + timedelta(n) for n in range((last - first).days + 1))
    candidates: list[StoredFile] = []
    for day in days:
        candidates += store.list_files(layout.bucket, f"{layout.archive_prefix}{day:%Y/%m/%d}/")
    candidates += store.list_files(layout.bucket, layout.rejected_prefix)
    for stored in candidates:
        replay = _replay_of(store, feed, layout, stored)
        named = feed.file_date(replay.to.rpartition("/")[2]) if replay else None
        if replay and named and first <= named <= last:
            yield replay


def _named(store: FileStore, feed: Feed, layout: BucketLayout, text: str) -> Iterator[Replay]:
    """A file by object name, by file id, or by the name it was uploaded under (then every generation)."""
    generation: int | None = None
    name = text
    if text.startswith(f"{layout.bucket}/") and "#" in text:
        try:
            parsed = FileId.parse(text)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        name, generation = parsed.name, parsed.generation
    for prefix in _prefixes(feed, layout, name):
        for stored in store.list_files(layout.bucket, prefix):
            replay = _replay_of(store, feed, layout, stored)
            if replay and generation in (None, replay.original):
                yield replay


def _prefixes(feed: Feed, layout: BucketLayout, name: str) -> Sequence[str]:
    if name.startswith((layout.archive_prefix, layout.rejected_prefix)):
        return [name]
    relative = name.removeprefix(layout.source_prefix)
    base = relative.rpartition("/")[2]
    day = feed.file_date(base)
    archived = [f"{layout.archive_prefix}{day:%Y/%m/%d}/{base.removesuffix('.csv')}."] if day else []
    return [*archived, f"{layout.rejected_prefix}{relative}."]


def _replay_of(store: FileStore, feed: Feed, layout: BucketLayout, stored: StoredFile) -> Replay | None:
    """How to copy an object back; None if it isn't a file of the feed (a report, or another name)."""
    name = stored.file.name
    if name.startswith(layout.archive_prefix):
        matched = _ARCHIVED.fullmatch(name.rpartition("/")[2])
        base = f"{matched['stem']}.csv" if matched else ""
    else:
        matched = _REJECTED.fullmatch(name)
        base = matched["name"].rpartition("/")[2] if matched else ""
    if not matched or feed.file_date(base) is None:
        return None
    original = int(matched["generation"])
    to = f"{layout.source_prefix}{REPLAY_FOLDER}{original}/{base}"
    return Replay(stored, original, _arrival(store, stored, original), to)


def _arrival(store: FileStore, stored: StoredFile, original: int) -> datetime:
    """From the mark of an accepted file or the report of a rejected one; otherwise the time it was moved."""
    arrival = noted_arrival(original, stored.created, stored.metadata)
    if arrival:
        return arrival
    reported = read_report(store, stored).get("arrival")
    return carried_arrival(reported if isinstance(reported, str) else None, stored.created)
