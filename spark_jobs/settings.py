"""The settings of one run, validated once. An empty string means "not set", as in Databricks job parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import ORDER_TRACKING

MAX_WAIT_SECONDS = 60.0
"""The longest wait for the end of the launch window: the function's clock may be far ahead, and only one run is active."""


class Explained(Exception):
    """An error whose message is one sentence for the person who can act: it is shown without a stack trace."""


class SettingsError(Explained):
    """A setting is missing or invalid. The message names it."""


@dataclass(frozen=True)
class BucketLayout:
    """The folders of one bucket: where files arrive and where they go."""

    bucket: str
    source_prefix: str = "source/"
    archive_prefix: str = "archive/"
    rejected_prefix: str = "rejected/"

    def __post_init__(self) -> None:
        if not self.bucket:
            raise SettingsError("--bucket is missing: name the bucket that files are uploaded to, without gs://")


@dataclass(frozen=True)
class IngestSettings:
    """``files_root``: a folder or volume through which Spark reads the bucket's objects; empty means ``gs://BUCKET``.
    ``warehouse``: a folder of plain Delta tables, instead of ``catalog`` and ``schema``.
    ``max_batch_bytes`` limits the total size of a batch's files; a single file may be larger. A batch of at most
    ``small_batch_bytes`` is read on the driver, which is faster than starting Spark tasks.
    """

    layout: BucketLayout
    catalog: str = ""
    schema: str = ""
    warehouse: str = ""
    files_root: str = ""
    outcome_topic: str = ""
    service_credential: str = ""
    max_bad_row_ratio: float = 0.1
    not_before: datetime | None = None
    max_batch_files: int = 1000
    max_batch_bytes: int = 20 * 1024**3
    small_batch_bytes: int = 32 * 1024**2
    feed: Feed = ORDER_TRACKING

    def __post_init__(self) -> None:
        if self.warehouse and (self.catalog or self.schema):
            raise SettingsError("--warehouse replaces --catalog and --schema; give one or the other")
        if not self.warehouse and not (self.catalog and self.schema):
            raise SettingsError("give --catalog and --schema for the tables, or --warehouse for a folder of Delta tables")


def parse_ratio(text: str) -> float:
    """A ratio from 0 to 1; empty means 0.1. Raises SettingsError."""
    try:
        ratio = float(text or "0.1")
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise SettingsError(f"--max-bad-row-ratio must be a number from 0 to 1, not {text!r}")
    return ratio


@dataclass(frozen=True)
class Pace:
    """How often a continuous run lists the source folder, and when it ends so that the platform starts a fresh one."""

    poll_seconds: float = 2.0
    max_hours: float = 24.0

    @classmethod
    def parse(cls, poll_seconds: str, max_hours: str) -> Pace:
        """Empty texts mean the defaults. Raises SettingsError."""
        poll = _positive("--poll-seconds", poll_seconds, cls.poll_seconds)
        return cls(poll, _positive("--max-hours", max_hours, cls.max_hours))


def _positive(option: str, text: str, default: float) -> float:
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 < number < math.inf:
        raise SettingsError(f"{option} must be a number greater than 0, not {text!r}")
    return number


def parse_not_before(text: str) -> datetime | None:
    """An ISO 8601 time, made aware; no offset means UTC, empty means no wait. Raises SettingsError."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--not-before must be a time such as 2026-01-31T10:00:00+00:00, not {text!r}") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def check_contract_version(text: str) -> None:
    """Refuse marks of another contract version: they certify other rules. Raises SettingsError."""
    if text and text != str(CONTRACT_VERSION):
        raise SettingsError(
            f"this job has contract version {CONTRACT_VERSION}, but the function sent {text!r}: "
            "deploy the job and the function from the same release, the job first"
        )
