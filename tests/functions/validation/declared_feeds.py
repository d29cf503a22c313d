"""Hypothesis strategies: feeds of any declaration, and files for them, with values that are valid or nearly so."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import strategies as st

from spark_jobs.contract.column_types import (
    CURRENCY,
    EMAIL,
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

NAME = "generated_2026_01_31.csv"

_words = st.sampled_from(
    [("new", "in work", "done"), ("a",), ("ks", "sk", "s k"), ("pending", "paid", "order placed", "shipped")]
)
_bounds = st.sampled_from([(0, 9), (1, 1_000_000), (-250, 37), (-(2**63), 2**63 - 1), (5, 5), (-20, -3), (98, 1203)])
_text = st.builds(
    Text, st.sampled_from([1, 3, 8, 64, 256, 1024]), st.none() | st.none() | st.sampled_from([EMAIL, CURRENCY])
)
_enumeration = st.builds(
    lambda values, code: Enumeration(values, {"gone": values[0]}, code),
    _words,
    st.sampled_from(["unknown_status", "unknown_value"]),
)
_integer = st.builds(lambda bounds: Integer(*bounds), _bounds)
_number = st.builds(
    Number,
    st.sampled_from([4, 12, 38]),
    st.sampled_from([0, 1, 2]),
    st.none() | st.sampled_from([Decimal(0), Decimal(-10), Decimal(3)]),
    st.none() | st.sampled_from([Decimal(7), Decimal(10)]),
) | st.just(Number(3, 3))
_dates = st.just(Date())
_stamps = st.builds(Timestamp, st.booleans())


@st.composite
def _columns(draw: st.DrawFn, types: st.SearchStrategy[ColumnType], prefix: str, most: int) -> tuple[Column, ...]:
    found = draw(st.lists(st.tuples(types, st.booleans()), min_size=1, max_size=most))
    return tuple(Column(f"{prefix}{at}", kind, required) for at, (kind, required) in enumerate(found))


_record_types: st.SearchStrategy[ColumnType] = st.one_of(_text, _dates, _enumeration, _integer, _number)
_records = st.builds(Records, _columns(_record_types, "f", 4), st.sampled_from([1, 2, 12, 13, 200, 1000]))
types: st.SearchStrategy[ColumnType] = st.one_of(_text, _text, _dates, _stamps, _enumeration, _integer, _number, _records)
_key_types: st.SearchStrategy[ColumnType] = st.one_of(st.just(Text(64)), _dates, _enumeration, _integer)


@st.composite
def feeds(draw: st.DrawFn) -> Feed:
    key = tuple(Column(f"k{at}", kind, True) for at, kind in enumerate(draw(st.lists(_key_types, min_size=1, max_size=2))))
    others = [
        Column(column.name, column.type, column.required and not late, since=2 if late else None)
        for column in draw(_columns(types, "c", 8))
        for late in [draw(st.integers(0, 5)) == 0]
    ]
    moment = Column("moment", Timestamp(), True)
    columns = tuple(draw(st.permutations([*key, *others, moment])))
    dated = [column.name for column in columns if isinstance(column.type, (Date, Timestamp))]
    pair = st.tuples(st.sampled_from(dated), st.sampled_from(dated)).filter(lambda both: both[0] != both[1])
    pairs = draw(st.lists(pair, max_size=3)) if len(dated) > 1 else []
    return Feed(
        name="generated",
        title="generated",
        file_prefix="generated",
        table_prefix="generated",
        columns=columns,
        key=tuple(column.name for column in key),
        newest_by=("moment", *(column.name for column in others)),
        not_before=tuple(pairs),
        version=2,
    )


# fmt: off
_some_days = st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-30", "2024-02-29", "2025-12-31"])
_odd_days = st.sampled_from(["2025-02-29", "0001-01-01", "9999-12-31", "1000-01-01", "2026-1-1", "x"])
_clocks = st.sampled_from(["00:00:00", "10:00:00", "10:00:00.5", "10:00:00.50", "10:00:00.123456", "23:59:59"])
_offsets = st.sampled_from(["", "", "", "", "Z", "+02:00", "-08:00", "+18:00", "-18:00", "+18:01"])
_odd_texts = ["", " ", " x ", "x y", "a, b", 'the "old" mill', "[x]", ']",', '"[1]"', "two\nlines", "tab\t", "\x00",
              "\\", "é", '""""', "2026-01-02 10:00:00", "x,2026-01-02 10:00:00,", "[]", "NULL"]
_odd_numbers = ["007", "+5", "1e3", "1.10", "0.000", "-0", "-0.0", ".5", "5.", "1,000", "99.95", "100.00", "-1.5", "x",
                "0", "1"]
_forms = {
    EMAIL: ["ada@example.com", "a@b", "a@b@c", "a b@c", "@", "a@" + "b" * 64, "é@example.com"],
    CURRENCY: ["EUR", "USD", "eur", "EURO", "EÜR"],
}
# fmt: on


_usual_stamps = st.builds("{}{}{}{}".format, _some_days, st.sampled_from("   T"), _clocks, st.sampled_from(["", "", "Z"]))
_odd_stamps = st.builds(
    "{}{}{}{}".format, _some_days | _odd_days | st.just("2026-02-02"), st.sampled_from(" Tx"), _clocks, _offsets
)


def usual(kind: ColumnType) -> st.SearchStrategy[str]:
    """A valid value as text, before quoting."""
    match kind:
        case Text(_, form) if form is not None:
            return st.sampled_from(_forms[form][:2])
        case Text(longest):
            return st.sampled_from(
                ["A", "x", "ü" * (longest // 2 or 1), "x" * longest, ("a b, " * 20)[:longest].strip(" ,")]
            )
        case Date():
            return _some_days
        case Timestamp():
            return _usual_stamps
        case Enumeration(values):
            return st.sampled_from(values)
        case Integer(low, high):
            return st.integers(low, high).map(str)
        case Number(precision, scale, low, high):
            most = 10 ** (precision - scale) - 1
            least = -most if low is None else max(-most, low)
            return st.decimals(min(least, most), most if high is None else max(least, min(most, high)), places=scale).map(
                str
            )
        case Records():
            return _list_text(kind, odd=False)
    raise AssertionError(kind)


def odd(kind: ColumnType) -> st.SearchStrategy[str]:
    """A value as text, before quoting, that is unusual, often invalid."""
    match kind:
        case Text(_, form) if form is not None:
            return st.sampled_from(_forms[form])
        case Text(longest):
            return st.sampled_from([*_odd_texts, "é" * longest, "x" * (longest + 1), '"' * longest, '"' * (longest + 1)])
        case Date():
            return _odd_days
        case Timestamp():
            return _odd_stamps
        case Enumeration(values):
            return st.sampled_from(["gone", "GONE", "no", "ſ", "K", values[-1].replace(" ", "_-"), values[0].upper(), ""])
        case Integer(low, high):
            return st.sampled_from([str(low - 1), str(high + 1), str(low), str(high), *_odd_numbers])
        case Number(precision, scale, low, high):
            digits = 10 ** (precision - scale)
            return st.sampled_from([str(digits), str(digits - 1), str(low), str(high), *_odd_numbers])
        case Records():
            return _list_text(kind, odd=True)
    raise AssertionError(kind)


@st.composite
def _list_text(draw: st.DrawFn, kind: Records, odd: bool) -> str:
    if odd and draw(st.integers(0, 4)) == 0:
        return draw(
            st.sampled_from(["[]", "{}", "[1]", "[{}]", "[null]", "[[]]", "[" * 99, "nonsense", '[{"f0":1,"f0":1}]'])
        )
    spaces = st.sampled_from([(": ", ", "), (":", ",")])
    colon, comma = draw(st.just((" : ", " , ")) if odd and draw(st.integers(0, 4)) == 0 else spaces)
    records = [
        draw(_record_text(kind, colon, comma, odd and draw(st.booleans())))
        for _ in range(draw(st.integers(1, min(3, kind.max_records))))
    ]
    if draw(st.integers(0, 9)) == 0:
        records = records[:1] * (kind.max_records + odd)
    return f"[{comma.join(records)}]"


@st.composite
def _record_text(draw: st.DrawFn, kind: Records, colon: str, comma: str, strange: bool) -> str:
    members = []
    for field in kind.fields:
        text = draw((odd if strange and draw(st.integers(0, 2)) == 0 else usual)(field.type))
        number = isinstance(field.type, (Integer, Number)) != (strange and draw(st.integers(0, 9)) == 0)
        written = text if number and text else json.dumps(text, ensure_ascii=strange)
        if field.required or draw(st.integers(0, 3)):
            written = "null" if (strange or not field.required) and draw(st.integers(0, 5)) == 0 else written
            members.append(f'"{field.name}"{colon}{written}')
    if strange and draw(st.integers(0, 9)) == 0:
        members.append(f'"f9"{colon}1')
    if strange and draw(st.integers(0, 5)) == 0:
        members.reverse()
    return "{" + comma.join(members) + "}"


@st.composite
def files(draw: st.DrawFn, feed: Feed, most_rows: int = 12) -> bytes:
    """A file of the feed: columns in some order, sometimes without those that were added later."""
    columns = [column for column in feed.columns if not column.since or draw(st.booleans())]
    columns = draw(st.just(columns) | st.permutations(columns))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    lines = [",".join(column.name for column in columns)]
    for _ in range(draw(st.integers(1, most_rows))):
        strange = draw(st.sets(st.sampled_from(range(len(columns))), max_size=2)) if draw(st.booleans()) else set()
        texts = []
        for place, column in enumerate(columns):
            text = draw((odd if place in strange else usual)(column.type))
            missing = not column.required and draw(st.integers(0, 3)) == 0
            texts.append(draw(st.sampled_from(["", '""', " "])) if missing else draw(_field(text, place in strange)))
        lines.append(",".join(texts))
    return (end.join(lines) + draw(st.sampled_from(["", end]))).encode()


@st.composite
def _field(draw: st.DrawFn, text: str, strange: bool) -> str:
    if any(char in text for char in ',"\r\n') or draw(st.integers(0, 7)) == 0:
        return f'"{text}"' if strange and draw(st.integers(0, 9)) == 0 else '"' + text.replace('"', '""') + '"'
    return draw(st.sampled_from([""] * 9 + [" "])) + text
