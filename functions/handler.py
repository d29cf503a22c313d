"""One file: gather what is there, decide, act. Every step may be repeated, after a crash at any point."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Literal

from functions.decision import Accept, Ignore, Launch, Reject, Validate, first_look, ignore_by_name, verdict
from functions.dependencies import Dependencies
from functions.launch import launch_for_window, window_of
from functions.logs import log_fields
from spark_jobs.cloud.ports import FileGone, FileRefused, TransientError
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import arrival_of
from spark_jobs.contract.outcomes import Outcome
from spark_jobs.contract.rejections import rejection
from spark_jobs.contract.validation_results import ValidationResult

VALIDATION_SECONDS = 300.0
"""A file that takes longer is accepted on what was seen. Leaves room for the other calls in a timeout of 540 s."""

MARK_TRIES = 3

Done = Literal["ignored", "rejected", "accepted"]
_log = logging.getLogger(__name__)


def handle_upload(file: FileId, deps: Dependencies) -> None:
    """Answer the event of a finalized file. Raises WorldTrouble where it should be delivered again."""
    if deps.launched.covers(file, window_of(deps.config, deps.now())):
        _log.info("ignored: repeated, its run was launched", extra=log_fields(file))
        return
    if settle(file, deps) == "accepted":
        # The time is taken after the mark was written: a run that lists after its window's end must see the mark.
        now = deps.now()
        run_id = launch_for_window(deps.job, deps.config, file.bucket, now)
        deps.launched.remember(file, window_of(deps.config, now))
        _log.info("run %d takes the files of this window", run_id, extra=log_fields(file, run_id=run_id))


def settle(file: FileId, deps: Dependencies, validation_seconds: float = VALIDATION_SECONDS) -> Done:
    """Bring a file to where only a run is left to do, or nothing. Raises WorldTrouble."""
    if foreign := ignore_by_name(file, deps.config.source_prefix):
        _log.info("ignored: %s", foreign.why, extra=log_fields(file))
        return "ignored"
    try:
        return _settle(file, deps, validation_seconds)
    except FileGone:
        _log.info("ignored: gone while it was read", extra=log_fields(file))
    except FileRefused as refusal:
        _log.error("Cloud Storage refuses this object for good; it stays where it is: %s", refusal, extra=log_fields(file))
    return "ignored"


def _settle(file: FileId, deps: Dependencies, validation_seconds: float) -> Done:
    for _ in range(MARK_TRIES):
        decision = first_look(file, deps.store.stat(file.bucket, file.name), deps.now())
        match decision:
            case Ignore(why):
                level = logging.WARNING if why == "stale_empty" else logging.INFO
                _log.log(level, "ignored: %s", why, extra=log_fields(file))
                return "ignored"
            case Launch():
                return "accepted"
            case Validate():
                done = _validate_and_act(decision, deps, validation_seconds)
                if done:
                    return done
    raise TransientError(f"{file} changed {MARK_TRIES} times while it was marked")


def _validate_and_act(todo: Validate, deps: Dependencies, validation_seconds: float) -> Done | None:
    """None where somebody changed the object's metadata meanwhile: look again."""
    file = todo.stored.file
    started = deps.elapsed()
    stored, prefix = todo.stored, deps.config.source_prefix
    arrival = arrival_of(file.name, prefix, stored.created, stored.metadata)
    result = _validate(todo, arrival, deps, validation_seconds)
    seconds = deps.elapsed() - started
    match verdict(result, file.generation, arrival):
        case Reject():
            _reject(todo, arrival, result, seconds, deps)
            return "rejected"
        case Accept(mark):
            if not deps.store.annotate(todo.stored, mark.as_metadata()):
                return None
            counts = {"rows": result.rows, "bad_rows": result.bad_rows, "partial": result.partial}
            _log.info("accepted", extra=log_fields(file, **counts, seconds=round(seconds, 3)))
            return "accepted"


def _validate(todo: Validate, arrival: datetime, deps: Dependencies, validation_seconds: float) -> ValidationResult:
    from functions.validation.upload import validate_upload

    config, stored = deps.config, todo.stored
    deadline = deps.elapsed() + validation_seconds
    with deps.store.open_file(stored.file) as stream:
        if stream is None:
            raise FileGone(str(stored.file))
        return validate_upload(
            stream,
            name=stored.file.name.removeprefix(config.source_prefix),
            arrival=arrival,
            max_bad_row_ratio=config.max_bad_row_ratio,
            size=stored.size,
            out_of_time=lambda: deps.elapsed() > deadline,
        )


def _reject(todo: Validate, arrival: datetime, result: ValidationResult, seconds: float, deps: Dependencies) -> None:
    """Report, message, move: in this order, so that a file leaves source/ only when the rest is done."""
    file, config = todo.stored.file, deps.config
    prefixes = {"source_prefix": config.source_prefix, "rejected_prefix": config.rejected_prefix}
    rejected = rejection(file, arrival, result, seconds=seconds, **prefixes)
    outcome = Outcome(
        file,
        "rejected",
        ORDER_TRACKING.name,
        deps.now(),
        rows=result.rows,
        rejected_rows=result.bad_rows,
        reason=rejected.reason,
        report=rejected.report_name,
    )
    deps.store.write(file.bucket, rejected.report_name, rejected.report, "application/json")
    deps.announcer.announce([outcome])
    moved = deps.store.move(file, rejected.name)
    fields = {"code": rejected.code, "report": rejected.report_name, "moved": moved}
    _log.warning("rejected: %s", rejected.reason, extra=log_fields(file, **fields))
