"""A continuous run: the rounds of an ordinary run, one after the other, in a session that stays open.

Nothing is kept from one round to the next, so whatever holds for a run holds here: a round opens the tables, settles what
dead runs left, gives its batches ids of their own, and leaves a file or feed that failed to the next round.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings, Pace
from spark_jobs.steps.ingest import OpenSpark, Round, open_session, raise_problems
from spark_jobs.steps.stopping import StopRequest
from spark_jobs.steps.supervision import Beside, running_beside
from spark_jobs.store.ingest_log import LogEntry

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROUND_SECONDS = 300.0
"""A file that failed is tried again after this time, as the sweep's next run would, and then parked."""
LONGEST_PAUSE_SECONDS = 60.0
"""Between two tries to reach an external dependency."""
MAX_UNBALANCED = 1000
_log = logging.getLogger(__name__)


def ingest_continuously(
    settings: IngestSettings,
    deps: Dependencies,
    open_spark: OpenSpark,
    feeds: Collection[str] = (),
    *,
    pace: Pace,
    stop: StopRequest,
    beside: Beside | None = None,
) -> list[LogEntry]:
    """Process accepted files as they come, until a stop is requested or ``pace.max_hours`` have passed: then the platform
    starts a fresh run. Returns the log lines that don't balance.

    Raises FilesFailed at its end, with what failed and is still waiting then. Raises at once if the session is broken.
    """
    spark = open_session(open_spark, deps)
    ends = deps.elapsed() + pace.max_hours * 3600
    found = _Findings()
    failures = 0
    with stop.on_signals(), running_beside(beside or {}, spark):
        while not stop.requested and deps.elapsed() < ends:
            this = Round(settings, deps, feeds)
            pause = min(2.0**failures, LONGEST_PAUSE_SECONDS)
            well = _round(this, spark, stop, pace.poll_seconds, pause, ends)
            failures = 0 if well else failures + 1
            found.add(this)
            if this.failed and not _answers(spark):
                _log.error("step=run the Spark session is broken: the run ends, so that another one starts afresh")
                return this.end(0.0)
            if this.outdated:
                _log.warning(
                    "step=run files of a newer contract version wait: the run ends, so that the deployed wheel starts"
                )
                break
    return found.end()


def _round(this: Round, spark: SparkSession, stop: StopRequest, poll: float, pause: float, ends: float) -> bool:
    """Batches until the round's time is over, or the pause if an external dependency fails. Returns whether none did."""
    deps = this.deps
    well = True
    ends = min(ends, deps.elapsed() + ROUND_SECONDS)
    while not stop.requested and (deps.elapsed() < ends or this.unfinished):
        try:
            waiting = this.waiting()
        except TransientError as error:
            _log.error("step=list failed and is tried again in %.0f s: %s", pause, error)
            stop.wait(pause)
            return False
        this.one_batch_each(spark, waiting)
        if well and this.soon_again():
            # The other feeds go on meanwhile.
            _log.info("step=run a failed feed is tried again in %.0f s", pause)
            ends, well = min(ends, deps.elapsed() + pause), False
        if not waiting:
            for feed in this.feeds:
                if feed not in this.runs and not stop.requested:
                    this.begin(spark, feed)
            stop.wait(poll)
    return well


def _answers(spark: SparkSession) -> bool:
    try:
        return bool(spark.sql("SELECT 1").collect())
    except Exception as error:  # noqa: BLE001 - whatever a broken session raises
        _log.error("step=run Spark does not answer: %s", error)
        return False


@dataclass
class _Findings:
    """What a run would fail with: the problems of files that still wait, the feeds that failed in the last round, and log
    lines that don't balance."""

    problems: Mapping[FileId, str] = field(default_factory=dict)
    failed: Mapping[str, Exception] = field(default_factory=dict)
    unbalanced: list[LogEntry] = field(default_factory=list)

    def add(self, this: Round) -> None:
        for problem in this.problems.values():
            _log.error("step=run %s", problem)
        found = {**self.problems, **this.problems}
        self.problems = {file: what for file, what in found.items() if this.listed is None or file in this.listed}
        self.failed = this.failed
        more = [entry for entry in this.entries if entry.balanced is False]
        self.unbalanced = [*self.unbalanced, *more][:MAX_UNBALANCED]

    def end(self) -> list[LogEntry]:
        raise_problems(self.problems, self.failed, self.unbalanced)
        return self.unbalanced
