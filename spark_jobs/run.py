"""What one run has at hand, and the last steps that every outcome goes through."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spark_jobs.archiving import announce, archive
from spark_jobs.ingest_log import LogEntry
from spark_jobs.settings import IngestSettings
from spark_jobs.tables import Tables
from spark_jobs.taking import Batch, Looked, WaitingFile, take
from spark_jobs.world import World

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_log = logging.getLogger(__name__)


@dataclass
class Run:
    """``entries``: lines logged so far. ``failures``: batches that failed since the last one that didn't."""

    settings: IngestSettings
    world: World
    spark: SparkSession
    tables: Tables
    entries: list[LogEntry] = field(default_factory=list)
    failures: int = 0

    def take(self, chosen: Sequence[WaitingFile], looked: Looked, *, proved: bool = False) -> Batch:
        """Note that these files are taken."""
        with timed("take", self.world) as told:
            batch = take(self.spark, self.tables, chosen, looked, self.world, proved=proved)
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
    run.world.checkpoint("recorded")
    with timed("announce", run.world):
        announce(entries, run.settings, run.world)
    run.world.checkpoint("announced")
    with timed("archive", run.world):
        archive(entries, run.settings, run.world)
    run.world.checkpoint("archived")
    run.entries += entries


@contextmanager
def timed(step: str, world: World) -> Iterator[dict[str, int]]:
    """One line per step: ``step=merge seconds=1.234 …``, for operators and for `make bench-latency`."""
    told: dict[str, int] = {}
    started = world.elapsed()
    yield told
    more = "".join(f" {name}={number}" for name, number in told.items())
    _log.info("step=%s seconds=%.3f%s", step, world.elapsed() - started, more)
