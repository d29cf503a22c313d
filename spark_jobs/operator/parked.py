"""Parked files for `status`: how often runs failed on them, when the next try is due, and the last error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from spark_jobs.batches import Attempts
from spark_jobs.cloud.ports import FailedRun
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.violations import shorten
from spark_jobs.steps.parking import is_parked, next_try

FailedRuns = Callable[[datetime], Sequence[FailedRun]]
"""The runs that failed at this time (aware) or later."""


@dataclass(frozen=True)
class ParkedFile:
    """A waiting file that runs failed on repeatedly. Times are aware; ``next_try`` may have passed: then the next run
    tries it."""

    file: FileId
    attempts: int
    last_attempt: datetime
    next_try: datetime
    last_error: str


def parked_files(attempts: Mapping[FileId, Attempts], failed_runs: FailedRuns | None) -> list[ParkedFile]:
    """The parked ones among files without a log line, those due first at the top."""
    found = (parked_file(file, noted, failed_runs) for file, noted in attempts.items())
    return sorted((parked for parked in found if parked), key=lambda parked: parked.next_try)


def parked_file(file: FileId, attempts: Attempts, failed_runs: FailedRuns | None) -> ParkedFile | None:
    """How a waiting file is parked; None if it isn't."""
    if not is_parked(attempts):
        return None
    last = attempts.times[-1]
    error = last_error(file, failed_runs(last)) if failed_runs else None
    error = error or f"see the log of the run that began at {last:%Y-%m-%d %H:%M:%S} UTC"
    return ParkedFile(file, len(attempts.times), last, next_try(attempts), error)


def last_error(file: FileId, runs: Sequence[FailedRun]) -> str | None:
    """What the latest failed run that names the file says about it; None if none does."""
    name = f"(?:{re.escape(str(file))}|{re.escape(shorten(str(file)))})"
    said = re.compile(rf"{name}:? (?:the (?:parked )?file )?failed(?: again)?: (?P<error>[^;\n]+)")
    for run in sorted(runs, key=lambda run: run.ended, reverse=True):
        if found := said.search(run.reason):
            return shorten(found["error"].strip())
    return None
