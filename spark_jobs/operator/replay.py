"""Bringing an archived or rejected file back on purpose: a copy in a folder of its own below source/ goes the usual way."""

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

Answer = Literal["copied", "waiting already", "gone meanwhile"]


@dataclass(frozen=True)
class Wanted:
    """What to bring back: files by name or id, or all whose name's date lies between two days (both included)."""

    files: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if bool(self.files) == bool(self.first or self.last):
            raise SettingsError("name the files to replay, or give --from and --to; one or the other")
        if not self.files and not (self.first and self.last and self.first <= self.last):
            raise SettingsError("--from and --to go together, and --from must not lie after --to")


@dataclass(frozen=True)
class Replay:
    """One copy to make. ``original`` is the generation under which the file arrived first (at ``arrival``, aware)."""

    stored: StoredFile
    original: int
    arrival: datetime
    to: str


@dataclass(frozen=True)
class Copy:
    """``file``: the copy that waits now, which the log will know by its own id; None where there is none."""

    answer: Answer
    file: FileId | None = None


def plan(store: FileStore, feed: Feed, layout: BucketLayout, wanted: Wanted) -> list[Replay]:
    """What would be copied, older generations first. Raises SettingsError for a file that is nowhere."""
    found = {replay.stored.file: replay for replay in _found(store, feed, layout, wanted)}
    return sorted(found.values(), key=lambda replay: replay.original)


def carry_out(store: FileStore, replay: Replay) -> Copy:
    """Copy one file back. Doing it again changes nothing: the place is derived from the generation."""
    copied = store.copy(replay.stored.file, replay.to, {ARRIVAL_KEY: replay.arrival.isoformat()})
    if copied:
        return Copy("copied", copied)
    there = store.stat(replay.stored.file.bucket, replay.to)
    return Copy("waiting already", there.file) if there else Copy("gone meanwhile")


def _found(store: FileStore, feed: Feed, layout: BucketLayout, wanted: Wanted) -> Iterator[Replay]:
    if wanted.first and wanted.last:
        yield from _between(store, feed, layout, wanted.first, wanted.last)
    for file in wanted.files:
        replays = list(_named(store, feed, layout, file))
        if not replays:
            raise SettingsError(
                f"{file!r} is neither under {layout.archive_prefix} nor under {layout.rejected_prefix} of {layout.bucket}, "
                "or its name isn't one that the feed knows"
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
    """A file by its object name, by its file id, or by the name it was uploaded under (then every generation of it)."""
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
    """How to bring an object back; None where it isn't a file of the feed (a report, another name)."""
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
    """An accepted file has it in its mark, a rejected one in its report; failing both, when it was moved here."""
    arrival = noted_arrival(original, stored.created, stored.metadata)
    if arrival:
        return arrival
    noted = read_report(store, stored).get("arrival")
    return carried_arrival(noted if isinstance(noted, str) else None, stored.created)
