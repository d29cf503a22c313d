"""Settings of a run are validated once, with one sentence per mistake."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spark_jobs.settings import (
    BucketLayout,
    IngestSettings,
    SettingsError,
    check_contract_version,
    parse_not_before,
    parse_ratio,
)


def test_a_bucket_is_required() -> None:
    with pytest.raises(SettingsError, match="--bucket is missing"):
        BucketLayout("")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "--catalog and --schema"),
        ({"catalog": "c"}, "--catalog and --schema"),
        ({"catalog": "c", "schema": "s", "warehouse": "w"}, "one or the other"),
    ],
)
def test_tables_are_in_a_schema_or_in_a_folder(tables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        IngestSettings(BucketLayout("b"), **tables)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1.5", "-0.1", "many", "nan"])
def test_a_ratio_of_bad_rows_is_a_number_from_0_to_1(text: str) -> None:
    with pytest.raises(SettingsError, match="from 0 to 1"):
        parse_ratio(text)


def test_a_time_that_is_no_time_is_refused() -> None:
    with pytest.raises(SettingsError, match="--not-before must be a time"):
        parse_not_before("soon")


def test_empty_means_not_set() -> None:
    assert parse_ratio("") == 0.1
    assert parse_not_before("") is None
    check_contract_version("")


def test_a_time_without_offset_is_utc() -> None:
    assert parse_not_before("2026-01-31T10:00:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_another_contract_version_is_refused() -> None:
    with pytest.raises(SettingsError, match="but the function sent '99'"):
        check_contract_version("99")
