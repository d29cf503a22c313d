"""Handles one file: gather, decide, act. Every step is idempotent, so a retry after a crash at any point is safe."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Literal

from functions.decision import Ignore, Launch, Reject, Validate, decide_before_reading, ignore_by_name
from functions.dependencies import Dependencies
from functions.launch import launch_for_window, window_of
from functions.logs import log_fields
from spark_jobs.cloud.ports import FileGone, FileRefused, StoredFile, TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark, arrival_of, metadata_violation
from spark_jobs.contract.outcomes import Outcome
from spark_jobs.contract.rejections import rejection
from spark_jobs.contract.validation_results import ValidationResult

VALIDATION_SECONDS = 300.0
"""A file that takes longer is accepted on the part that was validated; the job validates all of it. Leaves time for the
other calls within the function's timeout of 540 s.
"""

MARK_ATTEMPTS = 3

Handled = Literal["ignored", "rejected", "accepted"]
_log = logging.getLogger(__name__)


def handle_upload(file: FileId, deps: Dependencies) -> None:
    """Handle the event of a finalized file. Raises TransientError if the event should be retried.

    With LAUNCH=never, the mark is all that the continuous run needs.

    Eventarc may repeat an event. Within the window, handling it again would find the same mark and, by its token, the same
    run. What this instance remembers saves these two calls.
    """
    if (window_of(deps.config, deps.now()), file) in deps.launched:
        _log.info("ignored: repeated event, the run of this window is already launched", extra=log_fields(file))
        return
    if process(file, deps) == "accepted" and deps.config.launch == "window":
        # Take the time after writing the mark: a run that lists after its window's end must see the mark.
        now = deps.now()
        run_id = launch_for_window(deps.job, deps.config, file.bucket, now)
        window = window_of(deps.config, now)
        deps.launched.difference_update([old for old in list(deps.launched) if old[0] != window])
        deps.launched.add((window, file))
        _log.info("run %d takes the files of this window", run_id, extra=log_fields(file, run_id=run_id))


def process(file: FileId, deps: Dependencies, validation_seconds: float = VALIDATION_SECONDS) -> Handled:
    """Validate a file and mark or reject it; an accepted file then only needs a run. Raises TransientError."""
    if ignore := ignore_by_name(file, deps.config.source_bucket, deps.config.source_prefix):
        level = logging.WARNING if ignore.reason == "other_bucket" else logging.INFO
        _log.log(level, "ignored: %s", ignore.reason, extra=log_fields(file))
        return "ignored"
    try:
        return _process(file, deps, validation_seconds)
    except FileGone:
        _log.info("ignored: overwritten or deleted while it was read", extra=log_fields(file))
    except FileRefused as refusal:
        message = "Cloud Storage permanently refuses a request for this object; it stays where it is: %s"
        _log.error(message, refusal, extra=log_fields(file))
    return "ignored"


def _process(file: FileId, deps: Dependencies, validation_seconds: float) -> Handled:
    for _ in range(MARK_ATTEMPTS):
        decision = decide_before_reading(file, deps.store.stat(file.bucket, file.name), deps.now())
        match decision:
            case Ignore(reason):
                level = logging.WARNING if reason == "stale_empty" else logging.INFO
                _log.log(level, "ignored: %s", reason, extra=log_fields(file))
                return "ignored"
            case Launch():
                return "accepted"
            case Reject(stored, violation):
                from spark_jobs.contract.feeds import feed_name

                result = ValidationResult(feed_name(stored.file.name)).rejected_by(violation)
                return _reject(stored.file, _arrival(stored, deps), result, 0.0, deps)
            case Validate(stored):
                handled = _validate_and_act(stored, deps, validation_seconds)
                if handled:
                    return handled
    raise TransientError(f"the metadata of {file} changed during each of {MARK_ATTEMPTS} attempts to mark it")


def _validate_and_act(stored: StoredFile, deps: Dependencies, validation_seconds: float) -> Handled | None:
    """None if the object's metadata changed in the meantime: start again."""
    file = stored.file
    started = deps.elapsed()
    arrival = _arrival(stored, deps)
    result = _validate(stored, arrival, deps, validation_seconds)
    seconds = deps.elapsed() - started
    if result.rejecting:
        return _reject(file, arrival, result, seconds, deps)
    mark = AcceptedMark.of(result, file.generation, arrival)
    try:
        if not deps.store.annotate(stored, mark.as_metadata(deps.now())):
            return None
    except FileRefused:
        violation = metadata_violation(stored.metadata)
        if violation is None:
            raise
        return _reject(file, arrival, result.rejected_by(violation), seconds, deps)
    counts = {"rows": result.rows, "bad_rows": result.bad_rows, "partial": result.partial}
    _log.info("accepted", extra=log_fields(file, **counts, seconds=round(seconds, 3)))
    return "accepted"


def _arrival(stored: StoredFile, deps: Dependencies) -> datetime:
    return arrival_of(stored.file.name, deps.config.source_prefix, stored.created, stored.metadata)


def _validate(stored: StoredFile, arrival: datetime, deps: Dependencies, validation_seconds: float) -> ValidationResult:
    from functions.validation.upload import validate_upload

    config = deps.config
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


def _reject(file: FileId, arrival: datetime, result: ValidationResult, seconds: float, deps: Dependencies) -> Handled:
    """Write the report, publish the outcome, then move the file: it leaves source/ only when the rest is done."""
    config = deps.config
    prefixes = {"source_prefix": config.source_prefix, "rejected_prefix": config.rejected_prefix}
    rejected = rejection(file, arrival, result, seconds=seconds, **prefixes)
    outcome = Outcome(
        file,
        "rejected",
        result.feed,
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
    return "rejected"
