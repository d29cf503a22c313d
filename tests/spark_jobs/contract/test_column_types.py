"""Each column type: what it accepts, and the code with which it refuses the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_jobs.contract.column_types import (
    CURRENCY,
    EMAIL,
    Column,
    ColumnType,
    Date,
    Enumeration,
    Form,
    Integer,
    Number,
    Text,
    Timestamp,
    as_text,
)
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.contract.values import WHITE_SPACE, Fault, Value
from spark_jobs.contract.violations import RULES
from tests import oracle
from tests.feed_strategies import lists_of_records, types
from tests.strategies import bad_values, good_values

LATEST = datetime(2026, 2, 2, 12, tzinfo=UTC)
STATUS = Enumeration(
    ("order placed", "in transit", "canceled"), {"cancelled": "canceled", "done": "in transit"}, code="unknown_status"
)
FLAG = Enumeration(("yes", "no"), code="unknown_value")
SHORT, MAIL, CODE = Text(3), Text(320, EMAIL), Text(3, CURRENCY)
PIECES, ANY = Integer(1, 1000), Integer()
PRICE = Number(5, 2, low=Decimal(0), high=Decimal("500.00"))
FRACTION = Number(2, 2)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (SHORT, "abc", "abc"),
        (SHORT, "😀é\u0301", "😀é\u0301"),
        (MAIL, "a@b", "a@b"),
        (MAIL, "é@ü", "é@ü"),
        (MAIL, "a\u200b@b", "a\u200b@b"),  # a zero-width space is no white space
        (MAIL, "x" * 318 + "@y", "x" * 318 + "@y"),
        (CODE, "EUR", "EUR"),
        (Date(), "2024-02-29", date(2024, 2, 29)),
        (Timestamp(), "2026-02-02T12:00:00Z", LATEST),
        (Timestamp(future=True), "9999-12-31 00:00:00", datetime(9999, 12, 31, tzinfo=UTC)),
        (STATUS, "In__Transit", "in transit"),
        (STATUS, "CANCELLED", "canceled"),
        (STATUS, "Done", "in transit"),
        (FLAG, "YES", "yes"),
        (PIECES, "1", 1),
        (PIECES, "1000", 1000),
        (ANY, "-9223372036854775808", -(2**63)),
        (ANY, "9223372036854775807", 2**63 - 1),
        (ANY, "-0", 0),
        (PRICE, "0", Decimal("0.00")),
        (PRICE, "-0.0", Decimal("0.00")),
        (PRICE, "1.1", Decimal("1.10")),
        (PRICE, "500", Decimal("500.00")),
        (FRACTION, "-0.99", Decimal("-0.99")),
    ],
)
def test_valid_values(kind: ColumnType, text: str, value: Value) -> None:
    found = kind.parse("c", text, LATEST)
    assert (found, repr(found)) == (value, repr(value))


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (SHORT, "abcd", "too_long"),
        (MAIL, "x" * 319 + "@y", "too_long"),
        *(
            (MAIL, text, "bad_form")
            for text in ("ada", "@", "a@", "@b", "a@b@c", "a @b", "a@b\u00a0", "a\u2028@b", "a@b\n")
        ),
        *((CODE, text, "bad_form") for text in ("eur", "EU", "E R", "ＥＵＲ", "ÄÖÜ", "123")),
        (Date(), "31/01/2026", "bad_date"),
        (Timestamp(), "2026-02-02", "bad_timestamp"),
        (Timestamp(), "2026-02-02 12:00:00.000001", "timestamp_in_future"),
        (Timestamp(future=True), "10000-01-01 00:00:00", "bad_timestamp"),
        *((STATUS, text, "unknown_status") for text in ("lost", "intransit", "_canceled", "CANCELEDſ")),
        (FLAG, "maybe", "unknown_value"),
        (PIECES, "0", "out_of_range"),
        (PIECES, "1001", "out_of_range"),
        (PIECES, "9" * 400_000, "out_of_range"),
        *((PIECES, text, "bad_number") for text in ("1.0", "1e2", "+1", "01", "1,000", "²", "one")),
        (ANY, "9223372036854775808", "out_of_range"),
        (ANY, "-9223372036854775809", "out_of_range"),
        (PRICE, "-0.01", "out_of_range"),
        (PRICE, "500.01", "out_of_range"),
        (PRICE, "1000", "out_of_range"),
        (PRICE, "1.100", "out_of_range"),
        *((PRICE, text, "bad_number") for text in ("1e2", "1.", ".5", "1,50", "€5", "NaN", "Infinity")),
        (FRACTION, "1", "out_of_range"),
    ],
)
def test_invalid_values(kind: ColumnType, text: str, code: str) -> None:
    fault = kind.parse("c", text, LATEST)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.column, fault.found) == (code, "c", text)
    assert not RULES[code].whole_file


DECLARED = {column.type.about: column.type for feed in FEEDS.values() for column in feed.columns}


@given(st.one_of(st.sampled_from(list(DECLARED.values())), types, types, lists_of_records()), st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_text_is_read_as_the_oracle_reads_it(kind: ColumnType, data: st.DataObject) -> None:
    column = Column("c", kind, required=True)
    text = data.draw(st.one_of(good_values(column), bad_values(column), bad_values(column))).strip(WHITE_SPACE)
    try:
        expected = oracle.value_of(column, text, LATEST)
    except oracle.Bad:
        assert not text or isinstance(kind.parse("c", text, LATEST), Fault)
    else:
        assert repr(kind.parse("c", text, LATEST)) == repr(expected)  # types and scales, too: 1 == Decimal("1.00")


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_every_example_of_a_declared_column_is_valid(feed: object) -> None:
    for column in feed.columns:  # type: ignore[attr-defined]
        assert not isinstance(column.type.parse(column.name, column.example, LATEST), Fault), column.name


@pytest.mark.parametrize("form", [EMAIL, CURRENCY], ids=lambda form: form.plain)
def test_a_text_of_a_forms_plain_pattern_has_the_form(form: Form) -> None:
    """The fast paths accept a text by the plain pattern alone."""

    @given(st.from_regex(form.plain, fullmatch=True))
    def every_plain_text(text: str) -> None:
        assert form.matches(text)

    every_plain_text()


def test_the_shortest_value_is_never_longer_than_a_valid_one() -> None:
    """Validation gives up early by it: too large a length would reject files that could still be good."""
    for kind, text in ((SHORT, "a"), (STATUS, "done"), (FLAG, "no"), (PIECES, "1"), (PRICE, "0"), (Date(), "2026-01-01")):
        assert not isinstance(kind.parse("c", text, LATEST), Fault)
        assert kind.shortest <= len(text)
    items = CUSTOMER_ORDERS.column("items").type
    shortest = '[{"product_id":"P","quantity":1,"unit_price":0}]'
    assert not isinstance(items.parse("items", shortest, LATEST), Fault)
    assert items.shortest <= len(shortest)


def test_types_have_words_for_the_sender_and_a_type_in_the_table() -> None:
    kinds = [column.type for feed in (ORDER_TRACKING, CUSTOMER_ORDERS) for column in feed.columns]
    assert all(kind.about and kind.sql for kind in kinds)
    assert (PRICE.about, PRICE.sql) == (
        "number from 0 up to 500.00 with at most 3 digits before the point and 2 after it",
        "DECIMAL(5,2)",
    )
    assert CUSTOMER_ORDERS.column("items").type.sql == (
        "ARRAY<STRUCT<product_id: STRING, product_name: STRING, quantity: BIGINT, unit_price: DECIMAL(12,2)>>"
    )


def test_scalars_are_compared_as_plain_texts() -> None:
    assert [as_text(value) for value in (date(1, 2, 3), 10, Decimal("0.000000"), "x")] == [
        "0001-02-03",
        "10",
        "0.000000",
        "x",
    ]
    moments = [datetime(2026, 1, 1, 10, tzinfo=UTC), datetime(2026, 1, 1, 10, 0, 0, 1, tzinfo=UTC)]
    assert sorted(moments) == sorted(moments, key=as_text)
