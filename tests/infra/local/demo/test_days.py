"""The demo's files are the same on every run and contain the cases that the demo is meant to show."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from infra.local.demo.days import Upload, waves
from infra.local.demo.expected import READINGS, Row
from spark_jobs.contract.feeds import FEEDS, feed_of
from spark_jobs.contract.records import split_records
from spark_jobs.contract.rows import latest_allowed, validate_header, validate_row

ARRIVAL = datetime(2026, 2, 1, tzinfo=UTC)
each_feed = pytest.mark.parametrize("feed", READINGS)


def uploads(feed: str, parcels_a_day: int = 300) -> list[Upload]:
    return [one for wave in waves(parcels_a_day) for one in wave if (of := feed_of(one.name)) and of.name == feed]


def test_the_files_are_always_the_same() -> None:
    assert waves(200) == waves(200)


@each_feed
def test_the_late_day_and_the_second_edition_matter(feed: str) -> None:
    """The target differs if either is left out, or if the last file always won; otherwise the demo would show nothing."""
    expected_target = READINGS[feed].expected_target
    files = {upload.about: (upload.content, ARRIVAL) for upload in uploads(feed) if upload.expected == "merged"}
    whole = expected_target(files.values())

    for about in files:
        assert expected_target(content for other, content in files.items() if other != about) != whole, about
    last_wins: dict[str, Row] = {}
    for one in files.values():
        last_wins |= expected_target([one])
    assert last_wins != whole


@pytest.mark.parametrize(
    ("feed", "codes"),
    [
        (
            "order_tracking",
            ["unknown_status", "required", "bad_date", "date_order", "timestamp_in_future", "bad_timestamp", "too_long"],
        ),
        (
            "customer_orders",
            ["bad_json", "wrong_type", "unknown_field", "record_count", "bad_number", "bad_form", "date_order"],
        ),
    ],
)
def test_one_row_in_twenty_of_the_last_day_is_bad_each_in_another_way(feed: str, codes: list[str]) -> None:
    declared, last = FEEDS[feed], uploads(feed)[-1]
    records = split_records(io.BytesIO(last.content))
    positions, _ = validate_header(declared, next(records))
    latest = latest_allowed(declared, ARRIVAL)
    rows = [validate_row(declared, positions, record, number, latest) for number, record in enumerate(records, 1)]
    bad = [[violation.code for violation in row.violations] for row in rows if row.violations]

    assert bad[: len(codes)] == [[code] for code in codes]
    assert 0.04 < len(bad) / len(rows) < 0.06
