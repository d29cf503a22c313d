"""What the function and the job ask of the world, in domain words. Fakes: tests/fakes; adapters: gcs.py, pubsub.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome
from spark_jobs.contract.parameters import RunParameters

STORAGE_CALLS_AT_ONCE = 16
"""Threads that call Cloud Storage at the same time, where there are many objects to ask about."""


@dataclass(frozen=True)
class StoredFile:
    """One live object as last seen. ``created`` is aware; ``size`` in bytes."""

    file: FileId
    metageneration: int
    size: int
    created: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class FileRefused(Exception):
    """The service refuses this very file or name for good (a 400): handle it, don't retry."""


class TransientError(Exception):
    """Storage, Databricks or Pub/Sub is down, slow or refuses us for now: retry later; the file isn't to blame."""


class FileGone(Exception):
    """The generation disappeared while it was read."""


class FileStore(Protocol):
    """Objects of a bucket. Every change names the generation it is meant for; False or None says that it is gone.

    All methods raise FileUnacceptable or WorldTrouble, nothing else.
    """

    def stat(self, bucket: str, name: str) -> StoredFile | None:
        """The live generation; None where there is none."""

    def list_files(self, bucket: str, prefix: str) -> Iterator[StoredFile]:
        """Live objects whose name begins with ``prefix``, in the order of their names, a page at a time."""

    def open_file(self, file: FileId) -> AbstractContextManager[BinaryIO | None]:
        """The bytes of exactly this generation as a stream; None where it isn't live any more.
        ``read`` raises FileGone where the generation disappears on the way.
        """

    def annotate(self, stored: StoredFile, metadata: Mapping[str, str]) -> bool:
        """Add custom metadata if generation and metageneration are still as in ``stored``."""

    def write(self, bucket: str, name: str, content: bytes, content_type: str) -> None:
        """Create or replace a small object of ours."""

    def move(self, file: FileId, to: str) -> bool:
        """Move this generation within its bucket, atomically; ``to`` is derived from the file id, so that a move that
        was done already counts as done. False where the generation is gone and was not moved to ``to``.
        """

    def copy(self, file: FileId, to: str, metadata: Mapping[str, str]) -> FileId | None:
        """Copy this generation to a name at which nothing is, with ``metadata`` as its only custom metadata; the copy's id.
        None where the generation is gone or something is at ``to`` already.
        """


class Announcer(Protocol):
    """Tells others about outcomes, at least once each."""

    def announce(self, outcomes: list[Outcome]) -> None:
        """Returns when every outcome is with the broker. Raises WorldTrouble."""


@dataclass(frozen=True)
class JobRun:
    """One run of the job. ``state`` is its result where there is one, its life cycle state otherwise; times are aware."""

    run_id: int
    state: str
    started: datetime
    page: str


@dataclass(frozen=True)
class FailedRun:
    """``ended`` is aware. ``reason`` is what the run raised, at any length and with any character in it."""

    run_id: int
    ended: datetime
    reason: str


class Job(Protocol):
    """The one job. Methods raise TransientError, nothing else."""

    def launch(self, token: str, parameters: RunParameters) -> int:
        """Start a run, or find the one that this token started before; its run id."""

    def has_active_run(self) -> bool:
        """Whether a run of the job is queued, waiting or running."""

    def failed_runs(self, since: datetime) -> list[FailedRun]:
        """Of the latest runs, those that failed at ``since`` (aware) or later. A canceled run didn't fail."""

    def recent_runs(self, limit: int) -> list[JobRun]:
        """The latest runs, the newest first."""
