"""The types that make up a batch: waiting files, earlier attempts, and the results of staging and merging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.values import Value

KeyRange = tuple[Value, Value]


@dataclass(frozen=True)
class WaitingFile:
    """An object with a valid mark of this contract version. ``arrival`` is aware."""

    stored: StoredFile
    mark: AcceptedMark
    arrival: datetime

    @property
    def file(self) -> FileId:
        return self.stored.file


@dataclass(frozen=True)
class Attempts:
    """Earlier attempts at a file that is not in the log.

    ``times``: when each run took it last (aware, ascending), as far as the attempt counts; ``total``: all batches that took
    it, in ``batches``, oldest first. ``first_at``, ``first_version``: when the first was, and the target's version then.
    ``retry_requested``: an operator wants it tried first. ``unannounced``: its outcome could not be published yet.
    """

    times: tuple[datetime, ...] = ()
    total: int = 0
    first_at: datetime | None = None
    first_version: int | None = None
    batches: tuple[str, ...] = ()
    retry_requested: bool = False
    unannounced: bool = False


@dataclass(frozen=True)
class LookupResult:
    """What the tables hold about waiting files: those ``done`` (in the log), the earlier ``attempts`` at all of them, and
    the target's version just before these were read."""

    done: set[FileId]
    earlier: dict[FileId, Attempts]
    target_version: int

    def attempts(self, file: FileId) -> Attempts:
        return self.earlier.get(file, Attempts())


@dataclass(frozen=True)
class Batch:
    """The files that a run takes together. ``attempts`` and ``first_version`` (of the target) include this batch."""

    id: str
    files: tuple[WaitingFile, ...]
    attempts: dict[FileId, int]
    first_version: dict[FileId, int]
    target_version: int


@dataclass(frozen=True)
class FileCounts:
    """Counts of one file. ``numbers`` is the sum of the row numbers, which reveals missing and duplicate rows. ``fault`` is
    the code of a violation of the whole file."""

    rows: int = 0
    bad_rows: int = 0
    numbers: int = 0
    conflicting_ties: int = 0
    fault: str | None = None


@dataclass(frozen=True)
class Counts:
    """``keys``: lowest and highest value of the key's first column in the good rows, texts compared by code point as in
    Spark; None without good rows."""

    files: Mapping[FileId, FileCounts]
    keys: KeyRange | None

    @property
    def staged_rows(self) -> int:
        """Includes one row of the stage for each violation of a whole file."""
        return sum(counted.rows + (counted.fault is not None) for counted in self.files.values())


@dataclass(frozen=True)
class StageResult:
    """``files`` may be merged, from this ``version`` of the stage. Files in ``gone`` (overwritten or deleted) and
    ``rejected`` may not. ``keys``: as in `Counts`."""

    version: int | None = None
    files: tuple[WaitingFile, ...] = ()
    counts: Mapping[FileId, FileCounts] = field(default_factory=dict)
    keys: KeyRange | None = None
    gone: tuple[WaitingFile, ...] = ()
    rejected: Mapping[FileId, ValidationResult] = field(default_factory=dict)


@dataclass(frozen=True)
class ChangedRows:
    """How many rows of the target a file inserted and updated."""

    inserted: int = 0
    updated: int = 0
