"""Ports to the external dependencies of function and job, in domain terms.

Adapters: gcs.py, pubsub.py, databricks_jobs.py. Fakes: tests/fakes.
"""

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
"""How many threads call Cloud Storage at the same time when there are many objects to look up."""


@dataclass(frozen=True)
class StoredFile:
    """A snapshot of one live object. ``created`` is aware; ``size`` is in bytes, as stored."""

    file: FileId
    metageneration: int
    size: int
    created: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_encoding: str = ""


class FileRefused(Exception):
    """The service permanently refuses a request for this file or name (a 400): don't retry."""


class TransientError(Exception):
    """Storage, Databricks or Pub/Sub is down, slow or refuses the request for now: retry later. Not the file's fault."""


class NoLogin(TransientError):
    """There is no login, or it has expired (a 401). A person can log in."""


class AccessRefused(TransientError):
    """The login lacks a right (a 403): a grant may be missing, or not in effect yet."""


class FileGone(Exception):
    """The generation was overwritten or deleted while it was read."""


class FileStore(Protocol):
    """The objects of a bucket. Every change names the generation it applies to; False or None means that it is gone.

    All methods raise FileRefused or TransientError, nothing else.
    """

    def stat(self, bucket: str, name: str) -> StoredFile | None:
        """The live generation; None if there is none."""

    def list_files(self, bucket: str, prefix: str) -> Iterator[StoredFile]:
        """The live objects whose names start with ``prefix``, in the order of their names, one page at a time."""

    def open_file(self, file: FileId) -> AbstractContextManager[BinaryIO | None]:
        """The bytes of exactly this generation, as stored, as a stream; None if it is no longer live. ``read`` raises
        FileGone if the generation disappears in the meantime, and TransientError if the stream doesn't have exactly the
        object's size: the end of the stream is always the end of the file.
        """

    def read_range(self, file: FileId, start: int, size: int) -> bytes | None:
        """At most ``size`` bytes of exactly this generation; a negative ``start`` counts from the end, and all bytes from
        there are read. None if the generation isn't live any more.
        """

    def annotate(self, stored: StoredFile, metadata: Mapping[str, str]) -> bool:
        """Add custom metadata if generation and metageneration are still as in ``stored``."""

    def write(self, bucket: str, name: str, content: bytes, content_type: str) -> None:
        """Create or replace a small object, such as a report."""

    def move(self, file: FileId, to: str) -> bool:
        """Move this generation within its bucket, atomically and idempotently: ``to`` is derived from the file id, so a
        move that is already done counts as done. False if the generation is gone and was not moved to ``to``. Raises
        FileRefused if another object is there: it is never replaced.
        """

    def copy(self, file: FileId, to: str, metadata: Mapping[str, str]) -> FileId | None:
        """Copy this generation to a new name, with ``metadata`` as its only custom metadata. Returns the id of the copy,
        or None if the generation is gone or ``to`` already exists.
        """


class Announcer(Protocol):
    """Publishes outcomes, at least once each."""

    def announce(self, outcomes: list[Outcome]) -> None:
        """Returns when the broker has confirmed every outcome. Raises TransientError."""


@dataclass(frozen=True)
class JobRun:
    """One run of the job. ``state`` is its result if it has one, otherwise its life cycle state; times are aware."""

    run_id: int
    state: str
    started: datetime
    page: str


@dataclass(frozen=True)
class FailedRun:
    """``ended`` is aware. ``reason`` is the error that the run raised; its length and characters are arbitrary."""

    run_id: int
    ended: datetime
    reason: str


class Job(Protocol):
    """The job that loads files. Methods raise TransientError, nothing else."""

    def launch(self, token: str, parameters: RunParameters) -> int:
        """Start a run, or return the one that this token started before. Returns its run id."""

    def has_active_run(self) -> bool:
        """Whether a run of the job is queued, waiting or running."""

    def failed_runs(self, since: datetime) -> list[FailedRun]:
        """Those of the latest runs that failed at ``since`` (aware) or later. A canceled run doesn't count as failed."""

    def recent_runs(self, limit: int) -> list[JobRun]:
        """The latest runs, newest first."""
