"""The external dependencies of a request: `bootstrap` chooses them once, tests replace them with fakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from functions.config import Config
from spark_jobs.cloud.ports import Announcer, FileStore, Job
from spark_jobs.contract.file_ids import FileId


@dataclass(frozen=True)
class Dependencies:
    """``now`` returns the aware wall-clock time, ``elapsed`` monotonic seconds. This instance remembers in ``launched`` for
    which files it has launched the run of which window, and in ``reported_runs`` which failed tasks of which runs it has
    logged. ``continuous_job``: the job whose run takes files all the time; None unless the function launches no runs.
    """

    config: Config
    store: FileStore
    job: Job
    announcer: Announcer
    now: Callable[[], datetime]
    elapsed: Callable[[], float]
    continuous_job: Job | None = None
    launched: set[tuple[int, FileId]] = field(default_factory=set)
    reported_runs: set[tuple[int, str]] = field(default_factory=set)
