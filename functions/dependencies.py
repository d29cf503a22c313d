"""The external dependencies of a request: `bootstrap` chooses them once, tests replace them with fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from functions.config import Config
from functions.launch import RecentLaunches
from spark_jobs.cloud.ports import Announcer, FileStore, Job


@dataclass(frozen=True)
class Dependencies:
    """``now`` returns the aware wall-clock time, ``elapsed`` monotonic seconds. ``launched`` and ``reported_runs`` are what
    this instance remembers.
    """

    config: Config
    store: FileStore
    job: Job
    announcer: Announcer
    now: Callable[[], datetime]
    elapsed: Callable[[], float]
    launched: RecentLaunches = field(default_factory=RecentLaunches)
    reported_runs: set[int] = field(default_factory=set)
