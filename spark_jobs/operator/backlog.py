"""The backlog and the rejected files, read from the bucket alone: what waits and since when, what was rejected and why."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.object_names import report_name
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout

State = Literal["accepted", "not validated yet", "accepted under another contract version", "empty"]

POLL_SECONDS = 3.0
SHOWN_FILES = 3
_HINTS: dict[State, str] = {
    "accepted": "accepted files wait for a run (status --job-id shows the latest runs)",
    "not validated yet": "files not validated yet wait for the function (see its log; the sweep recovers lost events)",
    "accepted under another contract version": "files accepted under another contract version wait for the sweep",
    "empty": "empty files are never processed",
}


@dataclass(frozen=True)
class BacklogFile:
    """One object in the source folder. ``since`` (aware) is its creation time."""

    name: str
    generation: int
    since: datetime
    state: State


class WaitTimeout(Exception):
    """Files were still waiting when the time was up. The message is one sentence that names them and says what to do."""


@dataclass(frozen=True)
class RejectedFile:
    """One file in the rejected folder. ``at`` (aware): when it was moved; ``reason``: its report's first violation."""

    name: str
    at: datetime
    reason: str


def backlog(store: FileStore, layout: BucketLayout) -> list[BacklogFile]:
    """All objects in the source folder, oldest first."""
    return _listed(store, layout.bucket, layout.source_prefix)


def _listed(store: FileStore, bucket: str, prefix: str) -> list[BacklogFile]:
    found = (s for s in store.list_files(bucket, prefix) if not s.file.name.endswith("/"))
    files = [BacklogFile(s.file.name, s.file.generation, s.created, state_of(s)) for s in found]
    return sorted(files, key=lambda file: file.since)


def wait_for(
    files: Collection[FileId],
    deps: Dependencies,
    layout: BucketLayout,
    timeout: float,
    on_look: Callable[[list[BacklogFile]], None],
) -> None:
    """Return when none of these files is in the source folder, whatever their outcome. ``on_look`` receives those that
    are left each time the folder is listed. Raises WaitTimeout after ``timeout`` seconds.
    """
    if not files:
        return
    wanted = {(file.name, file.generation) for file in files}
    # The longest common prefix keeps the listing short: one file, or the copies of one replay.
    prefix = os.path.commonprefix([file.name for file in files])  # noqa: RUF071 - object names aren't paths
    deadline = deps.elapsed() + timeout
    while True:
        left = [file for file in _listed(deps.store, layout.bucket, prefix) if (file.name, file.generation) in wanted]
        on_look(left)
        if not left:
            return
        remaining = deadline - deps.elapsed()
        if remaining <= 0:
            raise WaitTimeout(_timeout_message(left, len(files), timeout))
        deps.sleep(min(POLL_SECONDS, remaining))


def _timeout_message(left: list[BacklogFile], total: int, timeout: float) -> str:
    named = ", ".join(f"{shorten(file.name)} ({file.state})" for file in left[:SHOWN_FILES])
    more = f" and {len(left) - SHOWN_FILES} more" if len(left) > SHOWN_FILES else ""
    hints = "; ".join(_HINTS[state] for state in Counter(file.state for file in left))
    return f"{len(left)} of {total} files are still waiting after {timeout:g} s: {named}{more}; {hints}"


def state_of(stored: StoredFile) -> State:
    """How far an object in the source folder has come."""
    if not stored.size:
        return "empty"
    mark = mark_of(stored)
    if mark is None:
        return "not validated yet"
    return "accepted" if mark.contract_version == CONTRACT_VERSION else "accepted under another contract version"


def mark_of(stored: StoredFile) -> AcceptedMark | None:
    """The valid mark of an object in the source folder."""
    return AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata)


def rejected_since(store: FileStore, layout: BucketLayout, since: datetime) -> list[RejectedFile]:
    """Files moved to the rejected folder after ``since`` (aware), latest first."""
    found = [s for s in store.list_files(layout.bucket, layout.rejected_prefix) if s.created >= since and not _is_report(s)]
    files = [RejectedFile(s.file.name, s.created, reason_of(store, s)) for s in found]
    return sorted(files, key=lambda file: file.at, reverse=True)


def reason_of(store: FileStore, rejected: StoredFile) -> str:
    """The first violation in a rejected file's report, or a note that the report is missing."""
    report = read_report(store, rejected)
    violations = report.get("violations")
    first = violations[0] if isinstance(violations, list) and violations and isinstance(violations[0], dict) else {}
    return str(first.get("message") or "its report is missing or unreadable")


def read_report(store: FileStore, rejected: StoredFile) -> dict[str, Any]:
    """The report of a rejected file; empty if it is missing or unreadable."""
    stored = store.stat(rejected.file.bucket, report_name(rejected.file.name))
    if stored is None:
        return {}
    with store.open_file(stored.file) as stream:
        try:
            report = json.loads(stream.read()) if stream else {}
        except ValueError:
            return {}
    return report if isinstance(report, dict) else {}


def oldest_age(files: list[BacklogFile], now: datetime) -> timedelta | None:
    """The age of the oldest file; None if the backlog is empty."""
    return now - files[0].since if files else None


def _is_report(stored: StoredFile) -> bool:
    return stored.file.name.endswith(report_name(""))
