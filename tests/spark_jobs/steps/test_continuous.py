"""A continuous run keeps every promise of a run, batch after batch, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import spark_jobs.steps.ingest
from spark_jobs.cloud.ports import TransientError
from spark_jobs.settings import Pace
from spark_jobs.steps.continuous import ROUND_SECONDS, ingest_continuously
from spark_jobs.steps.ingest import ingest
from spark_jobs.steps.run import FilesFailed
from spark_jobs.steps.stage import stage
from spark_jobs.steps.stopping import StopRequest
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.file_store import FakeClock
from tests.spark_jobs.harness import Crash, JobHarness, crash_at, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOUR = 3600.0
ROUND = ROUND_SECONDS + 1


class Pauses(StopRequest):
    """Time passes only while the run waits. At its first waits, the run finds what ``events`` do; after them, it is
    stopped. ``waits``: the seconds that it wanted to wait."""

    def __init__(self, clock: FakeClock, *events: Callable[[], Any]) -> None:
        super().__init__()
        self._clock, self._events, self.waits = clock, list(events), list[float]()

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._clock.advance(seconds)
        if not self._events:
            return self.request()
        self._events.pop(0)()


def nothing() -> None:
    pass


def run(
    harness: JobHarness,
    *events: Callable[[], Any],
    pace: Pace = Pace(),  # noqa: B008 - frozen
    checkpoint: Callable[[str], None] = lambda step: None,
    spark: Any = None,
    stop: Pauses | None = None,
) -> list[LogEntry]:
    deps = replace(harness.deps(checkpoint), elapsed=lambda: harness.clock().timestamp())
    stop = stop or Pauses(harness.clock, *events)
    return ingest_continuously(
        harness.settings, deps, lambda: spark or harness.spark, ["order_tracking"], pace=pace, stop=stop
    )


def passing(harness: JobHarness, seconds: float) -> Callable[[], None]:
    return lambda: harness.clock.advance(seconds)


def poisoned(monkeypatch: pytest.MonkeyPatch, error: Callable[[], BaseException]) -> list[list[str]]:
    """Staging fails for every batch that has the file of 13 January; the batches that were tried."""
    tried: list[list[str]] = []

    def fail(run: Any, batch: Any) -> Any:
        names = [waiting.file.name[-6:-4] for waiting in batch.files]
        tried.append(names)
        if "13" in names:
            raise error()
        return stage(run, batch)

    monkeypatch.setattr(spark_jobs.steps.ingest, "stage", fail)
    return tried


def test_files_are_merged_as_they_come_and_a_stop_is_a_success(harness: JobHarness) -> None:
    harness.day(3, row("T1", "2026-01-03 10:00:00", "delivered"))
    assert run(harness, lambda: harness.day(1, row("T1"), row("T2")), nothing, lambda: harness.day(2, row("T3"))) == []
    harness.assert_right()
    assert set(harness.target()) == {"T1", "T2", "T3"}
    assert {outcome.kind for outcome in harness.announcer.outcomes} == {"merged"}
    assert len(harness.announcer.outcomes) == 3


def test_a_stop_finishes_the_current_batch(harness: JobHarness) -> None:
    stop = Pauses(harness.clock)
    harness.day(1, row("T1"))

    def late(step: str) -> None:
        if step == "taken":
            harness.day(2, row("T2"))
            stop.request()

    run(harness, stop=stop, checkpoint=late)
    assert set(harness.target()) == {"T1"}
    assert harness.store.names("source/") == ["source/order_tracking_2026_01_02.csv"], "the next run's"
    assert stop.waits == []


def test_it_ends_by_itself_so_that_a_fresh_run_starts(harness: JobHarness) -> None:
    started = harness.clock()
    stop = Pauses(harness.clock, *[passing(harness, 600)] * 20)
    run(harness, stop=stop, pace=Pace(max_hours=1))
    assert HOUR <= (harness.clock() - started).total_seconds() < HOUR + 700
    assert not stop.requested


def test_a_poison_file_is_tried_once_a_round_then_parked_and_named_at_the_end(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = poisoned(monkeypatch, lambda: RuntimeError("no reader can read this"))
    for day in (12, 13):
        harness.day(day, row(f"T{day}"))
    with pytest.raises(FilesFailed, match=r"01_13\.csv#\d+: .* failed.*: RuntimeError: no reader"):
        run(
            harness,
            lambda: harness.day(14, row("T14")),
            passing(harness, ROUND),
            lambda: harness.day(15, row("T15")),
            passing(harness, ROUND),
            passing(harness, ROUND),
            passing(harness, HOUR),
            lambda: harness.day(16, row("T16")),
        )
    assert tried[:3] == [["12", "13"], ["12"], ["13"]]
    assert tried[3:] == [["14"], ["13"], ["15"], ["13"], ["16"]], "once more in the next round, then after an hour"
    assert set(harness.target()) == {"T12", "T14", "T15", "T16"}
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("order_tracking_2026_01_13.csv" in line and "no reader can read this" in line for line in errors)


def test_a_failed_file_that_is_done_later_is_no_failure(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch, lambda: RuntimeError("out of disk space"))
    harness.day(13, row("T13"))
    run(harness, monkeypatch.undo, passing(harness, ROUND), nothing)
    harness.assert_right()


def test_an_outage_is_waited_out_with_growing_pauses_and_counts_as_no_attempt(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, lambda: TransientError("Cloud Storage: 503"))
    file = harness.day(13, row("T13")).file
    stop = Pauses(harness.clock, *[nothing] * 12, monkeypatch.undo, *[nothing] * 20)
    run(harness, stop=stop)
    harness.assert_right()
    log = harness.log()[str(file)]
    assert log["outcome"] == "merged"
    assert log["attempts"] <= 7, "pauses of 1, 2, 4, 8 seconds: twelve polls are few tries"


def test_a_bucket_that_can_not_be_listed_is_waited_for(harness: JobHarness) -> None:
    harness.day(1, row("T1"))

    def down(method: str, name: str) -> None:
        raise TransientError("Cloud Storage: 503")

    def up() -> None:
        harness.store.before_call = lambda method, name: None

    harness.store.before_call = down
    stop = Pauses(harness.clock, *[nothing] * 8, up)
    run(harness, stop=stop)
    harness.assert_right()
    assert stop.waits[:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_a_dead_run_left_is_settled_even_if_no_file_comes(harness: JobHarness) -> None:
    def another_run_dies() -> None:
        harness.day(1, row("T1"))
        with pytest.raises(Crash):
            harness.ingest(crash_at("merged"))
        harness.store.delete("source/order_tracking_2026_01_01.csv")

    run(harness, another_run_dies, passing(harness, ROUND), nothing)
    [line] = harness.log().values()
    assert (line["outcome"], line["inserted"]) == ("merged", 1)


def test_a_table_that_is_created_anew_under_it_costs_no_file(harness: JobHarness) -> None:
    def drop() -> None:
        harness.spark.sql(f"DROP TABLE IF EXISTS {harness.tables.target}")
        for name in ("orders_target", "orders_attempts"):
            folder = harness.folder / "warehouse" / name
            folder.rename(harness.folder / f"{name}-dropped")
        harness.day(2, row("T2"))

    harness.day(1, row("T1"))
    run(harness, drop, *[nothing] * 4, passing(harness, ROUND), *[nothing] * 3)
    assert set(harness.target()) == {"T2"}
    assert [line["inserted"] for line in harness.log().values()] == [1, 1]
    assert harness.store.names("source/") == []


def test_a_broken_session_ends_the_run_at_once(harness: JobHarness) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError("the JVM has died")

    harness.day(1, row("T1"))
    with pytest.raises(ConnectionError, match="the JVM has died"):
        run(harness, *[nothing] * 9, spark=Broken())


def test_it_ends_for_a_newer_wheel_when_files_of_a_newer_contract_wait(harness: JobHarness) -> None:
    harness.day(1, row("T1"), contract_version=99)
    stop = Pauses(harness.clock, *[passing(harness, ROUND)] * 5)
    assert run(harness, stop=stop) == []
    assert len(stop.waits) == 1
    harness.store.delete("source/order_tracking_2026_01_01.csv")
    harness.day(1, row("T1"), contract_version=1)
    stop = Pauses(harness.clock, *[passing(harness, ROUND)] * 5)
    run(harness, stop=stop)
    assert stop.requested, "older ones are left to the sweep, which marks them again"


def test_lines_that_do_not_balance_are_returned_for_the_alarm(harness: JobHarness) -> None:
    harness.day(1, row("T1"))
    harness.day(2, row("T2"), rows=7)
    harness.day(3, row("T3"))
    entries = run(harness, passing(harness, ROUND), lambda: harness.day(4, row("T4")), nothing)
    assert [entry.file.name[-6:-4] for entry in entries] == ["02"]
    assert set(harness.target()) == {"T1", "T2", "T3", "T4"}


def test_rounds_keep_nothing_in_memory(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of past loads are freed: no list of the run grows with the number of its files."""
    import gc

    held: list[int] = []

    def load(day: int) -> Callable[[], None]:
        def put() -> None:
            harness.day(day, row(f"T{day}"))
            harness.clock.advance(ROUND)
            gc.collect()
            held.append(sum(isinstance(each, LogEntry) for each in gc.get_objects()))

        return put

    run(harness, *[load(day) for day in range(1, 7)], nothing)
    harness.assert_right()
    assert len(harness.target()) == 6
    assert max(held) - held[0] <= 1, "other tests may hold some before the first load"


def test_beside_an_ordinary_run_on_the_same_files_it_ends_as_one(harness: JobHarness) -> None:
    """As when someone switches the mode while files are in flight."""
    harness.day(1, *[row(f"K{n}") for n in range(50)])
    harness.day(2, *[row(f"K{n}", "2026-01-02 10:00:00", "shipped") for n in range(25, 75)], row("BAD", status="lost"))
    together = threading.Barrier(2, timeout=300)
    failed: list[BaseException] = []

    def meet(step: str) -> None:
        if step in {"taken", "staging done", "merged"}:
            together.wait()

    def in_thread(work: Callable[[], Any]) -> threading.Thread:
        def body() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - reported by the main thread
                failed.append(error)
                together.abort()

        thread = threading.Thread(target=body)
        thread.start()
        return thread

    threads = [
        in_thread(lambda: run(harness, nothing, spark=harness.spark.newSession(), checkpoint=meet)),
        in_thread(lambda: ingest(harness.settings, harness.deps(meet), harness.spark.newSession)),
    ]
    for thread in threads:
        thread.join()
    assert not failed, failed
    harness.assert_right()
    assert len(harness.target()) == 75
    assert len(harness.rejected_rows()) == 1


def test_queries_run_beside_it_and_stop_with_it(harness: JobHarness) -> None:
    states: list[str] = []
    stopped = threading.Event()

    class Query:
        def awaitTermination(self) -> None:
            states.append("running")
            stopped.wait(60)

        def stop(self) -> None:
            states.append("stopped")
            stopped.set()

    def start(spark: SparkSession) -> Query:
        assert spark is harness.spark
        return Query()

    harness.day(1, row("T1"))
    deps = replace(harness.deps(), elapsed=lambda: harness.clock().timestamp())
    stop = Pauses(harness.clock)
    ingest_continuously(
        harness.settings, deps, lambda: harness.spark, ["order_tracking"], pace=Pace(), stop=stop, beside={"changes": start}
    )
    assert states == ["running", "stopped"]
    harness.assert_right()
