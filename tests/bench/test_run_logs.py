"""What is calibrated from the logs of simulated runs are the times that these runs were simulated with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from infra.simulate.pipeline import Windows
from infra.simulate.times import Times, Work
from infra.simulate.uploads import Upload
from tests.bench.run_logs import BatchTimes, RunTimes, calibrate, read_run
from tests.bench.simulated_logs import logged_runs
from tests.infra.simulate.strategies import QUICK

LOG = """\
2026-11-25 10:36:37,017 INFO step=list seconds=0.017 files=2
WARNING: Using incubator modules: jdk.incubator.vector
2026-11-25 10:36:39,718 INFO step=session seconds=2.701
2026-11-25 10:36:46,173 INFO step=settle seconds=5.789
2026-11-25 10:36:47,623 INFO step=take seconds=0.496 files=2
2026-11-25 10:36:54,339 INFO step=merge seconds=4.778
2026-11-25 10:36:55,731 INFO step=list seconds=0.006 files=1
2026-11-25 10:36:58,057 INFO step=take seconds=0.437 files=1
2026-11-25 10:37:03,175 INFO step=merge seconds=3.673
2026-11-25 10:37:04,521 INFO step=list seconds=0.005 files=0
"""


def at(text: str) -> float:
    return datetime.strptime(f"2026-11-25 {text}", "%Y-%m-%d %H:%M:%S.%f").astimezone(UTC).timestamp()


def test_a_log_is_read_as_batches() -> None:
    run = read_run(LOG, at("10:36:30.000"), at("10:37:05.000"))
    first, second = run.batches
    assert (first.earlier, first.taken, second.earlier, second.taken) == (0, 2, 1, 1)
    assert run.opening == pytest.approx((at("10:36:37.017"), at("10:36:46.173")))
    assert first.ready == pytest.approx(at("10:36:46.173"))
    assert first.queryable == pytest.approx(at("10:36:54.339"))
    assert first.done == pytest.approx(at("10:36:55.725"))
    assert second.ready == pytest.approx(at("10:36:55.731"))
    assert run.listing == pytest.approx(at("10:36:37.000"))
    assert [files for files, _ in run.listings] == [2, 1, 0]


def test_the_log_of_a_run_that_failed_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="step=list"):
        read_run("Traceback", 0.0, 1.0)


@pytest.mark.parametrize("early", [False, True])
def test_calibration_finds_the_times_of_simulated_runs(early: bool) -> None:
    plan = [Upload(1.0, 100), Upload(20.0, 100), *(Upload(60 + 2.5 * number, 50 * number) for number in range(12))]
    plan += [Upload(150.0, 1_000)] * 20 + [Upload(230.0, 20_000)] * 2 + [Upload(300.0, 5_000), Upload(310.0, 1)] * 3
    truth = Times(
        event=0.1,
        validation=Work(0.02, 0.0, 1e-6),
        instances=1,
        start=0.3,
        listing=Work(0.01, 0.001),
        open=4.0,
        opens_early=early,
        load=Work(2.0, 0.05, 1e-4),
        cold_load=6.0,
        finish=Work(1.0, 0.02),
        cold_finish=0.5,
        warming=0.5,
        end=0.2,
    )
    found = calibrate(logged_runs(plan, truth, Windows(5)), 0.1, [(100, 0.0201), (20_000, 0.04)])
    assert (found.warming, found.opens_early) == (truth.warming, early)
    for name in ("start", "open", "cold_load", "cold_finish", "end"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), abs=0.01), name
    for name in ("listing", "load", "finish", "validation"):
        assert vars(getattr(found, name)) == pytest.approx(vars(getattr(truth, name)), abs=0.01), name


def test_a_batch_that_was_slowed_down_by_something_else_changes_nothing() -> None:
    plan = [Upload(1.0, 100), Upload(20.0, 100), *(Upload(60 + 2.5 * number, 50 * number) for number in range(12))]
    runs = logged_runs(plan, QUICK, Windows(5))
    (first, *others) = next(run for run in runs if run.batches).batches
    slow = replace(first, queryable=first.queryable + 30, done=first.done + 30)
    disturbed = [replace(run, batches=(slow, *others)) if first in run.batches else run for run in runs]
    expected, found = (calibrate(each, 0.1, [(100, 0.1), (200, 0.1)]) for each in (runs, disturbed))
    assert (found.cold_load, found.load.fixed) == pytest.approx((expected.cold_load, expected.load.fixed), rel=0.05)


def test_no_calibrated_time_is_negative() -> None:
    """Finish times that shrink with the number of files."""
    runs = [
        RunTimes(
            started=0.0,
            listing=1.0,
            last_listed=30.0,
            ended=31.0,
            listings=((files, 0.1),),
            opening=(0.0, 1.0),
            batches=(BatchTimes(0, files, 1.0, 10.0, 30.0 - files, (), 100),),
        )
        for files in (1, 5, 9)
    ]
    times = calibrate(runs, 0.0, [(1, 0.1), (9, 0.1)])
    assert min(times.finish.per_file, times.finish.per_row, times.cold_finish, times.load.per_file) >= 0
