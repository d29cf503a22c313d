"""The comparison with the local stack, on a stand-in for the stack that takes known times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from infra.simulate.outcome import percentile
from infra.simulate.pipeline import Windows
from infra.simulate.times import Times, Work
from infra.simulate.uploads import Upload
from tests.bench.run_logs import RunTimes
from tests.bench.simulate import AFTER, BEFORE, Point, measure, points, predict
from tests.bench.simulated_logs import logged_runs

TRUTH = Times(
    event=0.1,
    validation=Work(0.02, 0.0, 1e-6),
    instances=1,
    start=0.3,
    listing=Work(0.01, 0.001),
    open=6.0,
    opens_early=True,
    load=Work(3.0, 0.02, 2e-5),
    cold_load=4.0,
    finish=Work(0.8, 0.01),
    cold_finish=0.5,
    warming=0.6,
    end=0.2,
)


class StandIn:
    """For `Sender`. ``slower``: its runs take that many times as long while the compared load runs."""

    def __init__(self, point: Point, slower: float = 1.0) -> None:
        self._point = point
        self._slow = replace(TRUTH, open=TRUTH.open * slower, cold_load=TRUTH.cold_load * slower)
        self._runs: list[RunTimes] = []
        self._validations: list[tuple[int, float]] = []

    def send(self, plan: Sequence[Upload]) -> list[float]:
        window = self._point.window
        begin = ((self._runs[-1].ended if self._runs else 0.0) // window + 1) * window
        times = self._slow if plan is self._point.plan else TRUTH
        new = logged_runs(plan, times, Windows(window), begin)
        self._runs += new
        self._validations += [(upload.rows, TRUTH.validation.seconds(1, upload.rows)) for upload in plan]
        return [batch.queryable - at for run in new for batch in run.batches for at in batch.arrivals]

    def event_seconds(self) -> float:
        return TRUTH.event

    def runs(self) -> list[RunTimes]:
        return self._runs

    def validations(self) -> list[tuple[int, float]]:
        return self._validations


@pytest.mark.parametrize("point", points(), ids=lambda point: point.name)
def test_the_prediction_agrees_with_a_stack_that_works_as_the_simulation_does(point: Point) -> None:
    latencies, observed = measure(StandIn(point), point)
    predicted = predict(point, observed)
    assert len(latencies) == len(predicted) == len(point.plan)
    for percent in (50, 95):
        assert percentile(predicted, percent) == pytest.approx(percentile(latencies, percent), rel=0.02)


@pytest.mark.parametrize("point", points(), ids=lambda point: point.name)
def test_nothing_is_calibrated_from_the_load_that_is_compared(point: Point) -> None:
    """A stack that is slower only then is not predicted."""
    latencies, observed = measure(StandIn(point, slower=3.0), point)
    assert observed.times().open == pytest.approx(TRUTH.open, rel=0.02)
    assert observed.times().cold_load == pytest.approx(TRUTH.cold_load, rel=0.05)
    assert percentile(latencies, 50) > 1.2 * percentile(predict(point, observed), 50)


def test_the_loads_that_are_calibrated_from_differ_in_files_rows_and_batches() -> None:
    for plans in (BEFORE, AFTER):
        assert len({upload.rows for plan in plans for upload in plan}) > 1
        assert any(len(plan) > 1 and plan[-1].at > 10 for plan in plans)
