"""The parameters that the function passes to a run. The bundle declares them, too; a test compares the two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from spark_jobs.contract import CONTRACT_VERSION


@dataclass(frozen=True)
class RunParameters:
    """Sent with every launch. ``not_before`` (aware) is the end of the launch window plus a margin; None: start at once.

    ``feed``: load only the files of this feed; empty: of all feeds.
    """

    bucket: str
    source_prefix: str
    archive_prefix: str
    rejected_prefix: str
    outcome_topic: str
    max_bad_row_ratio: float
    not_before: datetime | None
    feed: str = ""

    def as_job_parameters(self) -> dict[str, str]:
        """As Databricks job parameters, which are strings; empty means not set."""
        return {
            "bucket": self.bucket,
            "source_prefix": self.source_prefix,
            "archive_prefix": self.archive_prefix,
            "rejected_prefix": self.rejected_prefix,
            "outcome_topic": self.outcome_topic,
            "max_bad_row_ratio": repr(self.max_bad_row_ratio),
            "not_before": self.not_before.astimezone(UTC).isoformat() if self.not_before else "",
            "feed": self.feed,
            "contract_version": str(CONTRACT_VERSION),
        }
