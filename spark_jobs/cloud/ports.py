"""What the function and the job ask of the world, in domain words. Fakes: tests/fakes; adapters: gcs.py, pubsub.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome

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

    def read_start(self, file: FileId, size: int) -> bytes | None:
        """The first ``size`` bytes of exactly this generation, or all where it has fewer, by one small request; None
        where it isn't live any more.
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
