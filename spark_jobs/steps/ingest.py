"""One run: take, stage, merge, record, announce, archive, until nothing is left. Every step may be repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, WaitingFile
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import MAX_WAIT_SECONDS, IngestSettings
from spark_jobs.steps.archive import announce, archive
from spark_jobs.steps.isolate import alone
from spark_jobs.steps.merge import merge
from spark_jobs.steps.record import balance_of, merged_entries, record
from spark_jobs.steps.reject import reject, superseded
from spark_jobs.steps.run import Run, conclude, timed
from spark_jobs.steps.stage import stage
from spark_jobs.steps.take import SUSPECT_ATTEMPTS, choose, look_up, waiting_files
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import Tables, create_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_log = logging.getLogger(__name__)


MAX_FAILURES_IN_A_ROW = 4
"""Then the world is to blame, and the run ends."""


def ingest(settings: IngestSettings, deps: Dependencies, open_spark: Callable[[], SparkSession]) -> list[LogEntry]:
    """Do all there is to do; answers with the lines logged. Spark starts only when a file waits.

    Raises WorldTrouble and what Spark raises: then the run failed, and the next one goes on where it stopped.
    """
    wait_for_window(settings, deps)
    started = deps.elapsed()
    handled: set[FileId] = set()
    run: Run | None = None
    while waiting := [w for w in _listed(settings, deps) if w.file not in handled]:
        run = run or _start(settings, deps, open_spark)
        handled |= _next_batch(run, waiting)
    entries = run.entries if run else []
    sums = " ".join(f"{name}={number}" for name, number in balance_of(entries).items())
    _log.info("step=run seconds=%.3f files=%d %s", deps.elapsed() - started, len(entries), sums)
    return entries


def wait_for_window(settings: IngestSettings, deps: Dependencies) -> None:
    """Until the launch window has ended: what was marked in it is listed afterwards. Before Spark costs anything."""
    if settings.not_before:
        left = (settings.not_before - deps.now()).total_seconds()
        if left > 0:
            deps.sleep(min(left, MAX_WAIT_SECONDS))


def _listed(settings: IngestSettings, deps: Dependencies) -> list[WaitingFile]:
    with timed("list", deps) as told:
        found = waiting_files(deps.store, settings)
        told["files"] = len(found)
        return found


def _start(settings: IngestSettings, deps: Dependencies, open_spark: Callable[[], SparkSession]) -> Run:
    with timed("session", deps):
        spark = open_spark()
    with timed("tables", deps):
        tables = Tables.of(settings)
        create_tables(spark, tables, settings.feed)
    return Run(settings, deps, spark, tables)


def _next_batch(run: Run, waiting: list[WaitingFile]) -> set[FileId]:
    """Finish what is only left to be moved, then work on one batch; answers with the files that this settles."""
    with timed("look", run.deps):
        known = look_up(run.spark, run.tables, [w.file for w in waiting])
    if done := known.done:
        entries = logged(run.spark, run.tables, done)
        announce(entries, run.settings, run.deps)
        archive(entries, run.settings, run.deps)
    fresh = [w for w in waiting if w.file not in done]
    if not fresh:
        return done
    chosen = choose(fresh, known, run.settings)
    if len(chosen) == 1 and known.attempts(chosen[0]).count >= SUSPECT_ATTEMPTS:
        alone(run, chosen[0], known, work)
    else:
        try:
            work(run, run.take(chosen, known))
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever Spark raises; it is raised again when it goes on
            # Once more, then in smaller groups, until a file that fails stands alone.
            run.failed(error, MAX_FAILURES_IN_A_ROW)
            return done
    run.failures = 0
    return {*done, *(w.file for w in chosen)}


def work(run: Run, batch: Batch) -> None:
    """The steps after taking."""
    spark, tables, settings, deps = run.spark, run.tables, run.settings, run.deps
    deps.checkpoint("taken")
    with timed("stage", deps):
        staged = stage(spark, tables, batch, settings, deps)
    deps.checkpoint("staging done")
    with timed("merge", deps):
        merged = merge(spark, tables, batch, staged, settings.feed, deps)
    deps.checkpoint("merged")
    with timed("record", deps):
        by_file = {w.file: w for w in batch.files}
        entries = merged_entries(spark, tables, batch, staged, merged, deps)
        entries += superseded(staged.gone, batch, deps)
        entries += [reject(by_file[f], result, batch, settings, deps) for f, result in staged.rejected.items()]
        record(spark, tables, entries, staged, deps)
    conclude(run, entries)
