"""What one run is told, checked once. Empty texts mean "not set", as in the parameters of the Databricks job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import ORDER_TRACKING, Feed

MAX_WAIT_SECONDS = 60.0
"""How long a run waits for the end of its launch window at most: a clock far ahead of ours must not hold the only slot."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one sentence that names it."""


@dataclass(frozen=True)
class BucketLayout:
    """Where files lie and where they go, within one bucket."""

    bucket: str
    source_prefix: str = "source/"
    archive_prefix: str = "archive/"
    rejected_prefix: str = "rejected/"


@dataclass(frozen=True)
class IngestSettings:
    """``files_root``: a folder or volume through which Spark sees the bucket's objects; empty: ``gs://BUCKET``.
    ``warehouse``: a folder of plain Delta tables, instead of ``catalog`` and ``schema``.
    ``max_batch_bytes`` counts the files' bytes; one file alone may be larger. A batch of at most ``small_batch_bytes``
    is read on the driver: Spark's own parsing takes longer to get going than that takes.
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
        if not self.layout.bucket:
            raise SettingsError("--bucket is missing: name the bucket that the files are uploaded to, without gs://")
        if self.warehouse and (self.catalog or self.schema):
            raise SettingsError("--warehouse goes instead of --catalog and --schema; give one or the other")
        if not self.warehouse and not (self.catalog and self.schema):
            raise SettingsError("give --catalog and --schema for the tables, or --warehouse for a folder of Delta tables")


def parse_ratio(text: str) -> float:
    """A share between 0 and 1; empty means 0.1."""
    try:
        ratio = float(text or "0.1")
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise SettingsError(f"--max-bad-row-ratio must be a number from 0 to 1, not {text!r}")
    return ratio


def parse_not_before(text: str) -> datetime | None:
    """An aware moment in ISO form; empty means at once, no offset means UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--not-before must be a moment such as 2026-01-31T10:00:00+00:00, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_contract_version(text: str) -> None:
    """Refuse to run for a function that speaks another contract: its marks mean something else."""
    if text and text != str(CONTRACT_VERSION):
        raise SettingsError(
            f"this job knows contract version {CONTRACT_VERSION}, the function sent {text!r}: "
            "deploy the job and the function from the same release, the job first"
        )
