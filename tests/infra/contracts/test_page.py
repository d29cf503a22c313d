"""The pages for senders."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest

from infra.contracts.page import page, violation_places
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.contract.file_validation import validate
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.violations import RULES
from tests.infra.contracts.odd_feed import ODD

ARRIVAL = datetime(2026, 1, 31, 12, tzinfo=UTC)
ODD_PAGE = page(ODD)

NASTY = (
    *("", "x", "x" * 2000, "a@b", "eur", "shipped", "cancelled", "small", "2026-01-31", "2026-02-30", "2000-01-01"),
    *(
        "2026-01-31 10:00:00",
        "2000-01-01 00:00:00",
        "2062-01-31 10:00:00",
        "31/01/2026",
        "1",
        "-5",
        "1e3",
        "1,000",
        "9" * 50,
    ),
    *("0.001", "\x01", "[", "{}", "[]", "[1]", "[{}]", '[{"colour":1}]', "[" + "{}," * 1000 + "{}]", "[NaN]"),
    *('[{"name":1}]', '[{"name":"too long"}]', '[{"name":"x","name":"y"}]', '[{"name":"\\u0001"}]', '[{"name":null}]'),
    '[{"product_id":"P","product_id":"P"}]',
    '[{"product_id":"' + "P" * 65 + '"}]',
    '[{"product_id":"P","quantity":0}]',
    '[{"product_id":"P","quantity":"2"}]',
    '[{"product_id":"P","quantity":1e3}]',
    '[{"product_id":"\\u0000"}]',
)
"""Values that break every rule of some column."""


@pytest.mark.parametrize("feed", [*FEEDS.values(), ODD], ids=lambda feed: feed.name)
def test_exactly_the_codes_are_listed_that_the_contract_finds(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEEDS, feed.name, feed)
    good = {column.name: column.example for column in feed.columns}
    rows = [good | {name: value} for name in feed.column_names for value in NASTY]
    quoted = ['"' + '","'.join(value.replace('"', '""') for value in row.values()) + '"' for row in rows]
    file = "\n".join([",".join(feed.column_names), *quoted, "too,few", 'a"b' + "," * (len(feed.columns) - 1)])
    name = f"{feed.file_prefix}_2026_01_31.csv"
    result = validate(io.BytesIO(file.encode()), name=name, arrival=ARRIVAL, max_bad_row_ratio=1)

    found = {code: {re.sub(r"\[.*", "", column) for column in columns} for code, columns in result.counts.items()}
    listed = {code: where for code, where in violation_places(feed).items() if where != "file"}
    assert found.keys() == listed.keys()
    for code, where in listed.items():
        if where not in ("row", "any field"):
            assert found[code] == set(where.split(", ")), code


def test_every_violation_of_a_whole_file_is_listed() -> None:
    files = [code for code, where in violation_places(ORDER_TRACKING).items() if where == "file"]
    assert files == [code for code, rule in RULES.items() if rule.whole_file]


@pytest.mark.parametrize("feed", FEEDS.values(), ids=lambda feed: feed.name)
def test_every_column_field_and_value_is_on_the_page(feed: Feed) -> None:
    text = page(feed)
    for column in feed.columns:
        assert f"\n| {column.name} | {column.about} | {column.type.about} |" in text
        if isinstance(column.type, Records):
            for field in column.type.fields:
                assert f"\n| {field.name} | {field.about} | {field.type.about} |" in text


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("line", "required; part of the key"),
        ("seen_at", "required; at most 1.5 hours after the file's arrival; not before started_at, if both are present"),
        ("started_at", "its day (in UTC) is not before day, if both are present"),
        ("day", "required; part of the key; not before the day of started_at (in UTC), if both are present"),
        ("temperature", "since version 2; files without this column are still valid"),
        ("parts", "see [its fields](#fields-of-parts); since version 3; files without this column are still valid"),
    ],
)
def test_rules(name: str, rule: str) -> None:
    (line,) = (line for line in ODD_PAGE.splitlines() if line.startswith(f"| {name} |"))
    assert line.split(" | ")[3] == rule


def test_synonyms_are_listed() -> None:
    assert "interchangeable; `cancelled` is read as canceled" in page(CUSTOMER_ORDERS)


def test_which_row_wins() -> None:
    (paragraph,) = (part for part in ODD_PAGE.split("\n\n") if part.startswith("The pipeline keeps"))
    assert " ".join(paragraph.split()).startswith(
        "The pipeline keeps one row per `size`, `line`, `day` and `label`: the one with the latest `seen_at`. Between rows "
        "with the same `seen_at`, the first difference decides, in this order: the later `started_at`; the larger "
        "`temperature`, as text; the larger `parts`, as JSON text without missing fields. A missing value is lower than "
        "any other."
    )


def test_a_bar_does_not_end_a_cell() -> None:
    assert r"| `a\|b` |" in ODD_PAGE
