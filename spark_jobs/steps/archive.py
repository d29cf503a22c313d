"""Announce and archive: the last steps of a file. If one fails, the next run completes it from the log.

Both work file by file: one that can't be moved (a hold, a missing permission) does not stop the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileRefused, TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import archive_name, rejected_name
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.store.ingest_log import LogEntry

GIVE_UP_AFTER = 2 * STORAGE_CALLS_AT_ONCE
"""After this many failures without a success, assume an outage: every further call would wait for its timeout."""
_log = logging.getLogger(__name__)

Problems = Mapping[FileId, str]
"""The error of each file that failed."""


def announce(entries: Sequence[LogEntry], settings: IngestSettings, deps: Dependencies) -> Problems:
    """Publish each outcome. A file whose outcome was not published must stay in the source folder."""
    return _for_each(
        entries, "can't be announced", lambda entry: deps.announcer.announce([entry.as_outcome(settings.feed)])
    )


def archive(entries: Sequence[LogEntry], settings: IngestSettings, deps: Dependencies) -> Problems:
    """Move each file, this generation only. A superseded file no longer exists."""
    present = [entry for entry in entries if entry.outcome != "superseded"]
    return _for_each(present, "can't be moved", lambda entry: _move(entry, settings, deps))


def _for_each(entries: Sequence[LogEntry], what: str, call: Callable[[LogEntry], None]) -> Problems:
    problems: dict[FileId, str] = {}
    succeeded: list[FileId] = []

    def work(entry: LogEntry) -> None:
        if len(problems) >= GIVE_UP_AFTER and not succeeded:
            problems[entry.file] = "skipped, because all others failed"
            return
        try:
            call(entry)
            succeeded.append(entry.file)
        except (FileRefused, TransientError) as error:
            problems[entry.file] = f"{entry.outcome}, but {what}: {error}"
            _log.error("%r: %s", str(entry.file), problems[entry.file])

    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        list(pool.map(work, entries))
    return problems


def _move(entry: LogEntry, settings: IngestSettings, deps: Dependencies) -> None:
    if not deps.store.move(entry.file, destination(entry, settings)):
        _log.warning("%r was overwritten or deleted after it was %s: nothing to archive", str(entry.file), entry.outcome)


def destination(entry: LogEntry, settings: IngestSettings) -> str:
    """The object name that a file with this outcome moves to."""
    layout = settings.layout
    if entry.outcome == "rejected":
        return rejected_name(entry.file, layout.source_prefix, layout.rejected_prefix)
    return archive_name(settings.feed, entry.file, layout.source_prefix, layout.archive_prefix)
