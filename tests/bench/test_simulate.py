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
from tests.bench.simulate import WINDOW, measure, points
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
    """For `Sender`. ``slower``: its runs take that many times as long while a load is compared."""

    def __init__(self, slower: float = 1.0) -> None:
        self._slow = replace(TRUTH, open=TRUTH.open * slower, cold_load=TRUTH.cold_load * slower)
        self._runs: list[RunTimes] = []
        self._validations: list[tuple[int, float]] = []

    def send(self, plan: Sequence[Upload]) -> list[float]:
        begin = ((self._runs[-1].ended if self._runs else 0.0) // WINDOW + 1) * WINDOW
        compared = plan in [point.plan for point in points()]
        new = logged_runs(plan, self._slow if compared else TRUTH, Windows(WINDOW), begin)
        self._runs += new
        self._validations += [(upload.rows, TRUTH.validation.seconds(1, upload.rows)) for upload in plan]
        return [batch.queryable - at for run in new for batch in run.batches for at in batch.arrivals]

    def event_seconds(self) -> float:
        return TRUTH.event

    def runs(self) -> list[RunTimes]:
        return list(self._runs)

    def validations(self) -> list[tuple[int, float]]:
        return list(self._validations)


def test_the_prediction_agrees_with_a_stack_that_works_as_the_simulation_does() -> None:
    measured, observed = measure(StandIn(), points())
    assert [len(each.latencies) for each in measured] == [len(point.plan) for point in points()]
    for each in measured:
        for percent in (50, 95):
            assert percentile(each.predicted(), percent) == pytest.approx(percentile(each.latencies, percent), rel=0.02)
    assert vars(observed.times().load) == pytest.approx(vars(TRUTH.load), rel=0.05)
    assert (observed.times().open, observed.times().start) == pytest.approx((TRUTH.open, TRUTH.start), abs=0.01)


def test_nothing_is_calibrated_from_the_load_that_is_compared() -> None:
    """A stack that is slower only then is not predicted."""
    measured, observed = measure(StandIn(slower=3.0), points())
    assert observed.times().cold_load == pytest.approx(TRUTH.cold_load, rel=0.05)
    for each in measured:
        assert percentile(each.latencies, 50) > 1.2 * percentile(each.predicted(), 50)
