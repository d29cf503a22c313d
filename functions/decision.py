"""Decides what to do with a file before it is read. Pure functions, so that tests can cover every case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.content_encoding import content_encoding_violation
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.violations import Violation

STALE_AFTER = timedelta(hours=24)

IgnoreReason = Literal["other_bucket", "outside_source", "placeholder", "gone", "overwritten", "empty", "stale_empty"]


@dataclass(frozen=True)
class Ignore:
    """Leave the object alone."""

    reason: IgnoreReason


@dataclass(frozen=True)
class Launch:
    """The file is already accepted: only launch a run."""


@dataclass(frozen=True)
class Validate:
    """Read and validate this generation."""

    stored: StoredFile


@dataclass(frozen=True)
class Reject:
    """Write the report, publish the outcome, move the object to the rejected prefix, without reading it."""

    stored: StoredFile
    violation: Violation


def ignore_by_name(file: FileId, source_bucket: str, source_prefix: str) -> Ignore | None:
    """Whether the names of bucket and object are a reason to ignore it, before any call to storage. None: process it.

    An empty ``source_bucket`` means any bucket.
    """
    if source_bucket and file.bucket != source_bucket:
        return Ignore("other_bucket")
    if not file.name.startswith(source_prefix):
        return Ignore("outside_source")
    if file.name.endswith("/"):
        return Ignore("placeholder")
    return None


def decide_before_reading(file: FileId, live: StoredFile | None, now: datetime) -> Ignore | Launch | Reject | Validate:
    """Compares the event's generation with the live object, before a byte is read."""
    from spark_jobs.contract.feeds import feed_name  # late: declaring all feeds takes 10 ms of a cold start

    if live is None:
        return Ignore("gone")
    if live.file.generation != file.generation:
        # Whether the live generation is newer or older, this one is gone. A newer one has its own event.
        return Ignore("overwritten")
    if live.size == 0:
        # Some writers create an empty generation first; moving it would break their upload.
        return Ignore("stale_empty" if now - live.created > STALE_AFTER else "empty")
    mark = AcceptedMark.valid_on(live.file.generation, live.metageneration, live.size, live.metadata)
    if mark and mark.contract_version == CONTRACT_VERSION and mark.feed == feed_name(live.file.name):
        return Launch()
    if violation := content_encoding_violation(live.content_encoding):
        return Reject(live, violation)
    return Validate(live)
