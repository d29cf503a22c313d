"""Queries beside a continuous run are started again, and whatever they do, the block goes on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, cast

import pytest

from spark_jobs.steps import supervision
from spark_jobs.steps.supervision import running_beside

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK = cast("SparkSession", object())


class FakeQuery:
    """Runs until it is stopped, or fails at once."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error, self._ended, self.stopped = error, threading.Event(), False

    def awaitTermination(self) -> None:
        if self._error:
            raise self._error
        self._ended.wait(60)

    def stop(self) -> None:
        self.stopped = True
        self._ended.set()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_SECONDS", 0.02)


def until(what: threading.Event) -> None:
    assert what.wait(30)


def test_a_query_that_fails_is_said_in_one_sentence_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    started: list[FakeQuery] = []
    lasting = threading.Event()

    def start(spark: SparkSession) -> FakeQuery:
        assert spark is SPARK
        if not started:
            started.append(FakeQuery())
            raise RuntimeError("the checkpoint can't be read\nstack trace")
        started.append(FakeQuery(ValueError("the topic is gone")) if len(started) < 3 else FakeQuery())
        if len(started) == 4:
            lasting.set()
        return started[-1]

    with running_beside({"changes": start}, SPARK):
        until(lasting)
    assert started[-1].stopped
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 3
    assert errors[0].startswith("step=changes failed and starts again in 0 s: RuntimeError: the checkpoint can't be read")
    assert all("\n" not in line for line in errors)
    assert "ValueError: the topic is gone" in errors[1]


def test_a_query_that_can_not_be_stopped_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    running = threading.Event()

    class Stubborn(FakeQuery):
        def awaitTermination(self) -> None:
            running.set()
            super().awaitTermination()

        def stop(self) -> None:
            super().stop()
            raise RuntimeError("timed out")

    with running_beside({"changes": lambda spark: Stubborn()}, SPARK):
        until(running)
    assert "could not be stopped: timed out" in caplog.text


def test_a_start_that_takes_long_is_not_waited_for() -> None:
    release = threading.Event()
    query = FakeQuery()

    def slow(spark: SparkSession) -> FakeQuery:
        release.wait(30)
        return query

    started = time.monotonic()
    with running_beside({"changes": slow}, SPARK):
        assert time.monotonic() - started < 5
        release.set()
        time.sleep(0.05)
    assert query.stopped


def test_without_queries_nothing_runs_beside() -> None:
    before = threading.active_count()
    with running_beside({}, SPARK):
        assert threading.active_count() == before
