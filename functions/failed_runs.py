"""Logs failed runs of the job: log-based metrics and alerts (infra/gcp/function/metrics.tf) depend on these lines."""

from __future__ import annotations

import logging
from datetime import timedelta

from functions.dependencies import Dependencies
from spark_jobs.cloud.ports import FailedRun, TransientError
from spark_jobs.contract.violations import shorten

LOOK_BACK = timedelta(minutes=25)
"""Two ticks of ten minutes, plus five minutes in which a tick processes files first: one missed tick loses nothing.

A new instance may log a run again. That is harmless: alerts check whether there was any line, not how many, over a
period longer than this.
"""

UNBALANCED = "files do not balance"
"""The wording of `spark_jobs.cli.check_balance`; a test compares the two."""

_log = logging.getLogger(__name__)


def report_failed_runs(deps: Dependencies) -> None:
    """Log each failed run that this instance hasn't logged yet. Never raises TransientError: this is not what the sweep is
    for, so it must not fail the sweep.
    """
    try:
        failed = deps.job.failed_runs(deps.now() - LOOK_BACK)
    except TransientError as error:
        _log.warning("can't check for failed runs: %s", error)
        return
    for run in failed:
        if run.run_id not in deps.reported_runs:
            _log_failed_run(run)
            deps.reported_runs.add(run.run_id)


def _log_failed_run(run: FailedRun) -> None:
    """A warning, not an error: errors alert on failures of the function itself, and the function works."""
    what = "log does not balance" if UNBALANCED in run.reason else "run failed"
    _log.warning("%s: %s", what, shorten(run.reason), extra={"run_id": run.run_id, "ended": run.ended.isoformat()})
