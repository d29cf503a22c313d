from __future__ import annotations

from dataclasses import replace

import pytest

from infra.simulate.inputs import Assumptions, Inputs, Prices
from infra.simulate.outcome import Outcome, outcome_of, percentile
from infra.simulate.pipeline import Continuous, Windows
from infra.simulate.times import Work
from infra.simulate.uploads import Load
from tests.infra.simulate.strategies import QUICK

PRICES = Prices(
    serverless_dbu=0.5,
    classic_dbu=0.1,
    vm_hour=0.2,
    vcpu_second=1e-5,
    gib_second=1e-6,
    million_requests=1.0,
    thousand_writes=0.01,
    thousand_reads=0.001,
    pubsub_tib=40.0,
)
FUNCTION = replace(QUICK, instances=20)
INPUTS = Inputs(FUNCTION, replace(FUNCTION, start=300.0), PRICES, Assumptions(4.0, 1.0, 1), "2026-11-25")


def outcome(load: Load, mode: Windows | Continuous, inputs: Inputs = INPUTS) -> Outcome:
    return outcome_of(load, mode, inputs, seed=1)


def test_the_same_seed_gives_the_same_outcome() -> None:
    load = Load(500, 1_000, 50)
    assert outcome(load, Windows(5)) == outcome(load, Windows(5))


def test_a_longer_window_costs_fewer_runs_and_more_time() -> None:
    load = Load(5_000, 100, 1_000)
    short, long = outcome(load, Windows(5)), outcome(load, Windows(55))
    assert short.runs_a_day > long.runs_a_day
    assert short.p50 < long.p50 <= long.p95 <= long.longest


def test_the_live_mode_is_faster_and_its_compute_costs_the_same_at_any_load() -> None:
    small, large = Load(10, 100), Load(2_000, 100)
    live = outcome(large, Continuous())
    assert live.p95 < outcome(large, Windows(5)).p50
    # 730 hours of one node: 1 DBU at 0.1, and the machine at 0.2.
    assert outcome(small, Continuous()).cost.compute == pytest.approx(219)
    assert live.cost.compute == pytest.approx(219)
    assert live.runs_a_day == 1


def test_the_compute_of_windows_is_that_of_their_runs() -> None:
    """A file alone takes a run of 22.11 s of work and listings, after at most 12 s of waiting for the window."""
    hours = outcome(Load(10, 1_000), Windows(10)).cost.compute / (4.0 * 0.5)
    runs = 10 * 730 / 24
    assert runs * 14 / 3600 < hours < runs * (15 + 12) / 3600


def test_what_each_file_costs_beside_the_runs() -> None:
    """1,000 files a day: 30,417 a month, each 0.5 s of the function."""
    cost = outcome(Load(1_000, 0), Windows(55)).cost
    assert cost.function == pytest.approx(30_417 * (0.5 * 1.1e-5 + 1e-6), rel=0.01)
    assert cost.messages == pytest.approx(30_417 * 4_000 / 1024**4 * 40, rel=0.01)
    assert 30_417 * (3e-5 + 6e-6) < cost.storage < 30_417 * (3e-5 + 6e-6 + 3e-5)


def test_a_load_that_no_run_can_work_off_is_shown_as_such() -> None:
    slow = replace(FUNCTION, load=Work(1.0, 10.0))
    overloaded = replace(INPUTS, times=slow, warm_times=slow)
    load = Load(20_000, 1)
    assert outcome(load, Windows(5), overloaded).growing
    assert outcome(load, Continuous(), overloaded).growing
    assert not outcome(load, Continuous()).growing


def test_windows_that_are_shorter_than_a_run_queue_runs_that_find_nothing() -> None:
    slow = replace(INPUTS, times=replace(FUNCTION, start=40.0))
    found = outcome(Load(20_000, 1), Windows(5), slow)
    assert not found.growing
    assert found.queued > 1_000
    assert found.busy == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("mode", [Windows(5), Continuous()])
def test_no_files(mode: Windows | Continuous) -> None:
    found = outcome(Load(0, 0), mode)
    assert (found.p50, found.p95, found.longest, found.growing, found.queued) == (0.0, 0.0, 0.0, False, 0)
    assert found.cost.function == 0


def test_percentiles_are_values_of_the_list() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([3.0, 1.0, 2.0], 95) == 3.0
    assert percentile([], 95) == 0.0
