"""The scheduled pass over everything still in source/. Covers a missed event, a crashed function and a failed run.

It also logs failed runs of the job (`failed_runs`), because it runs regularly anyway.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from functions.dependencies import Dependencies
from functions.failed_runs import report_failed_runs
from functions.handler import process
from functions.launch import launch_for_tick
from functions.logs import log_fields
from spark_jobs.cloud.ports import StoredFile, TransientError

BUDGET_SECONDS = 240.0
"""For all files of a tick. The order is random, so that a later tick reaches what this one doesn't."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepResult:
    """``overdue`` files were older than the grace period. ``waiting`` of them are accepted and wait for a run; processing
    ``failed`` of them raised an error. ``run_id``: the run that the tick launched, if any.
    """

    overdue: int
    waiting: int
    failed: int
    run_id: int | None


def sweep(tick: str, deps: Dependencies) -> SweepResult:
    """Handle every file older than the grace period as if its event arrived again. Raises after it has tried all files."""
    config = deps.config
    overdue = [s for s in deps.store.list_files(config.source_bucket, config.source_prefix) if _overdue(s, deps)]
    random.shuffle(overdue)
    waiting, errors = _process_each(overdue, deps)
    run_id = None
    if waiting and not deps.job.has_active_run():
        run_id = launch_for_tick(deps.job, config, config.source_bucket, tick)
    oldest = max(((deps.now() - s.created).total_seconds() for s in overdue), default=0.0)
    result = SweepResult(len(overdue), waiting, len(errors), run_id)
    _log.info(
        "swept",
        extra={
            "overdue": len(overdue),
            "waiting": waiting,
            "failed": len(errors),
            "run_id": run_id,
            "oldest_seconds": round(oldest),
        },
    )
    # Last, and skipped if the launch raised: Databricks may respond slowly, and files take precedence.
    report_failed_runs(deps)
    if errors:
        raise errors[0]
    return result


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


def _overdue(stored: StoredFile, deps: Dependencies) -> bool:
    """A younger file may still be written, and its own event may still arrive."""
    grace = timedelta(seconds=deps.config.sweep_grace_seconds)
    return deps.now() - stored.created > grace and not stored.file.name.endswith("/")
