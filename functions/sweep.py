"""The scheduled pass over everything still in source/. Covers a missed event, a crashed function and a failed run.

It also logs failed runs of the job, and that no continuous run is alive, because it runs regularly anyway. Log-based
metrics and alerts (infra/gcp/function/metrics.tf) depend on its lines.
"""

from __future__ import annotations

import logging
import random
from datetime import timedelta

from functions.dependencies import Dependencies
from functions.handler import process
from functions.launch import launch_for_tick
from functions.logs import log_fields
from spark_jobs.cloud.ports import FailedRun, StoredFile, TransientError
from spark_jobs.contract.violations import shorten

BUDGET_SECONDS = 240.0
"""For all files of a tick. The order is random, so that a later tick reaches what this one doesn't."""

LOOK_BACK = timedelta(minutes=25)
"""Two ticks of ten minutes, plus five minutes in which a tick processes files first: one missed tick loses nothing.

A new instance may log a run again. That is harmless: alerts check whether there was any line, not how many, over a
period longer than this.
"""

UNBALANCED = "files do not balance"
"""The wording of `spark_jobs.cli.check_balance`; a test compares the two."""

CHANGES_TASK = "changes"
"""The key of the job's task that publishes changes. Its failure is no failed load."""

_log = logging.getLogger(__name__)


def sweep(tick: str, deps: Dependencies) -> None:
    """Handle every file older than the grace period as if its event arrived again. Raises after it has tried all files."""
    config, now = deps.config, deps.now()
    # A younger file may still be written, and its own event may still arrive.
    latest = now - timedelta(seconds=config.sweep_grace_seconds)
    files = deps.store.list_files(config.source_bucket, config.source_prefix)
    overdue = [stored for stored in files if stored.created < latest and not stored.file.name.endswith("/")]
    random.shuffle(overdue)
    waiting, errors = _process_each(overdue, deps)
    run_id = None
    if not _continuous_run_is_alive(deps) and waiting and not deps.job.has_active_run():
        run_id = launch_for_tick(deps.job, config, config.source_bucket, tick)
    counts = {"overdue": len(overdue), "waiting": waiting, "failed": len(errors), "run_id": run_id}
    oldest = max(((now - stored.created).total_seconds() for stored in overdue), default=0.0)
    _log.info("swept", extra={**counts, "oldest_seconds": round(oldest)})
    # Last, and skipped if the launch raised: Databricks may respond slowly, and files take precedence.
    _report_failed_runs(deps)
    if errors:
        raise errors[0]


def _process_each(overdue: list[StoredFile], deps: Dependencies) -> tuple[int, list[Exception]]:
    """The number of files that wait for a run, and the errors. An error in one file doesn't affect the others."""
    end = deps.elapsed() + BUDGET_SECONDS
    waiting = 0
    errors: list[Exception] = []
    for number, stored in enumerate(overdue):
        left = end - deps.elapsed()
        if left <= 0:
            _log.warning("the sweep is out of time; a later tick handles the remaining %d files", len(overdue) - number)
            break
        try:
            waiting += process(stored.file, deps, validation_seconds=left) == "accepted"
        except TransientError as error:
            _log.error("not processed: %s", error, extra=log_fields(stored.file))
            errors.append(error)
        except Exception as error:  # noqa: BLE001 - a bug that one file triggers must not block the others
            _log.exception("not processed", extra=log_fields(stored.file))
            errors.append(error)
    return waiting, errors


def _continuous_run_is_alive(deps: Dependencies) -> bool:
    """False also if there is no such job, because the function launches runs itself.

    Until the next one is alive, the sweep's own runs load the files, minutes later than people expect: hence an error.
    Databricks takes up to a minute between two runs, so the alert waits for a second line.
    """
    if deps.continuous_job is None:
        return False
    try:
        if deps.continuous_job.has_active_run():
            return True
        why = "the job has none"
    except TransientError as error:
        # Go on: if Databricks is down, the next call fails, too. If only this job is gone, the files must not wait for it.
        why = str(error)
    _log.error("no continuous run is known to be alive: %s", why, extra={"job_id": deps.config.continuous_job_id})
    return False


def _report_failed_runs(deps: Dependencies) -> None:
    """Log each failed run that this instance hasn't logged yet. An outage of Databricks must not fail the sweep.

    The lines are warnings: errors alert on failures of the function itself, and the function works.
    """
    since = deps.now() - LOOK_BACK
    try:
        failed = [run for job in (deps.job, deps.continuous_job) if job for run in job.failed_runs(since)]
    except TransientError as error:
        _log.warning("can't check for failed runs: %s", error)
        return
    for run in failed:
        if (run.run_id, run.task) not in deps.reported_runs:
            fields = {"run_id": run.run_id, "task": run.task, "ended": run.ended.isoformat()}
            _log.warning("%s: %s", _what_failed(run), shorten(run.reason), extra=fields)
            deps.reported_runs.add((run.run_id, run.task))


def _what_failed(run: FailedRun) -> str:
    if run.task == CHANGES_TASK:
        return "changes not published"
    return "log does not balance" if UNBALANCED in run.reason else "run failed"
