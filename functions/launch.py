"""One run per window. Tokens are made from time, never from a file.

A token whose run failed returns that dead run for ever: a file's own token would lock it out.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from threading import Lock

from functions.config import Config
from spark_jobs.cloud.ports import Job
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.parameters import RunParameters

MARGIN_SECONDS = 2
"""Clocks differ a little: the run lists this long after the window's end, so that it sees every mark made within it."""


class RecentLaunches:
    """Files for which this instance launched the run of the current window.

    Eventarc repeats itself. Asking again within the window would find the same mark and, by its token, the same run,
    so it may as well not be asked. Forgetting costs two calls and changes nothing.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._window = -1
        self._files: set[FileId] = set()

    def remember(self, file: FileId, window: int) -> None:
        with self._lock:
            if window != self._window:
                self._window, self._files = window, set()
            self._files.add(file)

    def covers(self, file: FileId, window: int) -> bool:
        with self._lock:
            return window == self._window and file in self._files


def window_of(config: Config, moment: datetime) -> int:
    """Number of the launch window that holds a moment (aware)."""
    return int(moment.timestamp()) // config.launch_window_seconds


def launch_for_window(job: Job, config: Config, bucket: str, now: datetime) -> int:
    """Have a run for the window that holds ``now`` (aware; taken *after* the mark was written); its run id."""
    length = config.launch_window_seconds
    window = window_of(config, now)
    end = datetime.fromtimestamp((window + 1) * length + MARGIN_SECONDS, UTC)
    token = _token("window", bucket, config.source_prefix, str(length), str(window))
    return job.launch(token, _parameters(config, bucket, end))


def launch_for_tick(job: Job, config: Config, bucket: str, tick: str) -> int:
    """Have a run at once for this tick of the sweep, the same one if the tick is delivered again; its run id."""
    return job.launch(_token("tick", bucket, config.source_prefix, tick), _parameters(config, bucket, None))


def _token(kind: str, *parts: str) -> str:
    """At most 64 characters, which is what Databricks takes; hashed, since names are other people's."""
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:48]}"


def _parameters(config: Config, bucket: str, not_before: datetime | None) -> RunParameters:
    return RunParameters(
        bucket=bucket,
        source_prefix=config.source_prefix,
        archive_prefix=config.archive_prefix,
        rejected_prefix=config.rejected_prefix,
        outcome_topic=config.outcome_topic,
        max_bad_row_ratio=config.max_bad_row_ratio,
        not_before=not_before,
    )
