"""One batch of a feed's waiting files: take, stage, merge, announce, record, archive. Every step may be repeated."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from spark_jobs.batches import Batch, LookupResult, WaitingFile
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.steps.archive import finish, finish_logged
from spark_jobs.steps.merge import merge
from spark_jobs.steps.parking import EXCUSED, is_parked
from spark_jobs.steps.record import merged_entries, rejected_entries, superseded_entries
from spark_jobs.steps.run import FilesFailed, Run, timed
from spark_jobs.steps.stage import stage
from spark_jobs.steps.take import choose, look_up, note, take

MAX_FAILURES_IN_A_ROW = 4
"""Then the environment is the likely cause, and the run ends."""
GROUPS = 8
"""A failed batch is retried in this many parts, until the failing file is alone."""
_log = logging.getLogger(__name__)


def next_batch(run: Run, waiting: list[WaitingFile]) -> set[FileId]:
    """Finish files that only have to be moved, then process one batch. Returns the files that are done for this run."""
    with timed("look", run.deps):
        known = look_up(run, [w.file for w in waiting])
    if known.done:
        finish_logged(run, known)
    fresh = [w for w in waiting if w.file not in known.done]
    chosen = _next_group(run, fresh) or choose(fresh, known, run.settings, run.deps.now())
    if not chosen:
        if fresh:
            _log.info("step=run parked=%d files wait for their next retry", len(fresh))
        return {w.file for w in waiting}
    try:
        with timed("take", run.deps) as fields:
            batch = take(run, chosen, known)
            fields["files"] = len(chosen)
        work(run, batch)
    except TransientError:
        _excuse(run, chosen, known)
        raise
    except Exception as error:  # noqa: BLE001 - whatever Spark raises; reported at the end, or raised by _failed
        return known.done | _failed(run, chosen, known, error)
    run.failures = 0
    return {*known.done, *(w.file for w in chosen)}


def _next_group(run: Run, waiting: Sequence[WaitingFile]) -> list[WaitingFile]:
    by_file = {w.file: w for w in waiting}
    while run.groups:
        if group := [by_file[file] for file in run.groups.popleft() if file in by_file]:
            return group
    return []


def _failed(run: Run, chosen: Sequence[WaitingFile], known: LookupResult, error: Exception) -> set[FileId]:
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


def _excuse(run: Run, chosen: Sequence[WaitingFile], known: LookupResult) -> None:
    """An outage is not the files' fault: this attempt must not park them. If the note can't be written, it counts."""
    try:
        note(run, [w.file for w in chosen], f"{EXCUSED}{run.id}", known.target_version)
    except Exception as error:  # noqa: BLE001 - the outage itself is raised by the caller
        _log.warning("step=run the attempt counts although an external dependency failed: %s", error)


def work(run: Run, batch: Batch) -> None:
    """The steps after taking."""
    deps = run.deps
    deps.checkpoint("taken")
    with timed("stage", deps):
        staged = stage(run, batch)
    deps.checkpoint("staging done")
    with timed("merge", deps):
        target_version, changed = merge(run, batch, staged)
    deps.checkpoint("merged")
    with timed("count", deps):
        entries = merged_entries(run, batch, staged, target_version, changed)
        entries += rejected_entries(run, batch, staged)
        entries += superseded_entries(run, batch, staged)
    finish(run, entries, staged.version)
