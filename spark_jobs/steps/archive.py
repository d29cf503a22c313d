"""Announce and archive: the last steps of a file. Whatever they leave undone, the next run does from the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileRefused
from spark_jobs.contract.object_names import archive_name, rejected_name
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.store.ingest_log import LogEntry

_log = logging.getLogger(__name__)


def announce(entries: Sequence[LogEntry], settings: IngestSettings, deps: Dependencies) -> None:
    """Tell of each outcome. Raises WorldTrouble; the files are then still in the source folder, and told of again."""
    if entries:
        deps.announcer.announce([entry.as_outcome(settings.feed) for entry in entries])


def archive(entries: Sequence[LogEntry], settings: IngestSettings, deps: Dependencies) -> None:
    """Move each file, this generation only. One that was superseded isn't there any more. Raises WorldTrouble."""
    leaving = [entry for entry in entries if entry.outcome != "superseded"]
    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        for _ in pool.map(lambda entry: _leave(entry, settings, deps), leaving):
            pass


def _leave(entry: LogEntry, settings: IngestSettings, deps: Dependencies) -> None:
    to = destination(entry, settings)
    try:
        moved = deps.store.move(entry.file, to)
    except FileRefused as refusal:
        _log.error("%s stays where it is, Cloud Storage refuses to move it: %s", _shown(entry), refusal)
        return
    if not moved:
        _log.warning("%s was overwritten or deleted after it was %s: nothing to archive", _shown(entry), entry.outcome)


def destination(entry: LogEntry, settings: IngestSettings) -> str:
    """Where a file with this outcome goes."""
    layout = settings.layout
    if entry.outcome == "rejected":
        return rejected_name(entry.file, layout.source_prefix, layout.rejected_prefix)
    return archive_name(settings.feed, entry.file, layout.archive_prefix)


def _shown(entry: LogEntry) -> str:
    return repr(str(entry.file))
