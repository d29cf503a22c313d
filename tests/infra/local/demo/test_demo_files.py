"""The demo's files are the same everywhere, and its own reading of them agrees with the contract's."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from infra.local.demo.days import waves
from infra.local.demo.expected import COLUMNS, Row, expected_target
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.records import split_records
from spark_jobs.contract.rows import latest_allowed, precedence, validate_header, validate_row

ARRIVAL = datetime(2026, 2, 1, tzinfo=UTC)


def contract_target(files: list[bytes]) -> dict[str, Row]:
    target: dict[str, Row] = {}
    for content in files:
        records = split_records(io.BytesIO(content))
        positions, violations = validate_header(ORDER_TRACKING, next(records))
        assert not violations
        for number, record in enumerate(records, 1):
            row = validate_row(ORDER_TRACKING, positions, record, number, latest_allowed(ORDER_TRACKING, ARRIVAL))
            if row.values is None:
                continue
            key = str(row.values[1])
            rank = precedence(ORDER_TRACKING, row.values)
            if key not in target or rank > precedence(ORDER_TRACKING, target[key]):
                target[key] = row.values  # type: ignore[assignment]
    return target


def test_the_files_are_the_same_every_time() -> None:
    assert waves(200) == waves(200)


def test_two_independent_readings_agree_on_every_row() -> None:
    files = [upload.content for wave in waves(400) for upload in wave if upload.expected == "merged"]

    ours = expected_target((content, ARRIVAL) for content in files)

    assert tuple(ORDER_TRACKING.column_names) == COLUMNS
    assert ours == contract_target(files)
    assert 5 * 400 * 0.95 < len(ours) < 5 * 400  # a bad row may have been a parcel's only one


def test_order_of_arrival_changes_nothing() -> None:
    files = [(upload.content, ARRIVAL) for wave in waves(300) for upload in wave if upload.expected == "merged"]

    assert expected_target(files) == expected_target(reversed(files))


def test_the_late_day_and_the_second_edition_matter() -> None:
    """Otherwise the demo would show nothing: the target differs if either is left out, or if the last file always won."""
    files = {
        upload.about: (upload.content, ARRIVAL) for wave in waves(300) for upload in wave if upload.expected == "merged"
    }
    whole = expected_target(files.values())

    for about in files:
        assert expected_target(content for other, content in files.items() if other != about) != whole, about
    last_wins: dict[str, Row] = {}
    for one in files.values():
        last_wins |= expected_target([one])
    assert last_wins != whole


def test_a_share_of_fridays_rows_is_bad_but_not_too_large_a_one() -> None:
    friday = waves(400)[1][-1]
    rows = friday.content.count(b"\n") - friday.content.count(b'c/o ""Smith') * 2 - 1
    good = expected_target([(friday.content, ARRIVAL)])

    assert 0.01 < 1 - len(good) / rows < 0.09
