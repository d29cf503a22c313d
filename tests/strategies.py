"""Hypothesis strategies for order-tracking files: valid, damaged and hostile. Everything is bytes, as uploaded.

Most tests use ``files()``. Values come from lists of near misses, not from all of Unicode: a timestamp of ``24:00:00``
tests more than a random string.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from tests.oracle import COLUMNS, LIFECYCLE

ARRIVAL = datetime(2026, 2, 1, 12, 0, 0, tzinfo=UTC)
"""The arrival of the generated files: their timestamps are around this moment + 24 h."""
NAME = "order_tracking_2026_01_31.csv"

# fmt: off
_texts = st.sampled_from(
    [
        "A1", "ORD-000017", "x", " padded ", "Zürich, Bahnhofstraße 1", 'the "old" mill', "😀" * 3, "'", "=cmd()",
        "NaN", "NULL", "a\tb", "two\nlines", "two\r\nlines", "lone\rCR", "\u2028", "\u00a0", "é" * 64, "x" * 64,
        " " + "x" * 64 + " ", "\x7f", "\u0085", "\ud7ff\ue000\uffff\U0010ffff",
    ]
)
_addresses = _texts | st.sampled_from(
    [
        "1 Main St", "12 Oak Ave, Springfield", "ä" * 1024, "x" * 500, "x" * 501, "x" * 999, "x" * 1000, "x" * 1001,
        "x" * 1024,
    ]
)
_bad_texts = st.sampled_from(["", " ", "\u000b", "é" * 65, "x" * 65, "x" * 1025, "ä" * 1025, "\0", "a\x1bb"]) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12
)
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
_statuses = st.one_of(
    st.sampled_from(LIFECYCLE),
    st.sampled_from(["Delivered", "IN_TRANSIT", "in-transit", "in \t- _transit", "order  placed", "Cancelled", "CANCELED"]),
)
_bad_statuses = st.sampled_from(
    [
        "", " ", "lost", "in", "intransit", "_shipped", "shipped-", "ſhipped", "proceſſing", "İn transit",
        "deliveRED!", "shipped,", "0",
    ]
)
# fmt: on
_blanks = st.sampled_from(["", "", "", "", "", "", "", "", " ", "\t", "  "])


_good = {
    "order_num": _texts,
    "tracking_num": st.sampled_from(["T1", "T2", "T3"]) | _texts,
    "pck_recieved_date": st.just("") | _dates,
    "package_deliver_date": st.just("") | _dates,
    "status": _statuses,
    "address": st.just("") | _addresses,
    "last_update_timestamp": _stamps,
}
_bad = {
    "order_num": _bad_texts,
    "tracking_num": _bad_texts,
    "pck_recieved_date": _bad_dates,
    "package_deliver_date": _bad_dates,
    "status": _bad_statuses,
    "address": _bad_texts,
    "last_update_timestamp": _bad_stamps,
}


@st.composite
def values(draw: st.DrawFn) -> dict[str, str]:
    """One row as column -> text, before quoting. A few values are bad; dates may be in the wrong order."""
    row = {name: draw(value) for name, value in _good.items()}
    if draw(st.integers(0, 2)) == 0:
        column = draw(st.sampled_from(COLUMNS))
        row[column] = draw(_bad[column])
    return row


def quoted(text: str) -> bytes:
    return b'"' + text.encode().replace(b'"', b'""') + b'"'


@st.composite
def written(draw: st.DrawFn, text: str) -> bytes:
    """A value as a field: quoted if necessary, sometimes without need, sometimes with blanks around it."""
    padded = draw(_blanks) + text + draw(_blanks)
    must = any(char in padded for char in ',"\r\n')
    return quoted(padded) if must or draw(st.integers(0, 5)) == 0 else padded.encode()


@st.composite
def rows(draw: st.DrawFn, columns: tuple[str, ...] = COLUMNS) -> bytes:
    """One well-formed row without its line ending; its values may violate rules."""
    row = draw(values())
    return b",".join([draw(written(row[name])) for name in columns])


# fmt: off
_wild_rows = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
        b"", b",", b",,,,,,", b",,,,,,,", b'""', b'"', b"A1,T1,shipped", b"\x00", b"\xff", b"\xed\xa0\x80",
        b"\xef\xbb\xbf", b'A1,T1,,,shipped,12 "Main" St,2026-01-31 10:00:00',
        b'A1,T1,,,shipped,"12 Main"x,2026-01-31 10:00:00', b'A1,T1,,,shipped,"12 Main St,2026-01-31 10:00:00',
        b"A1,T1,,,shipped,\x00,2026-01-31 10:00:00", b"A1,T1,,,shipped,\x0b,2026-01-31 10:00:00",
        b"A\x1b,T1,,,shipped,,2026-01-31 10:00:00", b"A1,T1,,,shipped,\xc3,2026-01-31 10:00:00",
        b"A1,T1,,,shipped,\xc0\xaf,2026-01-31 10:00:00", b"A1,T1,,,shipped,,2026-01-31 10:00:00,",
        b' "A1",T1,,,shipped,,2026-01-31 10:00:00', b"A1,T1,2026-01-02,2026-01-01,shipped,,2026-01-31 10:00:00",
        b"=cmd()|'/c calc'!A0,T1,,,shipped,,NaN", b'A1,T1,,,shipped,"' + b"x\n" * 2000 + b'",2026-01-31 10:00:00',
        b'"' + b"," * 50, b"A1,T1,,,shipped," + b"y" * 5000 + b",2026-01-31 10:00:00", b"\xf4\x90\x80\x80",
        b"\xe0\x80\xaf",
    ]
    ),
)
_line_ends = st.sampled_from([b"\n"] * 12 + [b"\r\n"] * 6 + [b"\n\n", b"\n\r\n", b"\r\n\n", b"\r", b"\r\r\n", b"\n\r"])
_wild_headers = st.sampled_from(
    [
        b"", b"order_num", ",".join(COLUMNS).upper().encode(), ",".join((*COLUMNS, "extra")).encode(),
        b"\xff\xfeo\x00r\x00", ",".join(COLUMNS[1:]).encode(), ",".join((*COLUMNS, "status")).encode(),
        ",".join(COLUMNS).replace("r_n", "r n").encode(), ",".join(COLUMNS).replace("o", "о").encode(),
        ";".join(COLUMNS).encode(), b'"order_num"x,' + ",".join(COLUMNS[1:]).encode(),
        ",".join((COLUMNS[0], *COLUMNS[:-1])).encode(), b"\xef\xbb\xbf\xef\xbb\xbf" + ",".join(COLUMNS).encode(),
    ]
)


# fmt: on
@st.composite
def headers(draw: st.DrawFn, columns: tuple[str, ...]) -> bytes:
    """A valid header: names in the given order, sometimes quoted or padded."""
    return b",".join([draw(written(name)) for name in columns]).replace("\u00a0".encode(), b"")


@st.composite
def files(draw: st.DrawFn, *, max_rows: int = 12, damaged: bool = True, shuffled: bool = True) -> bytes:
    """A whole file. With ``damaged``, some have invalid headers, malformed rows, mixed line endings or changed bytes."""
    columns = draw(st.just(COLUMNS) | st.permutations(COLUMNS).map(tuple)) if shuffled else COLUMNS
    wild = damaged and draw(st.integers(0, 2)) > 0
    header = draw(_wild_headers) if wild and draw(st.integers(0, 7)) == 0 else draw(headers(columns))
    row = st.one_of(rows(columns), rows(columns), rows(columns), _wild_rows) if wild else rows(columns)
    body = draw(st.lists(row, max_size=max_rows))
    end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"] if damaged else [b"\n", b"\r\n"]))
    pieces = [draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])), header]
    for text in body:
        pieces += [draw(_line_ends) if wild else end, text]
    pieces.append(draw(st.sampled_from([b"", end])))
    content = b"".join(pieces)
    if wild and content and draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(content) - 1))
        content = content[:at] + draw(st.binary(max_size=2)) + content[at + draw(st.integers(0, 2)) :]
    return content
