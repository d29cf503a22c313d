"""Hypothesis strategies for files of any feed: valid, damaged and hostile. Everything is bytes, as uploaded.

Most tests use ``files()``. Values come from lists of near misses, not from all of Unicode: a timestamp of ``24:00:00``
tests more than a random string.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from spark_jobs.contract.column_types import CURRENCY, EMAIL, Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.record_lists import Records

ARRIVAL = datetime(2026, 2, 1, 12, 0, 0, tzinfo=UTC)
"""The arrival of the generated files: their timestamps are around this moment + 24 h."""
NAME = "order_tracking_2026_01_31.csv"

Texts = SearchStrategy[str]

# fmt: off
_TEXTS = [
    "A1", "ORD-000017", "x", " padded ", "Zürich, Bahnhofstraße 1", 'the "old" mill', "😀" * 3, "'", "=cmd()", "NaN",
    "a\tb", "two\nlines", "two\r\nlines", "lone\rCR", "\u2028", "\u00a0", "\x7f", "\u0085", "\ud7ff\ue000\uffff\U0010ffff",
    "NULL", "back\\slash", "[]", "null", "12 Oak Ave, Springfield",
]
_LENGTHS = (64, 500, 501, 999, 1000, 1001, 1024)
_FORMED = {
    EMAIL.about: ["a@b", "ada.meyer+x@example.com", "é@ü", '"a,b"@c', "a\u200b@b", "😀@-"],
    CURRENCY.about: ["EUR", "USD", "ZZZ"],
}
_MALFORMED = {
    EMAIL.about: ["ada", "a@", "@b", "a@b@c", "a b@c", "a@b\u00a0c", "a\u2028@b", "@", "a@b\nc", "a\u0085@b", "a@\u3000"],
    CURRENCY.about: ["eur", "EU", "EURO", "E R", "ＥＵＲ", "ÄÖÜ", "EU\u0130", "EUſ", "123"],
}
_BAD_TEXTS = ["", " ", "\u000b", "\0", "a\x1bb"]
_dates = st.one_of(
    st.dates().map(str),
    st.sampled_from(["2026-01-01", "2026-01-02", "2025-12-31", "2026-01-31", "2024-02-29", "2000-02-29", "0001-01-01"]),
    st.sampled_from(["9999-12-31", "2026-02-27", "2026-02-28", "1999-12-31", "0004-02-29", "2025-03-31"]),
)
_bad_dates = st.sampled_from(
    [
        "2026-02-30", "1900-02-29", "2025-02-29", "2026-1-2", "2026-01-00", "2026-00-01", "2026-13-01", "2026-04-31",
        "0000-01-01", "20260101", "2026-01-01T00:00:00", "infinity", "2026-01-1", "٢٠٢٦-٠١-٠١", "NULL", "2026/01/01",
        "+2026-01-01", "2026-01-011", "2026-01-32", "-026-01-01", "2026–01–01",
    ]
)
_clocks = st.sampled_from(["00:00:00", "23:59:59", "10:15:30", "12:00:00", "12:00:01", "11:59:59.999999", "10:00:00.5"])
_offsets = st.sampled_from(["", "", "Z", "+00:00", "-00:00", "+05:30", "-08:00", "+18:00", "-18:00", "+14:00", "-00:01"])
_stamps = st.builds(
    lambda day, gap, clock, offset: day + gap + clock + offset,
    st.one_of(st.dates(max_value=ARRIVAL.date()).map(str), st.sampled_from(["2026-01-31", "2026-02-01", "2026-02-02"])),
    st.sampled_from(" T"),
    _clocks,
    _offsets,
)
_bad_stamps = st.sampled_from(
    [
        "", " ", "2026-01-31", "2026-01-31 24:00:00", "2026-01-31 10:00", "2026-01-31 10:60:00", "2026-01-31 10:00:60",
        "NaN", "2026-01-31 10:00:00.", "2026-01-31 10:00:00.1234567", "2026-01-31 10:00:00+5:00",
        "2026-01-31 10:00:00+18:01", "2026-01-31 10:00:00+05", "2026-01-31 10:00:00 Z", "2026-01-31t10:00:00",
        "2026-01-31 10:00:00z", "1769853600", "2026-01-31  10:00:00", "0001-01-01 00:00:00+00:01",
        "9999-12-31 23:59:59", "9999-12-31 23:59:59-00:01", "0000-12-31 23:59:59-18:00", "2026-01-31 10:00:00+00:60",
        "2026-02-03 00:00:00", "2026-02-02 12:00:00.000001", "2026-01-31\u00a010:00:00", "2026-01-31 1:00:00",
        "2026-01-31 10:00:00.5.5", "2026-01-31 10:00:00+-5:00",
    ]
)
_BAD_NUMBERS = [
    "", "1e3", "1E3", "+5", "007", "00", "-", "--1", "1_000", "1,000", "1.", ".5", "1.2.3", "0x1F", "NaN", "Infinity", "٣",
    "１",
    "²", "1 2", "5-", "−5", "1'000", "9" * 19, "9" * 40, "9" * 5000, "0." + "0" * 40, "1e400", "-00", "½", "true",
    "1\u00a0",
]
_BAD_WORDS = ["", " ", "lost", "0", "ſhipped", "proceſſing", "İn transit", "deliveRED!", "pending,"]
_BROKEN_JSON = [
    "[]", "{}", "null", "0", '""', "[", "]", "[{]", "[{}", "[{},]", "[,{}]", "[{}{}]", "[null]", "[[]]", "[[{}]]",
    "[{}] x", "[{}]]",
    "\ufeff[{}]", "[{},null]", "[{},1]", "['a']", "[{'a':1}]", "[{a:1}]", "[// x\n{}]", "NaN", "[NaN]", "true", "[{}],",
    "[{,}]",
    '[{"a"}]', '[{"a":}]', '[{"a":1,}]', '[{"a":1 "b":2}]', '[{1:2}]', '[{null:2}]', '[{"a":"\\x"}]', '[{"a":"\\u12"}]',
    '[{"a":"\\u00zz"}]', '[{"a":"\\ud800"}]', '[{"\\udfff":1}]', '[{"a":"\n"}]', '[{"a":"\t"}]', '[{"a":\u00a01}]',
    "[{}]\u00a0",
    '[{"a":1}', '[{"a', '[{"a":"', '[{"a":"\\', '[{"a":01}]', '[{"a":1e99999}]', '[{"a":-}]', '[{"a":Infinity}]',
    '[{"a":tru}]',
    "[" * 10_000, "[" * 10_000 + "]" * 10_000, '[{"a":' * 10_000, '{"a":' * 5000 + "1" + "}" * 5000,
    "[" + "0," * 5000 + "0]",
    "[" + "{}," * 5000 + "{}]", '[{"a":' + "9" * 9000 + "}]",
]
# fmt: on


def good_values(column: Column) -> Texts:
    """Texts of a column that are nearly always valid."""
    match column.type:
        case Text(longest, form):
            if form is not None:
                return st.sampled_from(_FORMED.get(form.about, ["x"]))
            texts = [text for text in _TEXTS if len(text) <= longest]
            texts += [char * length for length in (*_LENGTHS, longest) if length <= longest for char in "xä"]
            return st.sampled_from([*texts, f" {'x' * longest} "])
        case Date():
            return _dates
        case Timestamp():
            return _stamps
        case Enumeration(values, synonyms):
            return st.sampled_from([*values, *synonyms]).flatmap(lambda word: st.sampled_from(_spellings(word)))
        case Integer(low, high):
            ends = (low, high, low + 1, high - 1, (low + high) // 2, 0)
            return st.sampled_from([str(n) for n in ends if low <= n <= high])
        case Number():
            return st.sampled_from(_amounts(column.type))
        case Records(fields, most):
            return record_lists(fields, most)
    raise AssertionError(column.name)


def bad_values(column: Column) -> Texts:
    """Near misses of a column; a few are valid."""
    match column.type:
        case Text(longest, form):
            missed = _MALFORMED.get(form.about, []) if form else []
            random = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
            return st.sampled_from([*_BAD_TEXTS, *missed, "x" * (longest + 1), "ä" * (longest + 1)]) | random
        case Date():
            return _bad_dates
        case Timestamp():
            return _bad_stamps
        case Enumeration(values):
            word = values[0]
            near = [word[:-1], word + "s", "_" + word, word + "-", word.replace(" ", ""), word + " " + word, word + "."]
            return st.sampled_from([*_BAD_WORDS, *near])
        case Integer(low, high):
            return st.sampled_from([*_BAD_NUMBERS, str(low - 1), str(high + 1), f"{low}.0", f"{high}.", "-0"])
        case Number(precision, scale):
            over = [
                "1" * (precision - scale + 1),
                "1." + "1" * (scale + 1),
                "-0.00",
                "-0.01",
                f"{10**precision}",
                "0.0000000",
            ]
            return st.sampled_from([*_BAD_NUMBERS, *over])
        case Records(fields, most):
            return st.sampled_from(_BROKEN_JSON) | record_lists(fields, most, damaged=True)
    raise AssertionError(column.name)


def _spellings(word: str) -> list[str]:
    return [
        word,
        word,
        word.upper(),
        word.title(),
        word.replace(" ", "_"),
        word.replace(" ", " \t-_"),
        word.replace(" ", "-"),
    ]


def _amounts(kind: Number) -> list[str]:
    whole = "9" * (kind.precision - kind.scale) or "0"
    texts = ["0", "0." + "9" * kind.scale, "1", "1.1", "1.10", "24.90", "-1", "-0", whole, f"{whole}.{'9' * kind.scale}"]
    texts += [f"{bound:f}" for bound in (kind.low, kind.high) if bound is not None]
    low, high = kind.low, kind.high
    return [
        text
        for text in texts
        if not text.endswith(".")
        and len(text.partition(".")[2]) <= kind.scale
        and (low is None or low <= Decimal(text))
        and (high is None or Decimal(text) <= high)
    ] or ["0"]


@st.composite
def record_lists(draw: st.DrawFn, fields: tuple[Column, ...], most: int, damaged: bool = False) -> str:
    """A list of records as JSON in any spelling. With ``damaged``, one thing in it is wrong."""
    sizes = [1, 1, 2, 3, most] if most <= 12 else [1, 1, 2, 3]
    records = [[(field.name, draw(_literals(field))) for field in fields] for _ in range(draw(st.sampled_from(sizes)))]
    for record in records:
        if draw(st.booleans()):
            optional = [field.name for field in fields if not field.required]
            left_out = draw(st.sampled_from([*optional, ""]))
            record[:] = draw(st.permutations([pair for pair in record if pair[0] != left_out]))
    if damaged:
        at = draw(st.integers(0, len(records) - 1))
        draw(st.sampled_from(_DAMAGES))(draw, fields, records, at)
        if draw(st.integers(0, 9)) == 0:
            records = records[:1] * (most + 1) if most <= 1000 else []
    gap = draw(st.sampled_from(["", "", " ", "\n", " \r\n\t"]))
    shown = [f"{{{gap}{f',{gap}'.join(f'{_quoted(name)}:{gap}{value}' for name, value in one)}}}" for one in records]
    text = f"[{gap}{f'{gap},'.join(shown)}{gap}]"
    if damaged and draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.sampled_from(["", ",", '"', "}", "]", "\\", " ", "0", "\ufeff"])) + text[at + 1 :]
    return text


@st.composite
def _literals(draw: st.DrawFn, field: Column) -> str:
    """A valid value of a field as a JSON literal; null now and then where it may be missing."""
    if not field.required and draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(["null", '""', '" "'] if _is_text(field) else ["null"]))
    value = draw(good_values(field))
    return json.dumps(value, ensure_ascii=draw(st.booleans())) if _is_text(field) else value


def _is_text(field: Column) -> bool:
    return not isinstance(field.type, (Integer, Number))


def _quoted(name: str) -> str:
    return name if name.startswith('"') else f'"{name}"'


_Fields = tuple[Column, ...]
_Records = list[list[tuple[str, str]]]
_LITERALS = [
    "null",
    "true",
    "[]",
    "{}",
    "0",
    '"0"',
    "1e2",
    "NaN",
    "-Infinity",
    '"\\ud800"',
    '"\\u0000"',
    '"\\u001f"',
    "1E400",
]


def _bad_value(draw: st.DrawFn, fields: _Fields, records: _Records, at: int) -> None:
    field = draw(st.sampled_from(fields))
    value = draw(bad_values(field))
    if _is_text(field):
        value = json.dumps(value)
    records[at] = [pair for pair in records[at] if pair[0] != field.name] + [(field.name, value or "0")]


def _other_literal(draw: st.DrawFn, fields: _Fields, records: _Records, at: int) -> None:
    field = draw(st.sampled_from(fields))
    records[at] = [(name, draw(st.sampled_from(_LITERALS)) if name == field.name else text) for name, text in records[at]]


def _twice(draw: st.DrawFn, fields: _Fields, records: _Records, at: int) -> None:
    if records[at]:
        name, value = draw(st.sampled_from(records[at]))
        escaped = f'"\\u{ord(name[0]):04x}{name[1:]}"'
        records[at].append((draw(st.sampled_from([name, escaped])), value))


def _unknown(draw: st.DrawFn, fields: _Fields, records: _Records, at: int) -> None:
    names = ["colour", '"\\ud800"', '""', fields[0].name.upper(), fields[0].name + " ", fields[0].name[:-1]]
    records[at].insert(draw(st.integers(0, len(records[at]))), (draw(st.sampled_from(names)), "1"))


def _missing(draw: st.DrawFn, fields: _Fields, records: _Records, at: int) -> None:
    field = draw(st.sampled_from(fields))
    records[at] = [pair for pair in records[at] if pair[0] != field.name]


def _no_object(draw: st.DrawFn, fields: _Fields, records: _Records, at: int) -> None:
    records[at] = []


_DAMAGES: list[Callable[[Any, _Fields, _Records, int], None]] = [
    _bad_value, _bad_value, _bad_value, _other_literal, _twice, _unknown, _missing, _no_object,
]  # fmt: skip


def _mostly(column: Column) -> Texts:
    good = good_values(column)
    return good if column.required else st.one_of(st.just(""), good, good)


class _Pools:
    """The strategies of a feed's values, made once per file."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.good: Mapping[str, Texts] = {column.name: _mostly(column) for column in feed.columns}
        self.good |= {name: st.sampled_from(["T1", "T2"]) | self.good[name] for name in feed.key if _is_free(feed, name)}
        self.bad: Mapping[str, Texts] = {column.name: bad_values(column) for column in feed.columns}


def _is_free(feed: Feed, name: str) -> bool:
    kind = feed.column(name).type
    return isinstance(kind, Text) and kind.form is None and kind.max_length > 1


@st.composite
def _row_values(draw: st.DrawFn, pools: _Pools, columns: tuple[str, ...]) -> dict[str, str]:
    """One row as column -> text, before quoting. A few values are bad, and a few pairs of dates in the wrong order."""
    row = {name: draw(pools.good[name]) for name in columns}
    for later, earlier in pools.feed.not_before:
        if "" < row.get(later, "")[:10] < row.get(earlier, "")[:10] and draw(st.integers(0, 4)):
            first, last = (pools.feed.column(name).type for name in (earlier, later))
            if isinstance(last, Date):
                row[later] = row[earlier][:10]
            else:
                row[earlier] = row[later][:10] if isinstance(first, Date) else row[later]
    if draw(st.integers(0, 2)) == 0:
        column = draw(st.sampled_from(columns))
        row[column] = draw(pools.bad[column])
    return row


def quoted(text: str) -> bytes:
    return b'"' + text.encode().replace(b'"', b'""') + b'"'


_STYLES = st.sampled_from([*(("", "", False),) * 8, (" ", "", False), ("", "\t", False), ("", "", True), ("  ", " ", True)])


@st.composite
def written(draw: st.DrawFn, text: str) -> bytes:
    """A value as a field: quoted if necessary, sometimes without need, sometimes with blanks around it."""
    before, after, quote = draw(_STYLES)
    padded = before + text + after
    return quoted(padded) if quote or any(char in padded for char in ',"\r\n') else padded.encode()


@st.composite
def _rows(draw: st.DrawFn, pools: _Pools, columns: tuple[str, ...]) -> bytes:
    row = draw(_row_values(pools, columns))
    return b",".join([draw(written(row[name])) for name in columns])


def rows(columns: tuple[str, ...] | None = None, feed: Feed = ORDER_TRACKING) -> SearchStrategy[bytes]:
    """Well-formed rows without their line ending; their values may violate rules."""
    return _rows(_Pools(feed), columns or feed.column_names)


# fmt: off
_WILD_ROWS = st.binary(max_size=40) | st.sampled_from(
    [
        b"", b",", b",,,,,,", b",,,,,,,", b'""', b'"', b"A1,T1,shipped", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf",
        b'"' + b"," * 50, b"\xf4\x90\x80\x80", b"\xe0\x80\xaf", b'"' + b"x\n" * 2000 + b'"', b"=cmd()|'/c calc'!A0",
    ]
)
_DAMAGE = [
    b'"', b'""', b",", b",,", b'" "', b"\x00", b"\x0b", b"\x1b", b"\xc3", b"\xff", b"\xc0\xaf", b"\xef\xbb\xbf", b"\r",
    b"\n", b"x\n" * 900,
    b"y" * 5000, b" ", b"'", b"[", b"{", b"\\",
]
# fmt: on


@st.composite
def _damaged_rows(draw: st.DrawFn, row: SearchStrategy[bytes]) -> bytes:
    """A well-formed row in which one thing was put somewhere, most often where a field begins or ends."""
    text = draw(row)
    edges = [0, len(text), *(at + near for at, byte in enumerate(text) if byte in b',"' for near in (0, 1))]
    at = draw(st.sampled_from(edges) | st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(_DAMAGE)) + text[at + draw(st.integers(0, 1)) :]


_line_ends = st.sampled_from([b"\n"] * 24 + [b"\r\n"] * 12 + [b"\n\n", b"\n\r\n", b"\r\n\n"] * 2 + [b"\r", b"\n\r"])


def _wild_headers(columns: tuple[str, ...]) -> SearchStrategy[bytes]:
    joined = ",".join(columns)
    # fmt: off
    texts = [
        "", columns[0], joined.upper(), f"{joined},extra", ",".join(columns[1:]), f"{joined},{columns[-1]}",
        joined.replace("_", " "),
        joined.replace("o", "о"), joined.replace(",", ";"), f'"{columns[0]}"x,' + ",".join(columns[1:]),
        ",".join((columns[0], *columns[:-1])), "\ufeff\ufeff" + joined, joined + ",", "file_id," + joined,
    ]
    # fmt: on
    return st.sampled_from([text.encode() for text in texts] + [b"\xff\xfeo\x00r\x00"])


@st.composite
def headers(draw: st.DrawFn, columns: tuple[str, ...]) -> bytes:
    """A valid header: names in the given order, sometimes quoted or padded."""
    return b",".join([draw(written(name)) for name in columns])


@st.composite
def files(
    draw: st.DrawFn, feed: Feed = ORDER_TRACKING, *, max_rows: int = 12, damaged: bool = True, shuffled: bool = True
) -> bytes:
    """A whole file of a feed, with or without the columns that were added to it later.

    With ``damaged``, some have invalid headers, malformed rows, mixed line endings or changed bytes.
    """
    pools = _Pools(feed)
    added = [column.name for column in feed.columns if column.since is not None]
    left_out = draw(st.sets(st.sampled_from(added))) if added else set()
    columns = tuple(name for name in feed.column_names if name not in left_out)
    if shuffled:
        columns = draw(st.just(columns) | st.permutations(columns).map(tuple))
    wild = damaged and draw(st.integers(0, 2)) > 0
    header = draw(_wild_headers(columns)) if wild and draw(st.integers(0, 7)) == 0 else draw(headers(columns))
    plain = _rows(pools, columns)
    row = st.integers(0, 11).flatmap(lambda kind: [_WILD_ROWS, _damaged_rows(plain)][kind] if kind < 2 else plain)
    body = draw(st.lists(row if wild else plain, max_size=max_rows))
    end = draw(st.sampled_from([b"\n", b"\r\n", *[b"\r"] * wild]))
    pieces = [draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])), header]
    for text in body:
        pieces += [draw(_line_ends) if wild else end, text]
    pieces.append(draw(st.sampled_from([b"", end])))
    content = b"".join(pieces)
    if wild and content and draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(content) - 1))
        content = content[:at] + draw(st.binary(max_size=2)) + content[at + draw(st.integers(0, 2)) :]
    return content
