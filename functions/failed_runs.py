"""Runs that failed, told in the function's log: metrics and alerts are read off it (infra/gcp/function/metrics.tf)."""

from __future__ import annotations

import logging
from datetime import timedelta

from functions.dependencies import Dependencies
from spark_jobs.cloud.ports import FailedRun, TransientError
from spark_jobs.contract.violations import shorten

LOOK_BACK = timedelta(minutes=25)
"""Two ticks, ten minutes apart, and five for files that a tick settles before it asks: one missed tick loses nothing.

A new instance may tell a run again. Alerts ask whether there was any line, not how many, over longer than this.
"""

UNBALANCED = "files do not balance"
"""As `spark_jobs.cli.check_balance` words it; a test holds the two together."""

_log = logging.getLogger(__name__)


def report_failed_runs(deps: Dependencies) -> None:
    """A line for each that this instance hasn't told yet. Never raises WorldTrouble: telling is not the sweep's work."""
    try:
        failed = deps.job.failed_runs(deps.now() - LOOK_BACK)
    except TransientError as trouble:
        _log.warning("not known whether runs failed: %s", trouble)
        return
    for run in failed:
        if run.run_id not in deps.reported_runs:
            _tell(run)
            deps.reported_runs.add(run.run_id)


def _tell(run: FailedRun) -> None:
    """A warning, not an error: the function itself is well, and errors have an alert that looks for the function's."""
    what = "log does not balance" if UNBALANCED in run.reason else "run failed"
    _log.warning("%s: %s", what, shorten(run.reason), extra={"run_id": run.run_id, "ended": run.ended.isoformat()})
