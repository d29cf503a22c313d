"""The demo's independent reading of its files agrees with the contract."""

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


def test_two_independent_readings_agree_on_every_row() -> None:
    files = [upload.content for wave in waves(400) for upload in wave if upload.expected == "merged"]

    ours = expected_target((content, ARRIVAL) for content in files)

    assert tuple(ORDER_TRACKING.column_names) == COLUMNS
    assert ours == contract_target(files)
    assert 5 * 400 * 0.95 < len(ours) < 5 * 400  # a bad row may be a parcel's only row


def test_the_order_of_arrival_does_not_matter() -> None:
    files = [(upload.content, ARRIVAL) for wave in waves(300) for upload in wave if upload.expected == "merged"]

    assert expected_target(files) == expected_target(reversed(files))
