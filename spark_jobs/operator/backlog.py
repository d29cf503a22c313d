"""What lies in the bucket, for an operator: what waits and since when, what was rejected and why. Storage calls only."""

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

State = Literal["accepted", "not judged yet", "marked under another contract", "empty"]

POLL_SECONDS = 3.0
SHOWN_FILES = 3
_ADVICE: dict[State, str] = {
    "accepted": "accepted files wait for a run (status --job-id shows the latest)",
    "not judged yet": "files not judged yet wait for the function (its log says why; the sweep makes up for lost events)",
    "marked under another contract": "files marked under another contract wait for the sweep",
    "empty": "nothing takes an empty file",
}


@dataclass(frozen=True)
class Waiting:
    """One object in the source folder. ``since`` (aware) is its creation."""

    name: str
    generation: int
    since: datetime
    state: State


class StillWaiting(Exception):
    """Patience ran out; the message is one sentence that says what waits and what to do."""


@dataclass(frozen=True)
class Rejected:
    """One file in the rejected folder. ``at`` (aware) is when it came there; ``reason`` its report's first violation."""

    name: str
    at: datetime
    reason: str


def waiting(store: FileStore, layout: BucketLayout) -> list[Waiting]:
    """Whatever is in the source folder, the oldest first."""
    return _listed(store, layout.bucket, layout.source_prefix)


def _listed(store: FileStore, bucket: str, prefix: str) -> list[Waiting]:
    found = (s for s in store.list_files(bucket, prefix) if not s.file.name.endswith("/"))
    lines = [Waiting(s.file.name, s.file.generation, s.created, state_of(s)) for s in found]
    return sorted(lines, key=lambda line: line.since)


def wait_for(
    files: Collection[FileId],
    deps: Dependencies,
    layout: BucketLayout,
    patience: float,
    tell: Callable[[list[Waiting]], None],
) -> None:
    """Until none of these files is in the source folder any more, whatever became of it. ``tell`` hears at each look which
    are. Raises StillWaiting after ``patience`` seconds.
    """
    if not files:
        return
    wanted = {(file.name, file.generation) for file in files}
    # One file, or the copies of a replay, are found without paging through everything that waits.
    prefix = os.path.commonprefix([file.name for file in files])  # noqa: RUF071 - a bucket knows no folders
    deadline = deps.elapsed() + patience
    while True:
        left = [w for w in _listed(deps.store, layout.bucket, prefix) if (w.name, w.generation) in wanted]
        tell(left)
        if not left:
            return
        remaining = deadline - deps.elapsed()
        if remaining <= 0:
            raise StillWaiting(_still_waiting(left, len(files), patience))
        deps.sleep(min(POLL_SECONDS, remaining))


def _still_waiting(left: list[Waiting], of: int, patience: float) -> str:
    named = ", ".join(f"{shorten(w.name)} ({w.state})" for w in left[:SHOWN_FILES])
    more = f" and {len(left) - SHOWN_FILES} more" if len(left) > SHOWN_FILES else ""
    advice = "; ".join(_ADVICE[state] for state in Counter(w.state for w in left))
    return f"after {patience:g} s {len(left)} of {of} files still wait: {named}{more}; {advice}"


def state_of(stored: StoredFile) -> State:
    """How far an object in the source folder has come."""
    if not stored.size:
        return "empty"
    mark = AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata)
    if mark is None:
        return "not judged yet"
    return "accepted" if mark.contract_version == CONTRACT_VERSION else "marked under another contract"


def rejected_since(store: FileStore, layout: BucketLayout, since: datetime) -> list[Rejected]:
    """Files that came to the rejected folder after ``since`` (aware), the latest first."""
    found = [s for s in store.list_files(layout.bucket, layout.rejected_prefix) if s.created >= since and not _is_report(s)]
    lines = [Rejected(s.file.name, s.created, reason_of(store, s)) for s in found]
    return sorted(lines, key=lambda line: line.at, reverse=True)


def reason_of(store: FileStore, rejected: StoredFile) -> str:
    """The first violation of the report beside a rejected file; says so where there is none."""
    report = read_report(store, rejected)
    violations = report.get("violations")
    first = violations[0] if isinstance(violations, list) and violations and isinstance(violations[0], dict) else {}
    return str(first.get("message") or "no report lies beside it")


def read_report(store: FileStore, rejected: StoredFile) -> dict[str, Any]:
    """The report beside a rejected file; empty where there is none that can be read."""
    stored = store.stat(rejected.file.bucket, report_name(rejected.file.name))
    if stored is None:
        return {}
    with store.open_file(stored.file) as stream:
        try:
            report = json.loads(stream.read()) if stream else {}
        except ValueError:
            return {}
    return report if isinstance(report, dict) else {}


def oldest_age(lines: list[Waiting], now: datetime) -> timedelta | None:
    """How long the oldest has been waiting; None where nothing waits."""
    return now - lines[0].since if lines else None


def _is_report(stored: StoredFile) -> bool:
    return stored.file.name.endswith(report_name(""))
