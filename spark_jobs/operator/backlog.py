"""The backlog and the rejected files, read from the bucket alone: what waits and since when, what was rejected and why."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.object_names import report_name
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.console import wait_progress
from spark_jobs.settings import BucketLayout, Explained

State = Literal["accepted", "not validated yet", "accepted under another contract version", "empty"]

POLL_SECONDS = 3.0
SHOWN_FILES = 3
_HINTS: dict[State, str] = {
    "accepted": "accepted files wait for a run (status --job-id shows the latest runs)",
    "not validated yet": "files not validated yet wait for the function (see its log; the sweep recovers lost events)",
    "accepted under another contract version": "files accepted under another contract version wait for the sweep",
    "empty": "empty files are never processed",
}


class WaitTimeout(Explained):
    """Files were still waiting when the time was up. The message names them."""


@dataclass(frozen=True)
class RejectedFile:
    """One file in the rejected folder. ``at`` (aware): when it was moved; ``reason``: its report's first violation."""

    name: str
    at: datetime
    reason: str


def backlog(store: FileStore, layout: BucketLayout) -> list[StoredFile]:
    """All objects in the source folder, oldest first."""
    return _listed(store, layout.bucket, layout.source_prefix)


def _listed(store: FileStore, bucket: str, prefix: str) -> list[StoredFile]:
    found = (stored for stored in store.list_files(bucket, prefix) if not stored.file.name.endswith("/"))
    return sorted(found, key=lambda stored: stored.created)


def wait_for(files: Collection[FileId], deps: Dependencies, layout: BucketLayout, timeout: float) -> None:
    """Return when none of these files is in the source folder, whatever their outcome; meanwhile show progress on stderr.
    Raises WaitTimeout after ``timeout`` seconds.
    """
    if not files:
        return
    # The longest common prefix keeps the listing short: one file, or the copies of one replay.
    prefix = os.path.commonprefix([file.name for file in files])  # noqa: RUF071 - object names aren't paths
    deadline = deps.elapsed() + timeout
    wanted = set(files)
    with wait_progress(len(files)) as show:
        while left := [stored for stored in _listed(deps.store, layout.bucket, prefix) if stored.file in wanted]:
            states = Counter(map(state_of, left))
            shown = [f"left {layout.source_prefix}", *(f"{count} {state}" for state, count in states.items())]
            show(len(files) - len(left), ", ".join(shown))
            remaining = deadline - deps.elapsed()
            if remaining <= 0:
                raise WaitTimeout(_timeout_message(left, len(files), timeout))
            deps.sleep(min(POLL_SECONDS, remaining))
        show(len(files), f"left {layout.source_prefix}")


def _timeout_message(left: list[StoredFile], total: int, timeout: float) -> str:
    named = ", ".join(f"{shorten(stored.file.name)} ({state_of(stored)})" for stored in left[:SHOWN_FILES])
    more = f" and {len(left) - SHOWN_FILES} more" if len(left) > SHOWN_FILES else ""
    hints = "; ".join(_HINTS[state] for state in Counter(map(state_of, left)))
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


def rejected_objects(store: FileStore, layout: BucketLayout, since: datetime) -> list[StoredFile]:
    """The files, without their reports, that were moved to the rejected folder after ``since`` (aware), latest first."""
    found = [
        stored
        for stored in store.list_files(layout.bucket, layout.rejected_prefix)
        if stored.created >= since and not stored.file.name.endswith(report_name(""))
    ]
    return sorted(found, key=lambda stored: stored.created, reverse=True)


def rejected_since(store: FileStore, layout: BucketLayout, since: datetime, most: int | None = None) -> list[RejectedFile]:
    """The same with their reasons, each of which is a download; at most the latest ``most``."""
    return [
        RejectedFile(stored.file.name, stored.created, reason_of(store, stored))
        for stored in rejected_objects(store, layout, since)[:most]
    ]


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
