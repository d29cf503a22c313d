"""What one run has at hand, and the last steps that every outcome goes through."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.steps.archive import announce, archive
from spark_jobs.steps.parking import ANNOUNCED
from spark_jobs.steps.take import note
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOWN_PROBLEMS = 5
_log = logging.getLogger(__name__)


class FilesFailed(Exception):
    """Some files failed; the others are done. ``entries``: lines logged. The message names the files."""

    def __init__(self, problems: Sequence[str], entries: Sequence[LogEntry]) -> None:
        more = len(problems) - SHOWN_PROBLEMS
        shown = [*problems[:SHOWN_PROBLEMS], *([f"and {more} more, see the run's log"] if more > 0 else [])]
        super().__init__("; ".join(shown))
        self.entries = list(entries)


@dataclass
class Run:
    """``entries``: lines logged so far. ``failures``: batches that failed since the last one that didn't. ``problems``:
    what the run reports at its end. ``groups``: parts of a batch that failed, to be tried next."""

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


def publish_first(run: Run, entries: Sequence[LogEntry]) -> tuple[list[LogEntry], frozenset[FileId]]:
    """For files whose object is gone: no later run would see them, so their outcome is published before their line is
    written. The lines to write, and the files whose outcome was published now.

    A file whose outcome can't be published gets no line: the next run settles it. One that the log holds already is not
    published here: the log may say something else.
    """
    if not entries:
        return [], frozenset()
    held = {entry.file for entry in logged(run.spark, run.tables, [entry.file for entry in entries])}
    new = [entry for entry in entries if entry.file not in held]
    unpublished = announce(new, run.settings, run.deps)
    for file, what in unpublished.items():
        run.problem(file, what)
    write = [entry for entry in entries if entry.file not in unpublished]
    return write, frozenset(entry.file for entry in write if entry.file not in held)


def conclude(run: Run, entries: Sequence[LogEntry], announced: Collection[FileId] = ()) -> None:
    """The steps after the log's line: announce and archive. ``announced``: files whose outcome is published already."""
    run.deps.checkpoint("recorded")
    with timed("announce", run.deps):
        unpublished = announce([e for e in entries if e.file not in announced], run.settings, run.deps)
    run.deps.checkpoint("announced")
    with timed("archive", run.deps):
        stuck = archive([e for e in entries if e.file not in unpublished], run.settings, run.deps)
    if first_time := [file for file in stuck if file not in announced]:
        # Or every later run would announce them again. If we crash right here, the next one does: at least once.
        note(run.spark, run.tables, first_time, f"{ANNOUNCED}{run.id}", 0, run.deps)
    run.deps.checkpoint("archived")
    for file, what in {**unpublished, **stuck}.items():
        run.problem(file, what)


@contextmanager
def timed(step: str, deps: Dependencies) -> Iterator[dict[str, int]]:
    """One line per step: ``step=merge seconds=1.234 …``, for operators and for `make bench-latency`."""
    fields: dict[str, int] = {}
    started = deps.elapsed()
    yield fields
    more = "".join(f" {name}={number}" for name, number in fields.items())
    _log.info("step=%s seconds=%.3f%s", step, deps.elapsed() - started, more)
