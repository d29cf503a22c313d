"""One run per window, and every marked file is seen by a run."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from functions.config import Config
from functions.launch import launch_for_tick, launch_for_window
from tests.fakes.job import FakeJob

CONFIG = Config(job_id=1)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.integers(1, 55), st.floats(0, 200))
def test_two_launches_share_a_run_if_and_only_if_they_share_a_window(moment: datetime, window: int, later: float) -> None:
    launcher, config = FakeJob(), Config(job_id=1, launch_window_seconds=window)
    other = moment + timedelta(seconds=later)
    launch_for_window(launcher, config, "orders-data", moment)
    launch_for_window(launcher, config, "orders-data", other)
    same = int(moment.timestamp()) // window == int(other.timestamp()) // window
    assert len(launcher.runs) == (1 if same else 2)


@given(MOMENTS, st.integers(1, 55))
def test_a_run_waits_until_after_its_window_but_never_more_than_a_minute(moment: datetime, window: int) -> None:
    launcher = FakeJob()
    launch_for_window(launcher, Config(job_id=1, launch_window_seconds=window), "orders-data", moment)
    (parameters,) = launcher.runs.values()
    assert parameters.not_before is not None
    assert timedelta(seconds=2) < parameters.not_before - moment <= timedelta(seconds=window + 2)


@given(st.text(max_size=500), st.text(max_size=500))
def test_tokens_have_a_valid_length_for_any_name_and_differ_between_buckets(bucket: str, tick: str) -> None:
    launcher = FakeJob()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    launch_for_window(launcher, CONFIG, bucket, now)
    launch_for_window(launcher, CONFIG, bucket + "x", now)
    launch_for_tick(launcher, CONFIG, bucket, tick)
    assert len(launcher.runs) == 3
    assert all(len(token) <= 64 and token.isascii() for token in launcher.runs)


def test_a_tick_that_is_delivered_twice_launches_one_run_that_starts_at_once() -> None:
    launcher = FakeJob()
    assert launch_for_tick(launcher, CONFIG, "b", "1") == launch_for_tick(launcher, CONFIG, "b", "1")
    (parameters,) = launcher.runs.values()
    assert parameters.not_before is None
    assert parameters.as_job_parameters()["not_before"] == ""
