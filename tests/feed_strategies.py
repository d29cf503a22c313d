"""Hypothesis strategies for declarations: feeds that nobody would write, but could. `tests.strategies` has their files."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from spark_jobs.contract.column_types import (
    CURRENCY,
    EMAIL,
    MAX_PRECISION,
    MAX_SCALE,
    Column,
    ColumnType,
    Date,
    Enumeration,
    Integer,
    Number,
    Text,
    Timestamp,
)
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records
from tests.strategies import files

Types = SearchStrategy[ColumnType]
_NAMES = ("order", "select", "value", "items", "date", "key", "x" * 63, "a", "a_", "a1", "element", "array", "null", "row")
_WORDS = ("a", "b1", "in transit", "order placed", "kept", "sent", "2x", "on the way to you", "null")

texts: Types = st.one_of(
    st.sampled_from([1, 2, 3, 64, 256, 1024]).map(Text),
    st.sampled_from([Text(320, EMAIL), Text(3, CURRENCY), Text(5, EMAIL)]),
)
_ends = st.sampled_from([0, 1, -1, 10, 1_000_000, -(2**63), 2**63 - 1, 2**31]) | st.integers(-(2**63), 2**63 - 1)
integers: Types = st.tuples(_ends, _ends).map(lambda ends: Integer(min(ends), max(ends)))


@st.composite
def enumerations(draw: st.DrawFn) -> Enumeration:
    words = draw(st.permutations(_WORDS))
    values = tuple(words[: draw(st.integers(1, 6))])
    others = words[len(values) : len(values) + draw(st.integers(0, 2))]
    code = draw(st.sampled_from(["unknown_status", "unknown_value"]))
    return Enumeration(values, {other: draw(st.sampled_from(values)) for other in others}, code)


@st.composite
def numbers(draw: st.DrawFn) -> Number:
    precision = draw(st.sampled_from([1, 2, 12, 18, 19, 29, MAX_PRECISION]) | st.integers(1, MAX_PRECISION))
    scale = draw(st.integers(0, min(precision, MAX_SCALE)))
    largest = 10**precision - 1
    ends = draw(st.lists(st.integers(-largest, largest) | st.just(0), min_size=2, max_size=2).map(sorted))
    low, high = (Decimal(f"{end}e-{scale}") if draw(st.booleans()) else None for end in ends)
    return Number(precision, scale, low, high)


scalars: Types = st.one_of(texts, texts, st.just(Date()), enumerations(), integers, numbers())


@st.composite
def lists_of_records(draw: st.DrawFn) -> Records:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=6, unique=True))
    fields = tuple(Column(name, draw(scalars), required=draw(st.booleans())) for name in names)
    return Records(fields, draw(st.sampled_from([1, 2, 3, 10, 1000, 10_000])))


timestamps: Types = st.sampled_from([Timestamp(), Timestamp(), Timestamp(future=True)])
types: Types = st.one_of(scalars, scalars, timestamps, lists_of_records())
key_types: Types = st.one_of(texts, texts, st.just(Date()), enumerations(), integers)


@st.composite
def feeds(draw: st.DrawFn, max_columns: int = 60) -> Feed:
    """A valid declaration with 2 to ``max_columns`` columns, most often few; its files are called generated_*."""
    key = [Column(f"k{n}", draw(key_types), required=True) for n in range(draw(st.sampled_from([1, 1, 2, 3])))]
    key = key[: max_columns - 1]
    lead = Column("moment", Timestamp(), required=True)
    room = max_columns - len(key) - 1
    size = draw(st.integers(0, min(8, room)) | st.integers(0, room))
    names = [*_NAMES, *(f"c{n}" for n in range(size))][:size]
    rest = [Column(name, draw(types), required=draw(st.booleans())) for name in names]
    rest = [_added_later(column, draw(st.sampled_from([None, None, 2, 3]))) for column in rest]
    moments = [column.name for column in (lead, *rest) if isinstance(column.type, (Date, Timestamp))]
    pairs = st.tuples(st.sampled_from(moments), st.sampled_from(moments)).filter(lambda pair: pair[0] != pair[1])
    return Feed(
        name="generated",
        title="generated",
        file_prefix="generated",
        table_prefix="generated",
        columns=tuple(draw(st.permutations([*key, lead, *rest]))),
        key=tuple(draw(st.permutations([column.name for column in key]))),
        newest_by=(lead.name, *draw(st.permutations(names))),
        not_before=tuple(draw(st.lists(pairs, max_size=2, unique=True))) if len(moments) > 1 else (),
        version=3,
    )


def _added_later(column: Column, version: int | None) -> Column:
    return column if column.required or version is None else replace(column, since=version)


@st.composite
def feeds_with_files(draw: st.DrawFn, max_rows: int = 6) -> tuple[Feed, bytes]:
    """A generated feed and a file of it."""
    feed = draw(feeds())
    return feed, draw(files(feed, max_rows=max_rows if len(feed.columns) < 20 else 2))
