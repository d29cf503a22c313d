"""The external dependencies of a run except Spark, injected so that tests control them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from spark_jobs.cloud.ports import Announcer, FileStore


@dataclass(frozen=True)
class Dependencies:
    """``now`` returns an aware time. ``checkpoint`` is called with a step's name when it ends; tests crash there."""

    store: FileStore
    announcer: Announcer
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic
    checkpoint: Callable[[str], None] = lambda step: None
