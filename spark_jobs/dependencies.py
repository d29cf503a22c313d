"""Everything outside Spark that a run depends on, injected so that tests control it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from spark_jobs.cloud.ports import Announcer, FileStore


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _no_checkpoint(step: str) -> None:
    """Where tests let a run die; nothing happens here otherwise."""


@dataclass(frozen=True)
class Dependencies:
    """``now`` answers aware. ``checkpoint`` is called with the name of each step as it is left (tests crash there)."""

    store: FileStore
    announcer: Announcer
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic
    checkpoint: Callable[[str], None] = _no_checkpoint
