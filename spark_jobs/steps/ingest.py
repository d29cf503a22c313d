"""One run: take, stage, merge, announce, record, archive, until nothing is left. Every step may be repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, LookupResult, WaitingFile
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import MAX_WAIT_SECONDS, IngestSettings
from spark_jobs.steps.archive import finish, finish_logged
from spark_jobs.steps.merge import merge
from spark_jobs.steps.parking import EXCUSED, is_parked
from spark_jobs.steps.record import merged_entries, rejected_entries, superseded_entries
from spark_jobs.steps.run import FilesFailed, Run, timed
from spark_jobs.steps.settle import settle
from spark_jobs.steps.stage import stage
from spark_jobs.steps.take import choose, look_up, note, take, waiting_files
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import create_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAX_FAILURES_IN_A_ROW = 4
"""Then the environment is the likely cause, and the run ends."""
SUMMED = ("rows", "inserted", "updated", "outranked", "rejected_rows")
"""The counts in the run's last line."""
GROUPS = 8
"""A failed batch is retried in this many parts, until the failing file is alone."""
_log = logging.getLogger(__name__)


def ingest(
    settings: IngestSettings, deps: Dependencies, open_spark: Callable[[], SparkSession], feeds: Collection[str] = ()
) -> list[LogEntry]:
    """Process all accepted files (only of these ``feeds``, if named) and return their log lines. Spark starts only when a
    file waits. A feed that fails does not stop the others.

    Raises FilesFailed at the end, when all others are done; or the one feed's error. Either way the run failed, and the
    next one continues where it stopped.
    """
    wait_for_window(settings, deps)
    started = deps.elapsed()
    handled: set[FileId] = set()
    runs: dict[str, Run] = {}
    failed: dict[str, Exception] = {}
    spark: SparkSession | None = None
    while waiting := [
        w
        for w in _listed(settings, deps)
        if w.file not in handled and w.mark.feed not in failed and (not feeds or w.mark.feed in feeds)
    ]:
        spark = spark or _open(open_spark, deps)
        for name in {w.mark.feed: None for w in waiting}:
            try:
                if name not in runs:
                    runs[name] = Run(replace(settings, feed=FEEDS[name]), deps, spark)
                    _start(runs[name])
                handled |= _next_batch(runs[name], [w for w in waiting if w.mark.feed == name])
            except Exception as error:  # noqa: BLE001 - raised at the end, when the other feeds are done
                _log.error("step=run feed %s failed: %s", name, error)
                failed[name] = error
    return _end(list(runs.values()), failed, deps.elapsed() - started)


def _end(runs: Sequence[Run], failed: Mapping[str, Exception], seconds: float) -> list[LogEntry]:
    entries = [entry for run in runs for entry in run.entries]
    sums = " ".join(f"{name}={sum(getattr(entry, name) or 0 for entry in entries)}" for name in SUMMED)
    _log.info("step=run seconds=%.3f files=%d %s", seconds, len(entries), sums)
    problems = [problem for run in runs for problem in run.problems]
    others = {name: error for name, error in failed.items() if not isinstance(error, FilesFailed)}
    if len(others) == 1 and not problems and not entries:
        ((name, error),) = others.items()
        error.add_note(f"feed {name}")
        raise error
    problems += [f"feed {name}: {type(error).__name__}: {shorten(str(error))}" for name, error in others.items()]
    if problems:
        raise FilesFailed(problems, entries) from next(iter(failed.values()), None)
    return entries


def wait_for_window(settings: IngestSettings, deps: Dependencies) -> None:
    """Wait until the launch window has ended, so that the listing has every file marked in it. Spark isn't running yet."""
    if settings.not_before:
        left = (settings.not_before - deps.now()).total_seconds()
        if left > 0:
            deps.sleep(min(left, MAX_WAIT_SECONDS))


def _listed(settings: IngestSettings, deps: Dependencies) -> list[WaitingFile]:
    with timed("list", deps) as fields:
        found = waiting_files(deps.store, settings)
        fields["files"] = len(found)
        return found


def _open(open_spark: Callable[[], SparkSession], deps: Dependencies) -> SparkSession:
    with timed("session", deps):
        return open_spark()


def _start(run: Run) -> None:
    """What a run does once for each feed that has files."""
    with timed("tables", run.deps):
        create_tables(run.spark, run.tables, run.settings.feed)
    with timed("settle", run.deps):
        settle(run)


def _next_batch(run: Run, waiting: list[WaitingFile]) -> set[FileId]:
    """Finish files that only have to be moved, then process one batch. Returns the files that are done for this run."""
    with timed("look", run.deps):
        known = look_up(run, [w.file for w in waiting])
    if known.done:
        finish_logged(run, known)
    fresh = [w for w in waiting if w.file not in known.done]
    chosen = _next_group(run, fresh) or choose(fresh, known, run.settings, run.deps.now())
    if not chosen:
        if fresh:
            _log.info("step=run parked=%d files wait for their next retry", len(fresh))
        return {w.file for w in waiting}
    try:
        with timed("take", run.deps) as fields:
            batch = take(run, chosen, known)
            fields["files"] = len(chosen)
        work(run, batch)
    except TransientError:
        _excuse(run, chosen, known)
        raise
    except Exception as error:  # noqa: BLE001 - whatever Spark raises; reported at the end, or raised by _failed
        return known.done | _failed(run, chosen, known, error)
    run.failures = 0
    return {*known.done, *(w.file for w in chosen)}


def _next_group(run: Run, waiting: Sequence[WaitingFile]) -> list[WaitingFile]:
    by_file = {w.file: w for w in waiting}
    while run.groups:
        if group := [by_file[file] for file in run.groups.popleft() if file in by_file]:
            return group
    return []


def _failed(run: Run, chosen: Sequence[WaitingFile], known: LookupResult, error: Exception) -> set[FileId]:
    """Files that failed alone are reported at the end; others are retried in smaller groups. Raises after too many
    failures in a row: then the files are unlikely to be the cause."""
    run.failures += 1
    _log.error("step=run a batch of %d files failed: %s", len(chosen), error)
    handled = set()
    if len(chosen) == 1:
        handled = {chosen[0].file}
        again = "the parked file failed again" if is_parked(known.attempts(chosen[0].file)) else "the file failed"
        run.problem(chosen[0].file, f"{again}: {type(error).__name__}: {error}")
    else:
        size = -(-len(chosen) // GROUPS)
        run.groups += [[w.file for w in chosen[at : at + size]] for at in range(0, len(chosen), size)]
    if run.failures >= MAX_FAILURES_IN_A_ROW:
        if run.problems:
            raise FilesFailed(run.problems, run.entries) from error
        raise error
    return handled


def _excuse(run: Run, chosen: Sequence[WaitingFile], known: LookupResult) -> None:
    """An outage is not the files' fault: this attempt must not park them. If the note can't be written, it counts."""
    try:
        note(run, [w.file for w in chosen], f"{EXCUSED}{run.id}", known.target_version)
    except Exception as error:  # noqa: BLE001 - the outage itself is raised by the caller
        _log.warning("step=run the attempt counts although an external dependency failed: %s", error)


def work(run: Run, batch: Batch) -> None:
    """The steps after taking."""
    deps = run.deps
    deps.checkpoint("taken")
    with timed("stage", deps):
        staged = stage(run, batch)
    deps.checkpoint("staging done")
    with timed("merge", deps):
        target_version, changed = merge(run, batch, staged)
    deps.checkpoint("merged")
    with timed("count", deps):
        entries = merged_entries(run, batch, staged, target_version, changed)
        entries += rejected_entries(run, batch, staged)
        entries += superseded_entries(run, batch, staged)
    finish(run, entries, staged.version)
