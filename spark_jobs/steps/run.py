"""What one run has at hand, and the last steps that every outcome goes through."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, LookupResult, WaitingFile
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.steps.archive import announce, archive
from spark_jobs.steps.take import take
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_log = logging.getLogger(__name__)


@dataclass
class Run:
    """``entries``: lines logged so far. ``failures``: batches that failed since the last one that didn't."""

    settings: IngestSettings
    deps: Dependencies
    spark: SparkSession
    tables: Tables
    entries: list[LogEntry] = field(default_factory=list)
    failures: int = 0

    def take(self, chosen: Sequence[WaitingFile], known: LookupResult, *, proved: bool = False) -> Batch:
        """Note that these files are taken."""
        with timed("take", self.deps) as told:
            batch = take(self.spark, self.tables, chosen, known, self.deps, proved=proved)
            told["files"] = len(batch.files)
        return batch

    def failed(self, error: Exception, limit: int) -> None:
        """Count a batch that failed. Raises the error when there are too many in a row."""
        self.failures += 1
        if self.failures >= limit:
            raise error
        _log.error("step=run a batch failed, going on: %s", error)


def conclude(run: Run, entries: Sequence[LogEntry]) -> None:
    """The steps behind the log's line: announce and archive."""
    run.deps.checkpoint("recorded")
    with timed("announce", run.deps):
        announce(entries, run.settings, run.deps)
    run.deps.checkpoint("announced")
    with timed("archive", run.deps):
        archive(entries, run.settings, run.deps)
    run.deps.checkpoint("archived")
    run.entries += entries


@contextmanager
def timed(step: str, deps: Dependencies) -> Iterator[dict[str, int]]:
    """One line per step: ``step=merge seconds=1.234 …``, for operators and for `make bench-latency`."""
    told: dict[str, int] = {}
    started = deps.elapsed()
    yield told
    more = "".join(f" {name}={number}" for name, number in told.items())
    _log.info("step=%s seconds=%.3f%s", step, deps.elapsed() - started, more)
