"""Launches one run per window. Idempotency tokens are derived from time, never from a file.

A token whose run failed keeps returning that failed run, so a file with its own token could never be loaded.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from functions.config import Config
from spark_jobs.cloud.ports import Job
from spark_jobs.contract.parameters import RunParameters

MARGIN_SECONDS = 2
"""Allows for clock skew: the run lists objects this long after the window's end, so it sees every mark of the window."""


def window_of(config: Config, moment: datetime) -> int:
    """The number of the launch window that contains a moment (aware)."""
    return int(moment.timestamp()) // config.launch_window_seconds


def launch_for_window(job: Job, config: Config, bucket: str, now: datetime) -> int:
    """Launch the run of the window that contains ``now`` (aware; taken *after* writing the mark). Returns its run id."""
    length = config.launch_window_seconds
    window = window_of(config, now)
    end = datetime.fromtimestamp((window + 1) * length + MARGIN_SECONDS, UTC)
    token = _token("window", bucket, config.source_prefix, str(length), str(window))
    return job.launch(token, _parameters(config, bucket, end))


def launch_for_tick(job: Job, config: Config, bucket: str, tick: str) -> int:
    """Launch an immediate run for this tick of the sweep. A repeated tick returns the same run. Returns its run id."""
    return job.launch(_token("tick", bucket, config.source_prefix, tick), _parameters(config, bucket, None))


def _token(kind: str, *parts: str) -> str:
    """At most 64 characters, Databricks' limit. Hashed, because bucket and tick ids may be of any length."""
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
