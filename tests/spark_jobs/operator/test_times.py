"""Times for people: the reader's time zone, summer and winter time, and ages."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from spark_jobs.operator.times import Times

NOW = datetime(2026, 2, 1, 12, 0, 0, 500_000, tzinfo=UTC)
WINTER = datetime(2026, 1, 31, 23, 30, 59, tzinfo=UTC)
SUMMER = datetime(2026, 7, 31, 23, 30, 59, tzinfo=UTC)


@pytest.mark.usefixtures("berlin")
def test_times_are_in_the_readers_time_zone_as_it_was_then() -> None:
    times = Times(NOW)
    assert times.minute(WINTER) == "2026-02-01 00:30 CET"
    assert times.second(SUMMER) == "2026-08-01 01:30:59 CEST"
    assert times.exact(WINTER) == "2026-02-01 00:30:59 CET (12 h ago)"


@pytest.mark.usefixtures("berlin")
def test_utc_overrides_the_time_zone() -> None:
    times = Times(NOW, utc=True)
    elsewhere = WINTER.astimezone(timezone(timedelta(hours=-8)))
    assert times.minute(WINTER) == times.minute(elsewhere) == "2026-01-31 23:30 UTC"
    assert times.second(SUMMER) == "2026-07-31 23:30:59 UTC"


def test_a_zone_without_a_name_is_shown_by_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        assert Times(NOW).minute(WINTER) == "2026-02-01 05:15 +0545"
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-0.2, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (47.99 * 3600, "47 h"),
        (48 * 3600, "2 days"),
        (400.5 * 86_400, "400 days"),
    ],
)
def test_an_age_has_one_unit(seconds: float, age: str) -> None:
    assert Times(NOW).age(NOW - timedelta(seconds=seconds)) == age


def test_the_past_is_ago_and_the_future_ahead() -> None:
    times = Times(NOW)
    assert times.ago(NOW - timedelta(minutes=3)) == "3 min ago"
    assert times.ago(NOW) == "0 s ago"
    assert times.ago(NOW + timedelta(hours=3)) == "in 3 h"
