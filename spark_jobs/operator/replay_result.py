"""What replayed files changed, once they have gone through: read from the bucket and, for what was merged, the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import rejected_name
from spark_jobs.contract.outcomes import OutcomeKind
from spark_jobs.operator.backlog import read_report, reason_of
from spark_jobs.settings import BucketLayout
from spark_jobs.store.ingest_log import LogEntry


@dataclass(frozen=True)
class Change:
    """What became of one file that left the source folder. ``lost``: neither the log nor the rejected folder knows it.
    Counts are None where they don't exist or can't be known; ``reason`` says why a file wasn't merged, or isn't counted.
    """

    file: FileId
    outcome: OutcomeKind | Literal["lost"]
    rows: int | None = None
    inserted: int | None = None
    updated: int | None = None
    outranked: int | None = None
    rejected_rows: int | None = None
    reason: str | None = None


def changes_of(
    files: Sequence[FileId],
    store: FileStore,
    layout: BucketLayout,
    logged: Callable[[Sequence[FileId]], list[LogEntry]],
) -> dict[FileId, Change]:
    """What these files changed. ``logged`` reads the log: not called where every file was rejected, since the function
    writes a report and no line, and the job both.
    """
    found = {change.file: change for file in files if (change := _rejected(file, store, layout))}
    others = [file for file in files if file not in found]
    if others:
        found |= {entry.file: _of_entry(entry) for entry in logged(others)}
    lost = "it was deleted or overwritten before it was judged"
    return {file: found.get(file) or Change(file, "lost", reason=lost) for file in files}


def _rejected(file: FileId, store: FileStore, layout: BucketLayout) -> Change | None:
    stored = store.stat(file.bucket, rejected_name(file, layout.source_prefix, layout.rejected_prefix))
    if stored is None:
        return None
    report = read_report(store, stored)
    rows, bad = _count(report.get("rows")), _count(report.get("bad_rows"))
    return Change(file, "rejected", rows=rows, rejected_rows=bad, reason=reason_of(store, stored))


def _count(noted: Any) -> int | None:
    return noted if type(noted) is int else None


def _of_entry(entry: LogEntry) -> Change:
    return Change(
        entry.file,
        entry.outcome,
        entry.rows,
        entry.inserted,
        entry.updated,
        entry.outranked,
        entry.rejected_rows,
        entry.reason or (entry.note if entry.inserted is None else None),
    )


def in_a_sentence(changes: Sequence[Change]) -> str:
    """The answer to "what changed": never "nothing" where that isn't known."""
    merged = [change for change in changes if change.outcome == "merged"]
    unknown = [change for change in merged if change.inserted is None or change.updated is None]
    inserted, updated = (sum(getattr(change, name) or 0 for change in merged) for name in ("inserted", "updated"))
    set_aside = sum(change.rejected_rows or 0 for change in merged)
    parts = []
    if inserted or updated:
        changing = sum(bool(change.inserted or change.updated) for change in merged)
        rows = f"{_many(inserted + updated, 'row')} ({inserted:,} inserted, {updated:,} updated)"
        parts.append(f"{_many(changing, 'file')} changed {rows}")
    elif not changes:
        parts.append("nothing changed: no file was copied")
    elif not merged:
        parts.append("nothing changed: no file was merged")
    elif not unknown:
        parts.append(f"nothing changed: every {'good ' if set_aside else ''}row was there already, or a newer one")
    if unknown:
        parts.append(f"how many rows {_many(len(unknown), 'file')} changed can't be known")
    if set_aside:
        parts.append(f"{_many(set_aside, 'row')} set aside")
    for outcome in ("rejected", "superseded", "lost"):
        if count := sum(change.outcome == outcome for change in changes):
            parts.append(f"{_many(count, 'file')} {outcome}")
    return "; ".join(parts)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
