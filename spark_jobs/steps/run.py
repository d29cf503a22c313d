"""The state of one run, and the last steps of every outcome."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import OutcomeKind
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.steps.archive import announce, archive
from spark_jobs.steps.parking import ANNOUNCED, UNANNOUNCED
from spark_jobs.steps.take import note
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOWN_PROBLEMS = 5
_log = logging.getLogger(__name__)


class FilesFailed(Exception):
    """Some files failed; the others are done. ``entries``: log lines written. The message names the files."""

    def __init__(self, problems: Sequence[str], entries: Sequence[LogEntry]) -> None:
        more = len(problems) - SHOWN_PROBLEMS
        shown = [*problems[:SHOWN_PROBLEMS], *([f"and {more} more, see the run's log"] if more > 0 else [])]
        super().__init__("; ".join(shown))
        self.entries = list(entries)


@dataclass
class Run:
    """``entries``: log lines written so far. ``failures``: batches that failed in a row. ``problems``:
    what the run reports at its end. ``groups``: parts of a batch that failed, to be retried next."""

    settings: IngestSettings
    deps: Dependencies
    spark: SparkSession
    tables: Tables
    entries: list[LogEntry] = field(default_factory=list)
    failures: int = 0
    problems: list[str] = field(default_factory=list)
    groups: deque[list[FileId]] = field(default_factory=deque)
    id: str = ""
    batches: int = 0

    def __post_init__(self) -> None:
        self.id = f"{self.deps.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"

    def next_batch_id(self) -> str:
        self.batches += 1
        return f"{self.id}-{self.batches}"

    def problem(self, file: FileId, what: str) -> None:
        self.problems.append(f"{shorten(str(file))}: {shorten(what)}")


def publish(run: Run, entries: Sequence[LogEntry]) -> dict[FileId, OutcomeKind]:
    """Announce outcomes before their log lines are written. Returns those that were published.

    If a run dies between the two, the next run publishes the same outcome again. In the other order, if the sender removed
    the object at that moment, the outcome would never be published. What can't be published is noted for later runs.
    """
    with timed("announce", run.deps):
        unpublished = announce(entries, run.settings, run.deps)
    for file, what in unpublished.items():
        run.problem(file, what)
    if unpublished:
        note(run.spark, run.tables, list(unpublished), f"{UNANNOUNCED}{run.id}", 0, run.deps)
    run.deps.checkpoint("announced")
    return {entry.file: entry.outcome for entry in entries if entry.file not in unpublished}


def publish_owed(run: Run, entries: Sequence[LogEntry]) -> dict[FileId, OutcomeKind]:
    """Announce outcomes that an earlier run wrote into the log but could not publish. Returns those that were published."""
    published = publish(run, entries) if entries else {}
    if published:
        note(run.spark, run.tables, list(published), f"{ANNOUNCED}{run.id}", 0, run.deps)
    return published


def conclude(run: Run, entries: Sequence[LogEntry], published: Mapping[FileId, OutcomeKind]) -> None:
    """The steps after the log's lines. ``entries``: as the log has them. Another run may have written one first; then
    the log's outcome counts. A file whose outcome is not published stays where it is."""
    run.deps.checkpoint("recorded")
    if others := [e for e in entries if published.get(e.file, e.outcome) != e.outcome]:
        published = {**published, **publish(run, others)}
    with timed("archive", run.deps):
        stuck = archive([e for e in entries if e.file in published], run.settings, run.deps)
    run.deps.checkpoint("archived")
    for file, what in stuck.items():
        run.problem(file, what)


@contextmanager
def timed(step: str, deps: Dependencies) -> Iterator[dict[str, int]]:
    """One line per step: ``step=merge seconds=1.234 …``, for operators and for `make bench-latency`."""
    fields: dict[str, int] = {}
    started = deps.elapsed()
    yield fields
    more = "".join(f" {name}={number}" for name, number in fields.items())
    _log.info("step=%s seconds=%.3f%s", step, deps.elapsed() - started, more)
