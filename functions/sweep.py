"""The scheduled pass over what is still in source/: missed event, crashed function, failed run, all by one mechanism.

Being what runs anyway, it is also who tells of failed runs (`failed_runs`).
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from functions.failed_runs import tell_failed_runs
from functions.handler import settle
from functions.launch import launch_for_tick
from functions.reporting import log_fields
from functions.world import World
from spark_jobs.cloud.ports import StoredFile, WorldTrouble

BUDGET_SECONDS = 240.0
"""For all files of a tick together. Order is random, so that what a tick doesn't reach, a later one does."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Swept:
    """What a tick found past its grace, and the run it launched, if one was wanted."""

    seen: int
    waiting: int
    troubled: int
    run_id: int | None


def sweep(tick: str, world: World) -> Swept:
    """Treat every file past its grace as if its event had come again. Raises WorldTrouble after having tried them all."""
    config = world.config
    overdue = [s for s in world.store.listing(config.source_bucket, config.source_prefix) if _overdue(s, world)]
    random.shuffle(overdue)
    waiting, troubles = _settle_each(overdue, world)
    run_id = None
    if waiting and not world.launcher.has_active_run():
        run_id = launch_for_tick(world.launcher, config, config.source_bucket, tick)
    oldest = max(((world.now() - s.created).total_seconds() for s in overdue), default=0.0)
    swept = Swept(len(overdue), waiting, len(troubles), run_id)
    _log.info("swept", extra={"overdue": swept.seen, "waiting": waiting, "run_id": run_id, "oldest_seconds": round(oldest)})
    # Last, and not where the launch raised: waiting for Databricks costs time that files are to have first.
    tell_failed_runs(world)
    if troubles:
        raise troubles[0]
    return swept


def _settle_each(overdue: list[StoredFile], world: World) -> tuple[int, list[WorldTrouble]]:
    """How many files wait for a run, and what went wrong with others: each on its own."""
    end = world.elapsed() + BUDGET_SECONDS
    waiting, troubles = 0, []
    for number, stored in enumerate(overdue):
        left = end - world.elapsed()
        if left <= 0:
            _log.warning("the sweep's time is up; %d files are left to a later tick", len(overdue) - number)
            break
        try:
            waiting += settle(stored.file, world, judging_seconds=left) == "accepted"
        except WorldTrouble as trouble:
            _log.error("not settled: %s", trouble, extra=log_fields(stored.file))
            troubles.append(trouble)
    return waiting, troubles


def _overdue(stored: StoredFile, world: World) -> bool:
    """Younger files have an event under way, and a writer may still be at work on them."""
    grace = timedelta(seconds=world.config.sweep_grace_seconds)
    return world.now() - stored.created > grace and not stored.file.name.endswith("/")
