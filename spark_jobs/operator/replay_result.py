"""What replayed files changed, once they have left the source folder: read from the bucket and, if needed, the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import rejected_name
from spark_jobs.contract.outcomes import OutcomeKind
from spark_jobs.operator.backlog import read_report, reason_of
from spark_jobs.settings import BucketLayout
from spark_jobs.store.ingest_log import LogEntry


@dataclass(frozen=True)
class ReplayResult:
    """The result of one file. ``lost``: it is neither in the log nor in the rejected folder. Counts are None if unknown;
    ``reason`` explains why a file wasn't merged, or why counts are unknown.
    """

    file: FileId
    outcome: OutcomeKind | Literal["lost"]
    rows: int | None = None
    inserted: int | None = None
    updated: int | None = None
    outranked: int | None = None
    rejected_rows: int | None = None
    reason: str | None = None


RESULT_FIELDS = [field.name for field in fields(ReplayResult)]


def replay_results(
    files: Sequence[FileId],
    store: FileStore,
    layout: BucketLayout,
    read_log: Callable[[Sequence[FileId]], list[LogEntry]],
) -> dict[FileId, ReplayResult]:
    """The result of each file. ``read_log`` is not called if all files were rejected: their reports are enough, and the
    function writes no log lines.
    """
    found = {result.file: result for file in files if (result := _rejected(file, store, layout))}
    others = [file for file in files if file not in found]
    if others:
        found |= {entry.file: _from_entry(entry) for entry in read_log(others)}
    lost = "it was deleted or overwritten before it was validated"
    return {file: found.get(file) or ReplayResult(file, "lost", reason=lost) for file in files}


def _rejected(file: FileId, store: FileStore, layout: BucketLayout) -> ReplayResult | None:
    stored = store.stat(file.bucket, rejected_name(file, layout.source_prefix, layout.rejected_prefix))
    if stored is None:
        return None
    report = read_report(store, stored)
    rows, bad = _count(report.get("rows")), _count(report.get("bad_rows"))
    return ReplayResult(file, "rejected", rows=rows, rejected_rows=bad, reason=reason_of(store, stored))


def _count(value: Any) -> int | None:
    return value if type(value) is int else None


def _from_entry(entry: LogEntry) -> ReplayResult:
    result = ReplayResult(**{name: getattr(entry, name) for name in RESULT_FIELDS})
    return replace(result, reason=entry.reason or (entry.note if entry.inserted is None else None))


def summary(results: Sequence[ReplayResult]) -> str:
    """What changed, in one sentence; never "nothing" if that is unknown."""
    merged = [result for result in results if result.outcome == "merged"]
    unknown = [result for result in merged if result.inserted is None or result.updated is None]
    inserted, updated = (sum(getattr(result, name) or 0 for result in merged) for name in ("inserted", "updated"))
    quarantined = sum(result.rejected_rows or 0 for result in merged)
    parts = []
    if inserted or updated:
        changing = sum(bool(result.inserted or result.updated) for result in merged)
        rows = f"{_count_of(inserted + updated, 'row')} ({inserted:,} inserted, {updated:,} updated)"
        parts.append(f"{_count_of(changing, 'file')} changed {rows}")
    elif not results:
        parts.append("nothing changed: no file was copied")
    elif not merged:
        parts.append("nothing changed: no file was merged")
    elif not unknown:
        valid = "valid " if quarantined else ""
        parts.append(f"nothing changed: the target already had every {valid}row, or a newer one")
    if unknown:
        parts.append(f"unknown how many rows {_count_of(len(unknown), 'file')} changed")
    if quarantined:
        parts.append(f"{_count_of(quarantined, 'row')} quarantined")
    for outcome in ("rejected", "superseded", "lost"):
        if count := sum(result.outcome == outcome for result in results):
            parts.append(f"{_count_of(count, 'file')} {outcome}")
    return "; ".join(parts)


def _count_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
