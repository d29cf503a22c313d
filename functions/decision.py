"""What should happen to a file: pure, so that every case can be listed and tested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import Violation

STALE_AFTER = timedelta(hours=24)

Why = Literal["foreign", "placeholder", "gone", "overwritten", "empty", "stale_empty"]


@dataclass(frozen=True)
class Ignore:
    """Nothing is done to the object."""

    why: Why


@dataclass(frozen=True)
class Launch:
    """It passed before: only a run is wanted."""

    mark: AcceptedMark


@dataclass(frozen=True)
class Validate:
    """Read this generation and judge it."""

    stored: StoredFile


@dataclass(frozen=True)
class Accept:
    """Mark it, then launch."""

    mark: AcceptedMark


@dataclass(frozen=True)
class Reject:
    """Report, tell, move aside."""

    violation: Violation


def ignore_by_name(file: FileId, source_prefix: str) -> Ignore | None:
    """Decided on the name alone, before anything is asked of the world."""
    if not file.name.startswith(source_prefix):
        return Ignore("foreign")
    if file.name.endswith("/"):
        return Ignore("placeholder")
    return None


def first_look(file: FileId, live: StoredFile | None, now: datetime) -> Ignore | Launch | Validate:
    """What the event's generation and the live object say, before a byte is read."""
    if live is None:
        return Ignore("gone")
    if live.file.generation != file.generation:
        # Either way this generation isn't there any more. A newer one has an event of its own.
        return Ignore("overwritten")
    if live.size == 0:
        # Some writers create an empty generation first; moving it would break their upload.
        return Ignore("stale_empty" if now - live.created > STALE_AFTER else "empty")
    mark = AcceptedMark.valid_on(live.file.generation, live.metadata)
    if mark and mark.contract_version == CONTRACT_VERSION:
        return Launch(mark)
    return Validate(live)


def verdict(result: ValidationResult, generation: int, arrival: datetime) -> Accept | Reject:
    """What a judged file deserves."""
    if result.rejecting:
        return Reject(result.rejecting)
    return Accept(AcceptedMark.of(result, generation, arrival))
