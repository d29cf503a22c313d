"""Archived and rejected files: found by name, with what is needed to copy them back below source/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import feed_of, file_date, name_problem
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import REPLAY_FOLDER, carried_arrival, noted_arrival
from spark_jobs.operator.backlog import read_report
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError

# Below their prefixes. Objects archived before 2026-12 lost the folder that they were uploaded to.
_ARCHIVED = re.compile(r"\d{4}/\d{2}/\d{2}/(?P<folder>(?:.+/)?)(?P<stem>[^/]+)\.(?P<generation>\d+)\.csv")
_REJECTED = re.compile(r"(?P<folder>(?:.+/)?)(?P<base>[^/]+)\.(?P<generation>\d+)")
_GENERATION = re.compile(r"\.\d+(?=\.csv$)|(?<=\.csv)\.\d+$")
_REPLAYED = re.compile(re.escape(REPLAY_FOLDER) + r"\d+/")


@dataclass(frozen=True)
class MovedFile:
    """``uploaded`` is the name below source/ at upload, without a folder if the object's name lost it; ``original`` is the
    generation then, and ``arrival`` (aware) the time. A replay copies the file ``to`` this name.
    """

    stored: StoredFile
    uploaded: str
    original: int
    arrival: datetime
    to: str


def moved_files(store: FileStore, layout: BucketLayout, text: str) -> Iterator[MovedFile]:
    """Archived or rejected generations of a file, given its object name, its file id, or the name it was uploaded under.

    A name without a folder means any folder. A name with a folder also finds archived objects whose names lost theirs.
    """
    name, generation = split_id(layout, text)
    if name.startswith((layout.archive_prefix, layout.rejected_prefix)):
        prefixes = [name]
        folder = base = ""
    else:
        folder, slash, base = name.removeprefix(layout.source_prefix).rpartition("/")
        prefixes = [f"{layout.rejected_prefix}{folder}{slash}{base}."]
        if day := file_date(base):
            prefixes.insert(0, f"{layout.archive_prefix}{day:%Y/%m/%d}/")
    for prefix in prefixes:
        for stored in store.list_files(layout.bucket, prefix):
            moved = moved_file(store, layout, stored)
            if moved is None or generation not in (None, moved.original):
                continue
            its_folder, _, its_base = moved.uploaded.rpartition("/")
            lost_folder = not its_folder and stored.file.name.startswith(layout.archive_prefix)
            if base in ("", its_base) and (not folder or folder == its_folder or lost_folder):
                yield moved


def split_id(layout: BucketLayout, text: str) -> tuple[str, int | None]:
    """The object name and, if ``text`` is a file id, the generation. Raises SettingsError."""
    if not (text.startswith(f"{layout.bucket}/") and "#" in text):
        return text, None
    try:
        parsed = FileId.parse(text)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return parsed.name, parsed.generation


def feed_in(name: str) -> Feed | None:
    """The feed of an object in any of the three folders; None if it is of no feed."""
    return feed_of(_GENERATION.sub("", name))


def name_at_upload(layout: BucketLayout, text: str) -> tuple[str, int | None]:
    """The name below the source folder, and the generation if it is known, of a file given its name, the name of its
    object in any of the three folders, or its file id. Raises SettingsError.
    """
    name, generation = split_id(layout, text)
    if parts := _parts(layout, name):
        folder, base, moved = parts
        return folder + base, moved
    return name.removeprefix(layout.source_prefix), generation


def settings_for(settings: IngestSettings, text: str) -> IngestSettings:
    """The settings for the feed of a file, given its name, object name or file id; unchanged if it is of no feed."""
    feed = feed_in(split_id(settings.layout, text)[0])
    return replace(settings, feed=feed) if feed else settings


def relative_name(layout: BucketLayout, text: str) -> str:
    """A file's name below the source folder, given its name, object name or file id."""
    return split_id(layout, text)[0].removeprefix(layout.source_prefix)


def moved_file(store: FileStore, layout: BucketLayout, stored: StoredFile) -> MovedFile | None:
    """None if the object isn't a file of any feed (a report, or another name)."""
    parts = _parts(layout, stored.file.name)
    if parts is None or file_date(parts[1]) is None:
        return None
    folder, base, original = parts
    # A replay of a replay goes to the same depth. A folder that the function would reject is left out.
    kept = _REPLAYED.sub("", folder, count=1) if _REPLAYED.match(folder) else folder
    kept = "" if name_problem(kept + base) else kept
    to = f"{layout.source_prefix}{REPLAY_FOLDER}{original}/{kept}{base}"
    return MovedFile(stored, folder + base, original, _arrival(store, stored, original), to)


def _parts(layout: BucketLayout, name: str) -> tuple[str, str, int] | None:
    """The folder and base name at upload, and the generation then, from the name of an archived or rejected object."""
    if name.startswith(layout.archive_prefix):
        matched = _ARCHIVED.fullmatch(name.removeprefix(layout.archive_prefix))
        return (matched["folder"], f"{matched['stem']}.csv", int(matched["generation"])) if matched else None
    if name.startswith(layout.rejected_prefix):
        matched = _REJECTED.fullmatch(name.removeprefix(layout.rejected_prefix))
        return (matched["folder"], matched["base"], int(matched["generation"])) if matched else None
    return None


def _arrival(store: FileStore, stored: StoredFile, original: int) -> datetime:
    """From the mark of an accepted file or the report of a rejected one; otherwise the time it was moved."""
    arrival = noted_arrival(original, stored.created, stored.metadata)
    if arrival:
        return arrival
    reported = read_report(store, stored).get("arrival")
    return carried_arrival(reported if isinstance(reported, str) else None, stored.created)
