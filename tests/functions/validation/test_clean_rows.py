"""The fast path may match only rows that the contract accepts. (The benchmark shows that it matches the usual ones.)"""

from __future__ import annotations

import dataclasses
import io
from datetime import date
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.validation import clean_rows
from functions.validation.clean_rows import CleanRowPattern, Stretch
from spark_jobs.contract import file_validation
from spark_jobs.contract.column_types import Column, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.contract.file_validation import validate
from spark_jobs.contract.rows import latest_allowed
from tests.functions.validation import declared_feeds
from tests.oracle import COLUMNS, read_file
from tests.strategies import ARRIVAL, rows

ORDERS = {
    "as declared": COLUMNS,
    "dates apart": (*COLUMNS[3:], *COLUMNS[:3]),
    "dates the other way round": (*COLUMNS[:2], COLUMNS[3], COLUMNS[2], *COLUMNS[4:]),
}
GOOD = b"A1,T1,2026-01-10,2026-01-12,delivered,1 Main St,2026-01-12 10:00:00"

USUAL = [
    GOOD,
    b"A1,T1,,,Delivered,,2026-01-12T10:00:00Z",
    b"A1,T1,,2026-01-12,in_transit,,2026-02-01 23:59:59.999999",
    b'"A1","T1","2026-01-10","2026-01-12","shipped","1 Main St, ""B""","2026-01-12 10:00:00"',
    b'"A1","T1","","","shipped","","2026-01-12 10:00:00"',
    b"A1, T1,,, shipped , Z\xc3\xbcrich, 2026-02-01 09:00:00-03:00",
    b"A1,T1,2026-01-31,9999-12-31,cancelled,,2026-02-01 23:00:00+09:00",
    b'A1,T1,,,shipped,"Flat 2\r\n12 Main St",2026-01-12 10:00:00',
    b"A1,T1,2024-02-29,,shipped," + b"x" * 999 + b",2024-02-29 10:00:00\r",
]

EDITS = [
    b"",
    *(bytes([b]) for b in b'0123456789,"\r\n\t -_:.+ZTx\x00\x0b\x1f\x7f\xc3\xff'),
    b'""',
    b'","',
    b"\xc3\xa9",
    b"\xed\xa0\x80",
]


@cache
def pattern(order: str, line_breaks: bool = True) -> CleanRowPattern:
    positions = [ORDERS[order].index(column) for column in COLUMNS]
    made = CleanRowPattern(ORDER_TRACKING, positions, latest_allowed(ORDER_TRACKING, ARRIVAL), date(2026, 1, 31))
    made.line_breaks = line_breaks
    return made


def matches(row: bytes, order: str = "as declared", line_breaks: bool = True) -> bool:
    """Whether the pattern matches ``row`` as exactly one row."""
    stretch = pattern(order, line_breaks).clear(row + b"\n", 0)
    return stretch is not None and (stretch.end, stretch.rows) == (len(row) + 1, 1)


@pytest.mark.parametrize("order", ORDERS)
def test_no_row_matches_that_the_oracle_rejects(order: str) -> None:
    values = {
        "order_num": b"A1",
        "tracking_num": b"T1",
        "status": b"shipped",
        "last_update_timestamp": b"2026-01-12 10:00:00",
    }
    for one_date in (values, values | {COLUMNS[2]: b"2026-01-01"}, values | {COLUMNS[3]: b"2026-01-01"}):
        assert matches(b",".join(one_date.get(column, b"") for column in ORDERS[order]), order)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows(ORDERS[order]))
    def check(row: bytes) -> None:
        if matches(row, order):
            ((_, read),) = read_file(",".join(ORDERS[order]).encode() + b"\n" + row, ARRIVAL) or [(0, None)]
            assert read is not None

    check()


@st.composite
def damaged_row(draw: st.DrawFn) -> bytes:
    """A usual row in which up to three bytes were removed, added or changed."""
    row = draw(st.sampled_from(USUAL[:-1]))
    for _ in range(draw(st.integers(0, 3))):
        at, gone = draw(st.integers(0, len(row))), draw(st.integers(0, 1))
        row = row[:at] + draw(st.sampled_from(EDITS)) + row[at + gone :]
    return row


def test_a_damaged_row_never_matches() -> None:
    cleared = refused = 0

    @settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged_row())
    def check(row: bytes) -> None:
        nonlocal cleared, refused
        text = row + b"\n"
        stretch = pattern("as declared").clear(text, 0) or Stretch(0, 0, 0)
        read = read_file(",".join(COLUMNS).encode() + b"\n" + text[: stretch.end], ARRIVAL)
        assert read is not None
        assert len(read) == stretch.rows
        assert all(values is not None for _, values in read)
        cleared += stretch.end == len(text)
        refused += stretch.end == 0

    check()
    assert cleared > 25
    assert refused > 25


@given(st.binary(min_size=1, max_size=4))
@settings(max_examples=600, deadline=None)
def test_only_utf_8_matches(piece: bytes) -> None:
    if matches(b"A1,T1,,,shipped,x" + piece + b",2026-01-12 10:00:00"):
        piece.decode("utf-8")


def test_no_surrogate_overlong_or_out_of_range_sequence_matches() -> None:
    leads = [bytes([a, b]) for a in range(0x80, 0x100) for b in range(0x80, 0x100)]
    for lead in leads:
        for tail in (b"", b"\x80", b"\xbf", b"\x80\x80", b"\xbf\xbf"):
            piece = lead + tail
            try:
                valid = bool(piece.decode("utf-8"))
            except UnicodeDecodeError:
                valid = False
            assert matches(b"A1,T1,,,shipped,x" + piece + b",2026-01-12 10:00:00") is valid, piece


@pytest.mark.parametrize("row", USUAL)
def test_usual_spellings_match(row: bytes) -> None:
    assert matches(row)


def test_line_breaks_match_only_if_they_are_enabled() -> None:
    row = b'A1,T1,,,shipped,"Flat 2\n12 Main St",2026-01-12 10:00:00'
    assert matches(row, line_breaks=True)
    assert not matches(row, line_breaks=False)


FIELDS = {
    "order_id": "O-1",
    "customer_id": "C-1",
    "customer_email": "ada@example.com",
    "customer_address": "12 Oak Ave, Springfield",
    "ordered_at": "2026-01-30 09:12:00",
    "status": "shipped",
    "items": '[{"product_id":"P-17","product_name":"Kettle, red","quantity":2,"unit_price":24.90}]',
    "currency": "EUR",
    "order_total": "49.80",
    "expected_delivery_date": "2026-02-03",
    "payment_status": "paid",
    "last_update_timestamp": "2026-01-31 10:00:00",
}


def customer_order(**changed: str) -> bytes:
    """The usual row, with changes."""
    texts = ((FIELDS | changed).get(column, "") for column in CUSTOMER_ORDERS.column_names)
    return ",".join(
        f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"\n') else text for text in texts
    ).encode()


def clean_customer_orders(data: bytes, line_breaks: bool = False) -> int:
    """How many rows from the first on are certainly clean."""
    latest = latest_allowed(CUSTOMER_ORDERS, ARRIVAL)
    pattern = CleanRowPattern(CUSTOMER_ORDERS, range(len(CUSTOMER_ORDERS.columns)), latest, date(2026, 1, 31))
    pattern.line_breaks = line_breaks
    stretch = pattern.clear(data, 0)
    return stretch.rows if stretch else 0


ITEM = FIELDS["items"][1:-1]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"items": FIELDS["items"].replace(":", ": ").replace(",", ", ")},
        {"items": f"[{', '.join([ITEM] * 40)}]"},
        {"items": f"[{','.join([ITEM] * 300)}]"},
        {"items": '[{"product_id":"P","quantity":1000000,"unit_price":0}]'},
        {"items": '[{"product_id":"P","product_name":null,"quantity":1,"unit_price":0.5}]'},
        {"items": '[{"product_id":"[P]","product_name":"a]","quantity":1,"unit_price":0.5}]'},
        {"ordered_at": "2026-01-31T10:00:00Z", "last_update_timestamp": "2026-01-31T10:00:00.000001Z"},
        {"ordered_at": "2026-01-31 10:00:00-05:00", "last_update_timestamp": "2026-01-31 10:00:00-05:00"},
        {"ordered_at": "2026-01-31 10:00:00", "expected_delivery_date": "2026-01-31"},
        {"expected_delivery_date": "", "customer_email": "", "customer_address": 'The "Old" Mill'},
        {"customer_address": "x" * 1024, "shipping_address": "é" * 512},
        {"order_total": "0", "currency": "USD", "payment_status": "REFUNDED"},
    ],
)
def test_usual_customer_orders_match(changed: dict[str, str]) -> None:
    row = customer_order(**changed)
    assert clean_customer_orders(row + b"\n" + row + b"\r\n") == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"items": f"[{','.join([ITEM] * 1001)}]"},
        {"items": "[]"},
        {"items": '[{"quantity":1,"product_id":"P","unit_price":0}]'},
        {"items": '[{"product_id":"P","quantity":0,"unit_price":0}]'},
        {"items": '[{"product_id":"P","quantity":1000001,"unit_price":0}]'},
        {"items": "[" + ",".join(['{"product_id":"P","quantity":1,"unit_price":0}'] * 1001) + "]"},
        {"items": '[{"product_id":"P","quantity":1,"unit_price":0.123}]'},
        {"items": '[{"product_id":"P","quantity":1,"unit_price":-0.01}]'},
        {"items": '[{"product_id":"P\\u0000","quantity":1,"unit_price":0}]'},
        {"items": '[{"product_id":" ","quantity":1,"unit_price":0}]'},
        {"items": '[{"product_id":"%s","quantity":1,"unit_price":0}]' % ("x" * 65)},
        {"items": '[{"product_id":null,"quantity":1,"unit_price":0}]'},
        {"ordered_at": "2026-01-31 10:00:01", "expected_delivery_date": ""},
        {"ordered_at": "2026-01-31 10:00:00.5", "expected_delivery_date": ""},
        {"ordered_at": "2026-01-31T09:00:00-05:00", "expected_delivery_date": ""},
        {"ordered_at": "2026-01-31 10:00:00", "last_update_timestamp": "2026-01-31T09:00:00"},
        {"expected_delivery_date": "2026-01-29"},
        {"ordered_at": "2026-01-31 09:00:00-18:00", "expected_delivery_date": "2026-01-31"},
        {"customer_address": "x" * 1025},
        {"customer_address": '"' * 1025},
        {"shipping_method": '"' * 65},
        {"customer_email": "ada"},
        {"order_total": "1e3"},
        {"currency": "eur"},
    ],
)
def test_a_bad_customer_order_ends_the_clean_rows(changed: dict[str, str]) -> None:
    good = customer_order() + b"\n"
    assert clean_customer_orders(good * 3 + customer_order(**changed) + b"\n" + good) == 3


def test_rows_with_line_breaks_are_clean_customer_orders_if_they_are_enabled() -> None:
    row = customer_order(shipping_address="Flat 2\n12 Oak Ave") + b"\n"
    assert clean_customer_orders(row * 3) == 0
    assert clean_customer_orders(row * 3, line_breaks=True) == 3
    long = customer_order(customer_address="a\nb", items=f"[{','.join([ITEM] * 1001)}]")
    assert clean_customer_orders(row * 3 + long + b"\n", line_breaks=True) == 3


def test_many_rows_in_the_wrong_order_take_linear_time() -> None:
    """After each of them the rest would be matched and checked again."""
    data = (customer_order() + b"\n" + customer_order(expected_delivery_date="2026-01-01") + b"\n") * 1000
    latest = latest_allowed(CUSTOMER_ORDERS, ARRIVAL)
    pattern = CleanRowPattern(CUSTOMER_ORDERS, range(len(CUSTOMER_ORDERS.columns)), latest, date(2026, 1, 31))
    at = rows = matches = 0
    matched = pattern._match

    def counted(data: bytes, at: int) -> object:
        nonlocal matches
        matches += 1
        return matched(data, at)

    pattern._match = counted  # type: ignore[method-assign,assignment]
    while at < len(data):
        stretch = pattern.clear(data, at)
        rows += stretch.rows if stretch else 0
        at = stretch.end if stretch else data.index(b"\n", at) + 1
    assert (rows, matches) == (1000, 1)


@pytest.mark.parametrize("part", [1, 300, 1000, 10**6])
@pytest.mark.parametrize("rows", [1, 2, 3, 10])
def test_in_parts_the_rows_before_the_first_bad_one_are_clean(
    part: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_rows, "_PART", part)
    good = [customer_order(), customer_order(customer_name='Ada, "A"'), customer_order(customer_address="x, y")]
    data = b"".join(row + b"\n" for row in (good * 4)[:rows])
    late = customer_order(expected_delivery_date="2026-01-01") + b"\n"  # the pattern matches it
    broken = customer_order(customer_address="1 Oak Ave\nParis") + b"\n"  # a part may begin at its second line
    assert clean_customer_orders(data) == rows
    for bad in (late, b"A,B\n", broken, b"\n"):
        assert clean_customer_orders(data + bad + data) == rows, bad


def test_a_feed_of_sixty_long_texts_is_validated_with_or_without_a_pattern() -> None:
    texts = tuple(Column(f"c{n}", Text(1024)) for n in range(60))
    key, moment = Column("id", Text(64), required=True), Column("moment", Timestamp(), required=True)
    newest = ("moment", *(column.name for column in texts))
    feed = Feed("wide", "wide", "wide", "wide", (key, *texts, moment), ("id",), newest)
    pattern = CleanRowPattern(feed, range(62), latest_allowed(feed, ARRIVAL), date(2026, 1, 31))
    row = b"A," + b"some text," * 60 + b"2026-01-31 10:00:00\n"
    assert pattern.clear(row * 2, 0) == Stretch(2 * len(row), 2, 2)
    many = tuple(Column(f"c{n}", Text(1024)) for n in range(300))
    feed = Feed("wide", "wide", "wide", "wide", (key, *many, moment), ("id",), ("moment", *(c.name for c in many)))
    assert CleanRowPattern(feed, range(302), latest_allowed(feed, ARRIVAL), date(2026, 1, 31)).clear(row, 0) is None


def test_files_of_any_feed_get_the_same_result_with_and_without_the_fast_path() -> None:
    skipped = 0

    class Counting(CleanRowPattern):
        def clear(self, data: bytes, at: int) -> Stretch | None:
            nonlocal skipped
            stretch = super().clear(data, at)
            skipped += stretch.rows if stretch else 0
            return stretch

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        feed = data.draw(declared_feeds.feeds() | st.just(dataclasses.replace(CUSTOMER_ORDERS, file_prefix="generated")))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clean_rows, "_PART", data.draw(st.sampled_from([1, 200, clean_rows._PART])))
            patch.setitem(FEEDS, "generated", feed)
            for content in data.draw(st.lists(declared_feeds.files(feed), min_size=1, max_size=4)):
                patch.setattr(file_validation, "FIRST_BLOCK_BYTES", content.index(b"\n") + 1)
                patch.setattr(file_validation, "BLOCK_BYTES", len(content))
                fast, slow = (
                    validate(
                        io.BytesIO(content),
                        name=declared_feeds.NAME,
                        arrival=ARRIVAL,
                        max_bad_row_ratio=1.0,
                        fast_path=fast_path,
                    )
                    for fast_path in (Counting, None)
                )
                assert fast == slow, (feed, content)

    check()
    assert skipped > 10
