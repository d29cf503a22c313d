"""The simulation keeps what the design promises, for any load and any times, and agrees with sums made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings

from functions.config import Config
from functions.launch import launch_for_window
from infra.simulate.pipeline import BYTES_A_ROW, Continuous, Mode, Windows, marks_of, simulate
from infra.simulate.times import Times, Work
from infra.simulate.uploads import Upload
from spark_jobs.settings import MAX_WAIT_SECONDS, IngestSettings
from tests.fakes.job import FakeJob
from tests.infra.simulate.strategies import MODES, QUICK, TIMES, UPLOADS, WINDOWS

ROUNDING = 1e-6


@given(UPLOADS, TIMES, MODES)
@settings(max_examples=100, deadline=None)
def test_every_file_is_taken_once_by_a_run_that_listed_after_its_mark(
    uploads: list[Upload], times: Times, mode: Mode
) -> None:
    result = simulate(uploads, times, mode)
    assert len(result.files) == len(uploads)
    assert sum(sum(run.batches) for run in result.runs) == len(uploads)
    for file in result.files:
        assert file.upload.at <= file.marked <= file.listed <= file.queryable


@given(UPLOADS, TIMES, MODES)
@settings(max_examples=100, deadline=None)
def test_no_two_runs_overlap(uploads: list[Upload], times: Times, mode: Mode) -> None:
    for before, after in pairwise(simulate(uploads, times, mode).runs):
        assert before.launched <= before.started <= before.process <= before.ended <= after.started + ROUNDING


@given(UPLOADS, TIMES, MODES)
@settings(max_examples=100, deadline=None)
def test_no_latency_is_less_than_the_steps_that_a_file_needs(uploads: list[Upload], times: Times, mode: Mode) -> None:
    for file in simulate(uploads, times, mode).files:
        rows = file.upload.rows
        steps = times.event + times.validation.seconds(1, rows) + times.listing.seconds(1) + times.load.seconds(1, rows)
        assert file.latency >= steps - ROUNDING


@given(UPLOADS, TIMES, WINDOWS)
@settings(max_examples=100, deadline=None)
def test_the_runs_are_those_that_the_function_launches_and_each_lists_after_its_windows_end(
    uploads: list[Upload], times: Times, mode: Windows
) -> None:
    """The function's own code is given the moments of the marks."""
    result = simulate(uploads, times, mode)
    # A datetime is rounded to microseconds, which must not move a mark into the next window.
    assume(all(file.marked % mode.seconds < mode.seconds - 1e-5 for file in result.files))
    launcher, config = FakeJob(), Config(job_id=1, launch_window_seconds=mode.seconds)
    run_of = {
        id(file): launch_for_window(launcher, config, "orders-data", datetime.fromtimestamp(file.marked, UTC))
        for file in result.files
    }
    launched = [parameters.not_before.timestamp() for parameters in launcher.runs.values() if parameters.not_before]
    assert [run.not_before for run in result.runs] == launched
    by_id = dict(zip(dict.fromkeys(run_of.values()), result.runs, strict=True))
    for file in result.files:
        # An earlier run that is still at work may take the file before.
        assert file.listed <= by_id[run_of[id(file)]].ended


@given(UPLOADS, TIMES, WINDOWS)
@settings(max_examples=100, deadline=None)
def test_a_run_waits_for_its_window_no_longer_than_the_job_does(uploads: list[Upload], times: Times, mode: Windows) -> None:
    for run in simulate(uploads, times, mode).runs:
        assert run.not_before is not None
        assert run.not_before - run.process <= MAX_WAIT_SECONDS


def test_the_same_uploads_give_the_same_result() -> None:
    uploads = [Upload(float(at), 100) for at in range(0, 300, 7)]
    assert simulate(uploads, QUICK, Windows(10)) == simulate(uploads, QUICK, Windows(10))


def test_a_file_alone_takes_what_its_steps_take() -> None:
    """Marked at 2.0; its window ends at 10, so the run lists at 12; then 0.25 + 4 + (2 + 0.01 + 0.1) + 6."""
    result = simulate([Upload(1.0, 1_000)], QUICK, Windows(10))
    assert result.files[0].queryable == pytest.approx(12 + 0.25 + 4 + 2.11 + 6)
    # Finish takes 1 + 1; a second listing finds nothing.
    assert result.runs[0].ended == pytest.approx(24.36 + 2 + 0.25 + 0.5)
    assert result.runs[0].seconds == pytest.approx(27.11 - 5.0)


def test_a_run_that_opens_early_lists_after_its_window_and_needs_no_more_than_the_longer_of_both() -> None:
    """It starts at 5 and lists until 5.25. The window ends at 12, seven seconds later: the session opens meanwhile."""
    early = replace(QUICK, opens_early=True)
    result = simulate([Upload(1.0, 1_000)], early, Windows(10))
    assert result.files[0].listed == pytest.approx(12.25)
    assert result.files[0].queryable == pytest.approx(12.25 + 0.25 + 2.11 + 6)
    slow = simulate([Upload(1.0, 1_000)], replace(early, open=9.0), Windows(10))
    assert slow.files[0].listed == pytest.approx(5.25 + 9)


def test_a_file_that_is_marked_while_a_run_works_is_taken_by_its_next_batch_and_its_own_run_finds_nothing() -> None:
    """Marked at 21; the first batch ends at 26.36, and the second is half as cold."""
    result = simulate([Upload(1.0, 1_000), Upload(20.0, 0)], QUICK, Windows(10))
    assert result.files[1].queryable == pytest.approx(26.36 + 0.25 + 2.01 + 6 / 2)
    assert [run.batches for run in result.runs] == [[1, 1], []]
    assert result.runs[1].listings == 1


def test_a_continuous_run_finds_a_file_at_its_next_poll() -> None:
    """It lists at 0, 2.25, 4.5 …; the file is marked at 3."""
    result = simulate([Upload(2.0, 0)], QUICK, Continuous(poll_seconds=2.0))
    assert result.files[0].listed == pytest.approx(4.5, abs=0.26)
    assert [run.batches for run in result.runs] == [[1]]


def test_a_continuous_run_that_is_at_work_lists_again_at_once() -> None:
    result = simulate([Upload(0.0, 0), Upload(3.0, 0)], QUICK, Continuous(poll_seconds=2.0))
    first, second = result.files
    assert second.listed == pytest.approx(first.queryable + 2.0)


def test_a_continuous_run_is_replaced_after_its_hours() -> None:
    uploads = [Upload(float(at), 10) for at in range(0, 7200, 60)]
    result = simulate(uploads, QUICK, Continuous(poll_seconds=2.0, max_hours=0.5))
    assert len(result.runs) >= 4
    assert all(run.ended - run.process < 1800 + 60 for run in result.runs)


def test_a_batch_is_bounded_as_in_the_job() -> None:
    most = IngestSettings.max_batch_files
    at_once = replace(QUICK, validation=Work())
    small = simulate([Upload(1.0, 1)] * (2 * most + 1), at_once, Windows(55))
    assert [run.batches for run in small.runs] == [[most, most, 1]]
    rows = IngestSettings.max_batch_bytes // BYTES_A_ROW
    large = simulate([Upload(1.0, rows)] * 2 + [Upload(1.0, 2 * rows)], at_once, Windows(55))
    assert [run.batches for run in large.runs] == [[1, 1, 1]]


@pytest.mark.parametrize("mode", [Windows(5), Continuous()])
def test_no_uploads(mode: Mode) -> None:
    result = simulate([], QUICK, mode)
    assert result.files == []
    assert sum(len(run.batches) for run in result.runs) == 0


def test_instances_of_the_function_validate_one_file_at_a_time_each() -> None:
    marks = [file.marked for file in marks_of([Upload(0.0, 0)] * 3, QUICK)]
    assert marks == [1.0, 1.5, 2.0]
