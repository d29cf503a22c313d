"""One file: gather what is there, decide, act. Every step may be repeated, after a crash at any point."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Literal

from functions.decision import Accept, Ignore, Judge, Launch, Reject, first_look, is_ours, verdict
from functions.launch import launch_for_window, window_of
from functions.reporting import log_fields, rejection
from functions.world import World
from spark_jobs.cloud.ports import FileGone, FileUnacceptable, WorldTrouble
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.judgements import Judgement
from spark_jobs.contract.marks import arrival_of

JUDGING_SECONDS = 300.0
"""A file that takes longer is accepted on what was seen. Leaves room for the other calls in a timeout of 540 s."""

MARK_TRIES = 3

Done = Literal["ignored", "rejected", "accepted"]
_log = logging.getLogger(__name__)


def handle_upload(file: FileId, world: World) -> None:
    """Answer the event of a finalized file. Raises WorldTrouble where it should be delivered again."""
    if world.launched.covers(file, window_of(world.config, world.now())):
        _log.info("ignored: repeated, its run was launched", extra=log_fields(file))
        return
    if settle(file, world) == "accepted":
        # The time is taken after the mark was written: a run that lists after its window's end must see the mark.
        now = world.now()
        run_id = launch_for_window(world.launcher, world.config, file.bucket, now)
        world.launched.remember(file, window_of(world.config, now))
        _log.info("run %d takes the files of this window", run_id, extra=log_fields(file, run_id=run_id))


def settle(file: FileId, world: World, judging_seconds: float = JUDGING_SECONDS) -> Done:
    """Bring a file to where only a run is left to do, or nothing. Raises WorldTrouble."""
    if foreign := is_ours(file, world.config.source_prefix):
        _log.info("ignored: %s", foreign.why, extra=log_fields(file))
        return "ignored"
    try:
        return _settle(file, world, judging_seconds)
    except FileGone:
        _log.info("ignored: gone while it was read", extra=log_fields(file))
    except FileUnacceptable as refusal:
        _log.error("Cloud Storage refuses this object for good; it stays where it is: %s", refusal, extra=log_fields(file))
    return "ignored"


def _settle(file: FileId, world: World, judging_seconds: float) -> Done:
    for _ in range(MARK_TRIES):
        decision = first_look(file, world.store.look(file.bucket, file.name), world.now())
        match decision:
            case Ignore(why):
                level = logging.WARNING if why == "stale_empty" else logging.INFO
                _log.log(level, "ignored: %s", why, extra=log_fields(file))
                return "ignored"
            case Launch():
                return "accepted"
            case Judge():
                done = _judge_and_act(decision, world, judging_seconds)
                if done:
                    return done
    raise WorldTrouble(f"{file} changed {MARK_TRIES} times while it was marked")


def _judge_and_act(todo: Judge, world: World, judging_seconds: float) -> Done | None:
    """None where somebody changed the object's metadata meanwhile: look again."""
    file = todo.stored.file
    started = world.elapsed()
    stored, prefix = todo.stored, world.config.source_prefix
    arrival = arrival_of(file.name, prefix, stored.created, stored.metadata)
    judgement = _judge(todo, arrival, world, judging_seconds)
    seconds = world.elapsed() - started
    match verdict(judgement, file.generation, arrival):
        case Reject():
            _reject(todo, arrival, judgement, seconds, world)
            return "rejected"
        case Accept(mark):
            if not world.store.annotate(todo.stored, mark.as_metadata()):
                return None
            counts = {"rows": judgement.rows, "bad_rows": judgement.bad_rows, "partial": judgement.partial}
            _log.info("accepted", extra=log_fields(file, **counts, seconds=round(seconds, 3)))
            return "accepted"


def _judge(todo: Judge, arrival: datetime, world: World, judging_seconds: float) -> Judgement:
    from functions.validation import judge

    config, stored = world.config, todo.stored
    deadline = world.elapsed() + judging_seconds
    with world.store.reading(stored.file) as stream:
        if stream is None:
            raise FileGone(str(stored.file))
        return judge(
            stream,
            name=stored.file.name.removeprefix(config.source_prefix),
            arrival=arrival,
            max_bad_row_ratio=config.max_bad_row_ratio,
            size=stored.size,
            out_of_time=lambda: world.elapsed() > deadline,
        )


def _reject(todo: Judge, arrival: datetime, judgement: Judgement, seconds: float, world: World) -> None:
    """Report, message, move: in this order, so that a file is only gone from source/ when the rest is done."""
    file = todo.stored.file
    aside = rejection(todo.stored, arrival, judgement, seconds, world.config, world.now())
    world.store.write(file.bucket, aside.report_name, aside.report, "application/json")
    world.announcer.announce([aside.outcome])
    moved = world.store.move(file, aside.name)
    _log.warning(
        "rejected: %s", aside.outcome.reason, extra=log_fields(file, code=aside.code, report=aside.report_name, moved=moved)
    )
