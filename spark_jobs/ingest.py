"""One run: take, stage, merge, record, announce, archive, until nothing is left. Every step may be repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from spark_jobs.archiving import announce, archive
from spark_jobs.cloud.ports import WorldTrouble
from spark_jobs.contract.file_ids import FileId
from spark_jobs.ingest_log import LogEntry, balance_of, logged, merged_entries, record
from spark_jobs.isolating import alone
from spark_jobs.merging import merge
from spark_jobs.rejecting import reject, superseded
from spark_jobs.run import Run, conclude, timed
from spark_jobs.settings import MAX_WAIT_SECONDS, IngestSettings
from spark_jobs.staging import stage
from spark_jobs.tables import Tables, create_tables
from spark_jobs.taking import SUSPECT_ATTEMPTS, Batch, WaitingFile, choose, look_up, waiting_files
from spark_jobs.world import World

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_log = logging.getLogger(__name__)


MAX_FAILURES_IN_A_ROW = 4
"""Then the world is to blame, and the run ends."""


def ingest(settings: IngestSettings, world: World, open_spark: Callable[[], SparkSession]) -> list[LogEntry]:
    """Do all there is to do; answers with the lines logged. Spark starts only when a file waits.

    Raises WorldTrouble and what Spark raises: then the run failed, and the next one goes on where it stopped.
    """
    wait_for_window(settings, world)
    started = world.elapsed()
    handled: set[FileId] = set()
    run: Run | None = None
    while waiting := [w for w in _listed(settings, world) if w.file not in handled]:
        run = run or _start(settings, world, open_spark)
        handled |= _next_batch(run, waiting)
    entries = run.entries if run else []
    sums = " ".join(f"{name}={number}" for name, number in balance_of(entries).items())
    _log.info("step=run seconds=%.3f files=%d %s", world.elapsed() - started, len(entries), sums)
    return entries


def wait_for_window(settings: IngestSettings, world: World) -> None:
    """Until the launch window has ended: what was marked in it is listed afterwards. Before Spark costs anything."""
    if settings.not_before:
        left = (settings.not_before - world.now()).total_seconds()
        if left > 0:
            world.sleep(min(left, MAX_WAIT_SECONDS))


def _listed(settings: IngestSettings, world: World) -> list[WaitingFile]:
    with timed("list", world) as told:
        found = waiting_files(world.store, settings)
        told["files"] = len(found)
        return found


def _start(settings: IngestSettings, world: World, open_spark: Callable[[], SparkSession]) -> Run:
    with timed("session", world):
        spark = open_spark()
    with timed("tables", world):
        tables = Tables.of(settings)
        create_tables(spark, tables, settings.feed)
    return Run(settings, world, spark, tables)


def _next_batch(run: Run, waiting: list[WaitingFile]) -> set[FileId]:
    """Finish what is only left to be moved, then work on one batch; answers with the files that this settles."""
    with timed("look", run.world):
        looked = look_up(run.spark, run.tables, [w.file for w in waiting])
    if done := looked.done:
        entries = logged(run.spark, run.tables, done)
        announce(entries, run.settings, run.world)
        archive(entries, run.settings, run.world)
    fresh = [w for w in waiting if w.file not in done]
    if not fresh:
        return done
    chosen = choose(fresh, looked, run.settings)
    if len(chosen) == 1 and looked.attempts(chosen[0]).count >= SUSPECT_ATTEMPTS:
        alone(run, chosen[0], looked, work)
    else:
        try:
            work(run, run.take(chosen, looked))
        except WorldTrouble:
            raise
        except Exception as error:  # noqa: BLE001 - whatever Spark raises; it is raised again when it goes on
            # Once more, then in smaller groups, until a file that fails stands alone.
            run.failed(error, MAX_FAILURES_IN_A_ROW)
            return done
    run.failures = 0
    return {*done, *(w.file for w in chosen)}


def work(run: Run, batch: Batch) -> None:
    """The steps after taking."""
    spark, tables, settings, world = run.spark, run.tables, run.settings, run.world
    world.checkpoint("taken")
    with timed("stage", world):
        staged = stage(spark, tables, batch, settings, world)
    world.checkpoint("staging done")
    with timed("merge", world):
        merged = merge(spark, tables, batch, staged, settings.feed, world)
    world.checkpoint("merged")
    with timed("record", world):
        by_file = {w.file: w for w in batch.files}
        entries = merged_entries(spark, tables, batch, staged, merged, world)
        entries += superseded(staged.gone, batch, world)
        entries += [reject(by_file[f], judgement, batch, settings, world) for f, judgement in staged.condemned.items()]
        record(spark, tables, entries, staged, world)
    conclude(run, entries)
