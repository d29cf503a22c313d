"""What a run does about a batch that failed: it finds the failing file, and leaves out what is nobody's fault."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from spark_jobs.batches import LookupResult, WaitingFile
from spark_jobs.contract.file_ids import FileId
from spark_jobs.steps.parking import EXCUSED, is_parked
from spark_jobs.steps.run import FilesFailed, Run
from spark_jobs.steps.take import note

MAX_FAILURES_IN_A_ROW = 4
"""Then the environment is the likely cause, and the run ends."""
GROUPS = 8
"""A failed batch is retried in this many parts, until the failing file is alone."""
_log = logging.getLogger(__name__)


def isolate(run: Run, chosen: Sequence[WaitingFile], known: LookupResult, error: Exception) -> set[FileId]:
    """Files that failed alone are reported at the end; others are retried in smaller groups. Raises after too many
    failures in a row: then the files are unlikely to be the cause."""
    run.failures += 1
    _log.error("step=run a batch of %d files failed: %s", len(chosen), error)
    handled = set()
    if len(chosen) == 1:
        handled = {chosen[0].file}
        again = "the parked file failed again" if is_parked(known.attempts(chosen[0].file)) else "the file failed"
        run.problem(chosen[0].file, f"{again}: {type(error).__name__}: {error}")
    else:
        size = -(-len(chosen) // GROUPS)
        run.groups += [[w.file for w in chosen[at : at + size]] for at in range(0, len(chosen), size)]
    if run.failures >= MAX_FAILURES_IN_A_ROW:
        if run.problems:
            raise FilesFailed(run.problems.values(), run.entries) from error
        raise error
    return handled


def excuse(run: Run, chosen: Sequence[WaitingFile], known: LookupResult) -> None:
    """An outage is not the files' fault: this attempt must not park them. If the note can't be written, it counts."""
    try:
        note(run, [w.file for w in chosen], f"{EXCUSED}{run.id}", known.target_version)
    except Exception as error:  # noqa: BLE001 - the outage itself is raised by the caller
        _log.warning("step=run the attempt counts although an external dependency failed: %s", error)
