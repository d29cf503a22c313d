"""The outcome of a validated file, and the message that announces it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from spark_jobs.contract.file_ids import FileId

OutcomeKind = Literal["rejected", "merged", "superseded"]
MESSAGE_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """The result for one file. Counts that don't apply or are unknown are None."""

    file: FileId
    kind: OutcomeKind
    feed: str
    at: datetime
    rows: int | None = None
    rejected_rows: int | None = None
    inserted: int | None = None
    updated: int | None = None
    outranked: int | None = None
    reason: str | None = None
    report: str | None = None
    """Object name of the report, in the same bucket, for a rejected file."""
    batch_id: str | None = None

    def as_message(self) -> bytes:
        """The body of the Pub/Sub message: JSON, with its schema in infra/gcp. Consumers recognize repeats by ``file``."""
        body = {
            "schema_version": MESSAGE_VERSION,
            "file": str(self.file),
            "bucket": self.file.bucket,
            "name": self.file.name,
            "generation": str(self.file.generation),
            "outcome": self.kind,
            "feed": self.feed,
            "at": self.at.astimezone(UTC).isoformat(),
            "rows": self.rows,
            "rejected_rows": self.rejected_rows,
            "inserted": self.inserted,
            "updated": self.updated,
            "outranked": self.outranked,
            "reason": self.reason,
            "report": self.report,
            "batch_id": self.batch_id,
        }
        return json.dumps(body, ensure_ascii=False).encode()

    def attributes(self) -> dict[str, str]:
        """For subscription filters. They don't include the object name, because an attribute is limited to 1,024 bytes."""
        return {"outcome": self.kind, "feed": self.feed}
