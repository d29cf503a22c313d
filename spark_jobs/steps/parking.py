"""Parking: a file that two runs took and never logged is retried alone, after all others, at growing intervals.

The file may have killed the process, or the process was killed for another reason: the job can't know. So the job never
rejects a parked file. An operator rejects it or requests a retry. All state is in the attempts table.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from spark_jobs.batches import Attempts
from spark_jobs.contract.file_ids import FileId

PARKED_AFTER = 2
FIRST_PAUSE = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=1)

# Rows of the attempts table that are not attempts, recognized by the prefix of their batch_id.
RETRY = "retry-"
"""An operator wants the file tried as if it were new: earlier attempts no longer count."""
EXCUSED = "excused-"
"""The run whose id follows failed because of an external dependency: its attempt does not count."""
UNANNOUNCED = "unannounced-"
"""The outcome could not be published. A later run publishes it before it moves the file, or when the object is gone."""
ANNOUNCED = "announced-"
"""A later run has published it."""
NOTES = (RETRY, EXCUSED, UNANNOUNCED, ANNOUNCED)


class AttemptRow(NamedTuple):
    """One row of the attempts table. ``attempted_at`` is aware."""

    file_id: str
    batch_id: str
    target_version: int
    attempted_at: datetime


def attempts_of(rows: Iterable[AttemptRow]) -> dict[FileId, Attempts]:
    """What was noted about each file. The batches of one run count as one attempt: a run tries a batch that fails in
    smaller groups, and a good file in it must not be parked for that."""
    by_file: dict[str, list[AttemptRow]] = {}
    for row in rows:
        by_file.setdefault(row.file_id, []).append(row)
    return {FileId.parse(file): _attempts(noted) for file, noted in by_file.items()}


def _attempts(rows: list[AttemptRow]) -> Attempts:
    taken = [row for row in rows if not row.batch_id.startswith(NOTES)]
    excused = {row.batch_id.removeprefix(EXCUSED) for row in rows if row.batch_id.startswith(EXCUSED)}
    never = datetime.min.replace(tzinfo=UTC)
    retry = max((row.attempted_at for row in rows if row.batch_id.startswith(RETRY)), default=never)
    last_of_run: dict[str, datetime] = {}
    for row in taken:
        run = run_of(row.batch_id)
        if row.attempted_at > retry and run not in excused:
            last_of_run[run] = max(row.attempted_at, last_of_run.get(run, never))
    return Attempts(
        times=tuple(sorted(last_of_run.values())),
        total=len(taken),
        first_at=min((row.attempted_at for row in taken), default=None),
        first_version=min((row.target_version for row in taken), default=None),
        batches=tuple(row.batch_id for row in sorted(taken, key=lambda row: row.attempted_at)),
        retry_requested=retry > never and not last_of_run,
        unannounced=_unannounced(rows),
    )


def _unannounced(rows: list[AttemptRow]) -> bool:
    owed, settled = (sum(row.batch_id.startswith(prefix) for row in rows) for prefix in (UNANNOUNCED, ANNOUNCED))
    return owed > settled


def run_of(batch_id: str) -> str:
    """The id of the run that a batch belongs to."""
    return batch_id.rpartition("-")[0]


def is_parked(attempts: Attempts) -> bool:
    """Whether a file that is not in the log is kept apart from the others."""
    return len(attempts.times) >= PARKED_AFTER


def next_try(attempts: Attempts) -> datetime:
    """When a parked file is due (aware): an hour after its second attempt, then after twice as long, at most a day."""
    pause = FIRST_PAUSE * 2 ** min(len(attempts.times) - PARKED_AFTER, 10)
    return attempts.times[-1] + min(pause, LONGEST_PAUSE)
