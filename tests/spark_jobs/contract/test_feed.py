"""A declaration: what it says of itself, and that an impossible one fails with one sentence that says what to change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from spark_jobs.contract.column_types import (
    CURRENCY,
    Column,
    ColumnType,
    Date,
    Enumeration,
    Integer,
    Number,
    Text,
    Timestamp,
)
from spark_jobs.contract.feed import RESERVED_COLUMNS, DeclarationError, Feed
from spark_jobs.contract.record_lists import Records
from tests.feed_strategies import feeds

ID = Column("id", Text(8), required=True)
AT = Column("at", Timestamp(), required=True)
NOTE = Column("note", Text(8))
PIECES = Column("pieces", Integer(1, 9))


def feed(*columns: Column, **more: Any) -> Feed:
    """A valid feed with ``columns`` instead of ``note``."""
    columns = columns or (NOTE,)
    given = {
        "name": "parcels",
        "title": "parcels",
        "file_prefix": "parcels",
        "table_prefix": "parcels",
        "columns": (ID, AT, *columns),
        "key": ("id",),
        "newest_by": ("at", *(column.name for column in columns)),
    }
    return Feed(**given | more)


def problem(*columns: Column, **more: Any) -> str:
    with pytest.raises(DeclarationError) as error:
        feed(*columns, **more)
    return str(error.value)


def of(kind: Any, **more: Any) -> Column:
    return Column("c", kind, **more)


def test_the_least_declaration_works() -> None:
    least = Feed("f", "f", "f", "f", (ID, AT), ("id",), ("at",))
    assert (least.column_names, least.key_positions, least.moment) == (("id", "at"), (0,), "at")
    assert least.file_pattern == "f_YYYY_MM_DD.csv"


@given(feeds())
def test_generated_declarations_work(generated: Feed) -> None:
    assert sorted((*generated.newest_by, *generated.key)) == sorted(generated.column_names)
    assert [generated.column(name).name for name in generated.column_names] == list(generated.column_names)
    assert [generated.column_names[at] for at in generated.key_positions] == list(generated.key)


@pytest.mark.parametrize("what", ["name", "file_prefix", "table_prefix"])
@pytest.mark.parametrize("name", ["", "Parcels", "1st", "_x", "a-b", "a b", "a.b", "é", "x" * 64, "a\n", "a;DROP", "../a"])
def test_names_that_would_need_quoting_are_refused(what: str, name: str) -> None:
    assert "use at most 63 lower-case letters" in problem(**{what: name})
    assert "use at most 63 lower-case letters" in problem(Column(name, Text(8)))


@pytest.mark.parametrize("name", sorted(RESERVED_COLUMNS))
def test_a_column_of_every_table_is_no_column_of_a_feed(name: str) -> None:
    assert f"column {name} has the name of a column that every table has" in problem(Column(name, Text(8)))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"key": ()}, "it has no key; name the columns that identify a row"),
        ({"key": ("number",)}, "its key has the column number, which it doesn't declare"),
        ({"key": ("id", "id")}, "its key has a column twice"),
        ({"key": ("note",)}, "its key column note must be required, and a text, date, enumeration or integer"),
        ({"key": ("at",)}, "its key column at must be required, and a text, date, enumeration or integer"),
        ({"columns": ()}, "its key has the column id, which it doesn't declare"),
        ({"columns": (ID, AT, NOTE, NOTE)}, "it declares the column note twice"),
        ({"newest_by": ()}, "must name every column except the key exactly once, that is: at, note"),
        ({"newest_by": ("at",)}, "must name every column except the key exactly once, that is: at, note"),
        ({"newest_by": ("at", "note", "note")}, "must name every column except the key exactly once, that is: at, note"),
        ({"newest_by": ("at", "note", "id")}, "must name every column except the key exactly once, that is: at, note"),
        ({"newest_by": ("at", "nota")}, "must name every column except the key exactly once, that is: at, note"),
        ({"newest_by": ("note", "at")}, "the first column of newest_by must be a required timestamp"),
        ({"not_before": (("at", "when"),)}, "not_before names when, which is not one of its dates and timestamps"),
        ({"not_before": (("note", "at"),)}, "not_before names note, which is not one of its dates and timestamps"),
        ({"not_before": (("at", "at"),)}, "not_before compares at with itself"),
        ({"version": 0}, "it has version 0; the first one is 1"),
        ({"future_allowance": timedelta(seconds=-1)}, "its future allowance must be 0 to 366 days"),
        ({"future_allowance": timedelta(days=10**6)}, "its future allowance must be 0 to 366 days"),
    ],
)
def test_an_impossible_feed(wrong: dict[str, Any], sentence: str) -> None:
    found = problem(**wrong)
    assert found.startswith("feed 'parcels': ")
    assert sentence in found
    assert "\n" not in found


@pytest.mark.parametrize(
    "lead", [Column("at", Timestamp()), Column("at", Timestamp(future=True), required=True), of(Date())]
)
def test_the_order_begins_with_a_timestamp_that_no_row_can_push_into_the_future(lead: Column) -> None:
    columns = (ID, replace(lead, name="at"))
    assert "a required timestamp that can't be in the future" in problem(columns=columns, newest_by=("at",))


def test_a_key_of_all_columns_leaves_nothing_that_makes_a_row_newer() -> None:
    assert "the first column of newest_by" in problem(columns=(ID,), newest_by=())


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (of(Text(0)), "must allow 1 to 65,536 characters"),
        (of(Text(65_537)), "must allow 1 to 65,536 characters"),
        (of(Text(8, replace(CURRENCY, pattern="[A-Z"))), "has a form whose pattern is no regular expression"),
        (of(Enumeration(())), "must have at least one value, each once"),
        (of(Enumeration(("a", "b", "a"))), "must have at least one value, each once"),
        *(
            (of(Enumeration((text,))), f"has the value {text!r}")
            for text in ("", "A", "a_b", "a  b", " a", "ä", "a-b", "a\n")
        ),
        (of(Enumeration(("a",), {"B": "a"})), "has the value 'B'"),
        (of(Enumeration(("a",), {"b": "c"})), "has the synonym 'b' of 'c'"),
        (of(Enumeration(("a", "b"), {"a": "b"})), "has the synonym 'a' of 'b'"),
        (of(Enumeration(("a",), code="odd")), "has the code 'odd'; use unknown_status or unknown_value"),
        (of(Integer(2, 1)), "must have bounds within 64 bits, the lower one first"),
        (of(Integer(0, 2**63)), "must have bounds within 64 bits, the lower one first"),
        (of(Integer(-(2**63) - 1, 0)), "must have bounds within 64 bits, the lower one first"),
        (of(Number(39, 2)), "must have at most 38 digits, at most 6 of them after the point"),
        (of(Number(0, 0)), "must have at most 38 digits"),
        (of(Number(12, 7)), "at most 6 of them after the point"),
        (of(Number(3, 4)), "at most 6 of them after the point"),
        (of(Number(3, -1)), "at most 6 of them after the point"),
        (of(Number(5, 2, low=Decimal(2), high=Decimal(1))), "must have the lower bound first"),
        (of(Number(5, 2, low=Decimal(1000))), "has the bound 1000, which is no number with its digits"),
        (of(Number(5, 2, high=Decimal("0.001"))), "has the bound 0.001"),
        (of(Number(5, 2, high=Decimal("Infinity"))), "has the bound Infinity"),
        (of(Number(5, 2, low=Decimal("NaN"))), "has the bound NaN"),
        (of("text"), "has the unknown type str"),
        (of(Text), "has the unknown type type"),
        (of(None), "has the unknown type NoneType"),
        (of(Text(8), since=2, required=True), "can't be required, because files before version 2 don't have it"),
        (of(Text(8), since=1), "c was added in version 1, but the feed has version 1"),
        (of(Text(8), since=0), "c was added in version 0, but the feed has version 1"),
        (of(Text(8), since=2), "c was added in version 2, but the feed has version 1"),
    ],
)
def test_an_impossible_column(column: Column, sentence: str) -> None:
    found = problem(column)
    assert " c " in found
    assert sentence in found


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Records((), 3), "must have at least one field, and allow 1 to 10,000 records"),
        (Records((PIECES,), 0), "must have at least one field, and allow 1 to 10,000 records"),
        (Records((PIECES,), 10_001), "must have at least one field, and allow 1 to 10,000 records"),
        (Records((PIECES, PIECES), 3), "it declares the field pieces twice"),
        (Records((AT,), 3), "may have fields of these types only: text, date, enumeration, integer, number"),
        (Records((of(Records((PIECES,), 3)),), 3), "may have fields of these types only"),
        (Records((of(Integer(2, 1)),), 3), "its field c must have bounds within 64 bits"),
        (Records((Column("Size", Text(8)),), 3), "the name of its field is 'Size'"),
        (Records((replace(PIECES, since=2),), 3), "its field pieces can't have a version; add a column instead"),
    ],
)
def test_an_impossible_list_of_records(kind: ColumnType, sentence: str) -> None:
    assert sentence in problem(of(kind), version=2)


def test_the_day_in_a_file_name() -> None:
    parcels = feed()
    assert parcels.file_date("parcels_2024_02_29.csv") == date(2024, 2, 29)
    wrong = (
        "parcels_2026_02_29.csv",
        "parcels_2026_2_9.csv",
        "parcels_2026_02_28.csv\n",
        "parcels_２０２６_01_31.csv",
        "parcel.csv",
    )
    assert [parcels.file_date(name) for name in wrong] == [None] * 5
