"""A file whose attempts never end is worked on alone. It is rejected only if the world is proved to work just before and
after it fails: an outage must never reject a good file.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace

from spark_jobs.batches import Batch, LookupResult, StageResult, WaitingFile
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.steps.archive import destination
from spark_jobs.steps.merge import merge
from spark_jobs.steps.record import record
from spark_jobs.steps.reject import reject, run_failure
from spark_jobs.steps.run import Run, conclude
from spark_jobs.steps.stage import stage
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import INGEST_LOG_COLUMNS, current_version

DEATHS = 2
"""So many attempts that were made just after such a proof, and of which nothing was heard again, are enough: a file that
kills the process leaves no other trace."""
WITNESSES = 5
_log = logging.getLogger(__name__)


def alone(run: Run, suspect: WaitingFile, known: LookupResult, work: Callable[[Run, Batch], None]) -> None:
    """Work on one suspect. Raises its error where the world may be to blame."""
    proved = world_works(run)
    batch = run.take([suspect], known, proved=proved)
    if proved and known.attempts(suspect).proved >= DEATHS and not _has_merged(run, suspect):
        _set_aside(run, suspect, batch, "the run ended without a word each time")
        return
    try:
        work(run, batch)
    except TransientError:
        raise
    except Exception as error:
        if _has_merged(run, suspect) or not (proved and world_works(run)):
            raise
        _set_aside(run, suspect, batch, f"{type(error).__name__}: {error}")


def world_works(run: Run) -> bool:
    """Whether a file that was merged before goes through once more, both ways. It changes nothing: no row of it is newer
    than itself. False where there is no such file; raises what the world raises.
    """
    witness = _witness(run)
    if witness is None:
        return False
    for lines in (True, False):
        marked = replace(witness, mark=replace(witness.mark, splittable=lines))
        version = current_version(run.spark, run.tables.target)
        batch = Batch(f"proof-{uuid.uuid4().hex[:12]}", (marked,), {marked.file: 0}, {marked.file: version}, version)
        staged = stage(run.spark, run.tables, batch, run.settings, run.deps)
        if not staged.files:
            return False
        merge(run.spark, run.tables, batch, staged, run.settings.feed, run.deps)
    return True


def _witness(run: Run) -> WaitingFile | None:
    from pyspark.sql import functions as F

    merged = run.spark.table(run.tables.ingest_log).where("outcome = 'merged' AND rows > 0")
    latest = merged.orderBy(F.desc("logged_at")).select(*INGEST_LOG_COLUMNS).limit(WITNESSES).collect()
    for entry in map(LogEntry.of_row, latest):
        stored = run.deps.store.stat(entry.file.bucket, destination(entry, run.settings))
        if stored:
            mark = AcceptedMark(stored.file.generation, 0, 0, 0, True, True)
            return WaitingFile(stored, mark, entry.arrived_at)
    return None


def _has_merged(run: Run, suspect: WaitingFile) -> bool:
    """Whether rows of it are in the target: then it is merged, whatever failed afterwards, and can't be rejected."""
    from pyspark.sql import functions as F

    return not run.spark.table(run.tables.target).where(F.col("file_id") == str(suspect.file)).isEmpty()


def _set_aside(run: Run, suspect: WaitingFile, batch: Batch, what: str) -> None:
    file: FileId = suspect.file
    _log.error("rejected: %r failed alone, attempt %d, while others succeed", str(file), batch.attempts[file])
    entry = reject(suspect, run_failure(what, batch.attempts[file]), batch, run.settings, run.deps)
    record(run.spark, run.tables, [entry], StageResult(), run.deps)
    conclude(run, [entry])
