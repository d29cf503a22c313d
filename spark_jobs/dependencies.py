"""The external dependencies of a run except Spark, injected so that tests control them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from spark_jobs.cloud.ports import Announcer, FileStore


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _no_checkpoint(step: str) -> None:
    """Does nothing; tests replace it to crash a run at a given step."""


@dataclass(frozen=True)
class Dependencies:
    """``now`` returns an aware time. ``checkpoint`` is called with a step's name when it ends; tests crash there."""

    store: FileStore
    announcer: Announcer
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic
    checkpoint: Callable[[str], None] = _no_checkpoint
