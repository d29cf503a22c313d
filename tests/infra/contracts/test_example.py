"""The example files on the pages."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from infra.contracts.example import example_file, example_name
from spark_jobs.contract.column_types import Column, validate_value
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS
from spark_jobs.contract.file_validation import validate
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.contract.values import Fault
from tests.infra.contracts.odd_feed import ODD

ARRIVAL = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(params=[*FEEDS.values(), ODD], ids=lambda feed: feed.name)
def feed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setitem(FEEDS, request.param.name, request.param)
    return request.param


def rows(feed: Feed) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(example_file(feed))))


def test_the_contract_finds_no_violation(feed: Feed) -> None:
    """If this fails for a new feed, an example of its columns is missing or breaks a rule."""
    file = io.BytesIO(example_file(feed).encode())
    result = validate(file, name=example_name(feed), arrival=ARRIVAL, max_bad_row_ratio=0)
    assert result.violations == ()
    assert (result.feed, result.rows, result.bad_rows) == (feed.name, 2, 0)


def test_the_rows_have_different_keys(feed: Feed) -> None:
    first, second = rows(feed)
    assert [name for name in feed.key if first[name] == second[name]] == []


def test_the_second_row_has_only_what_is_required(feed: Feed) -> None:
    _, second = rows(feed)
    assert {name for name, value in second.items() if value} == {column.name for column in feed.columns if column.required}


def test_records_of_the_second_row_have_only_what_is_required() -> None:
    _, second = rows(CUSTOMER_ORDERS)
    assert second["items"] == '[{"product_id":"P-17","quantity":2,"unit_price":24.90}]'


@pytest.mark.parametrize(
    ("feed", "column"), [(f, column) for f in FEEDS.values() for column in f.columns], ids=lambda value: value.name
)
def test_every_column_and_field_is_explained_with_a_valid_example(feed: Feed, column: Column) -> None:
    fields = column.type.fields if isinstance(column.type, Records) else ()
    for one in (column, *fields):
        assert one.about, one.name
        assert one.example, one.name
        assert not isinstance(validate_value(one, one.example, latest_allowed(feed, ARRIVAL)), Fault), one.name
