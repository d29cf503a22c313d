"""The scheduled pass over what is still in source/: missed event, crashed function, failed run, all by one mechanism.

Being what runs anyway, it is also who tells of failed runs (`failed_runs`).
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from functions.dependencies import Dependencies
from functions.failed_runs import report_failed_runs
from functions.handler import settle
from functions.launch import launch_for_tick
from functions.logs import log_fields
from spark_jobs.cloud.ports import StoredFile, TransientError

BUDGET_SECONDS = 240.0
"""For all files of a tick together. Order is random, so that what a tick doesn't reach, a later one does."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepResult:
    """What a tick found past its grace, and the run it launched, if one was wanted."""

    seen: int
    waiting: int
    troubled: int
    run_id: int | None


def sweep(tick: str, deps: Dependencies) -> SweepResult:
    """Treat every file past its grace as if its event had come again. Raises WorldTrouble after having tried them all."""
    config = deps.config
    overdue = [s for s in deps.store.list_files(config.source_bucket, config.source_prefix) if _overdue(s, deps)]
    random.shuffle(overdue)
    waiting, troubles = _settle_each(overdue, deps)
    run_id = None
    if waiting and not deps.job.has_active_run():
        run_id = launch_for_tick(deps.job, config, config.source_bucket, tick)
    oldest = max(((deps.now() - s.created).total_seconds() for s in overdue), default=0.0)
    sweep_result = SweepResult(len(overdue), waiting, len(troubles), run_id)
    _log.info(
        "swept", extra={"overdue": sweep_result.seen, "waiting": waiting, "run_id": run_id, "oldest_seconds": round(oldest)}
    )
    # Last, and not where the launch raised: waiting for Databricks costs time that files are to have first.
    report_failed_runs(deps)
    if troubles:
        raise troubles[0]
    return sweep_result


def _settle_each(overdue: list[StoredFile], deps: Dependencies) -> tuple[int, list[TransientError]]:
    """How many files wait for a run, and what went wrong with others: each on its own."""
    end = deps.elapsed() + BUDGET_SECONDS
    waiting, troubles = 0, []
    for number, stored in enumerate(overdue):
        left = end - deps.elapsed()
        if left <= 0:
            _log.warning("the sweep's time is up; %d files are left to a later tick", len(overdue) - number)
            break
        try:
            waiting += settle(stored.file, deps, validation_seconds=left) == "accepted"
        except TransientError as trouble:
            _log.error("not settled: %s", trouble, extra=log_fields(stored.file))
            troubles.append(trouble)
    return waiting, troubles


def _overdue(stored: StoredFile, deps: Dependencies) -> bool:
    """Younger files have an event under way, and a writer may still be at work on them."""
    grace = timedelta(seconds=deps.config.sweep_grace_seconds)
    return deps.now() - stored.created > grace and not stored.file.name.endswith("/")
