"""Splitting files into records: RFC 4180 with LF or CRLF, in chunks of any size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.contract.records import (
    BOM,
    MAX_RECORD_BYTES,
    Record,
    RecordCutter,
    RecordError,
    line_ends,
    place_of_field,
    split_records,
)
from tests.oracle import Bad, cut
from tests.strategies import files

texts = st.text(alphabet='a,"\r\né', max_size=40).map(str.encode) | files()


def records(content: bytes, piece: int | None = None) -> list[Record] | str:
    chunks = [content[at : at + piece] for at in range(0, len(content), piece)] if piece else [content]
    try:
        return list(split_records(chunks))
    except RecordError as error:
        return error.code


@given(texts)
@settings(deadline=None)
def test_fields_and_stray_quotes_are_those_of_the_oracle(content: bytes) -> None:
    content = content.decode("utf-8", "ignore").encode()
    found = records(content)
    try:
        expected = cut(content)
    except Bad:
        assert found in ("line_ends", "unclosed_quote", "record_too_long")
        return
    assert [([f.decode() for f in r.fields], r.stray_quote is not None) for r in found if isinstance(r, Record)] == expected


@given(texts, st.integers(1, 9))
@settings(deadline=None)
def test_chunks_may_end_anywhere(content: bytes, piece: int) -> None:
    content = content[:3000]
    assert records(content, piece) == records(content)


@given(texts)
@settings(deadline=None)
def test_the_line_of_a_record_is_correct(content: bytes) -> None:
    found = records(content)
    if isinstance(found, str):
        return
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for record in found:
        first = record.raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[0]
        assert lines[record.line - 1] == first


@given(texts)
@settings(deadline=None)
def test_splittable_files_can_be_split_at_every_lf(content: bytes) -> None:
    """The job relies on this when it reads lines in parallel."""
    cutter = RecordCutter()
    cutter.feed(content)
    cutter.end()
    found = []
    try:
        while record := cutter.next():
            found.append(record.raw)
    except RecordError:
        return
    if cutter.splittable:
        assert found == [line for line in (text.removesuffix(b"\r") for text in content.split(b"\n")) if line]


@pytest.mark.parametrize(
    ("text", "fields", "stray"),
    [
        (b"a,b", (b"a", b"b"), None),
        (b'"a","b"', (b"a", b"b"), None),
        (b'"a""b",', (b'a"b', b""), None),
        (b'"a,\r\nb"', (b"a,\r\nb",), None),
        (b'""', (b"",), None),
        (b'a"b,c', (b'a"b', b"c"), 0),
        (b'a,"b"c', (b"a", b"bc"), 1),
        (b' "a"', (b' "a"',), 0),
        (b'"a" ,b', (b"a ", b"b"), 0),
    ],
)
def test_quotes(text: bytes, fields: tuple[bytes, ...], stray: int | None) -> None:
    (record,) = split_records([text])
    assert (record.fields, record.stray_quote, record.raw) == (fields, stray, text)


@given(texts)
@settings(deadline=None)
def test_the_position_of_every_field_is_correct(content: bytes) -> None:
    found = records(content.decode("utf-8", "ignore").encode())
    text = content.decode("utf-8", "ignore").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for record in found:
        if not isinstance(record, Record):
            return
        for number, field in enumerate(record.fields):
            line, character = place_of_field(record, number)
            rest = "\n".join(text[line - 1 :])[character - 1 :]
            first = field.decode().replace("\r\n", "\n").replace("\r", "\n")
            assert rest.startswith((first, '"'))
            if number:
                before = "\n".join([*text[: line - 1], text[line - 1][: character - 1]])
                assert before.endswith(",")


def test_a_field_after_a_line_break_has_its_own_line() -> None:
    (record,) = split_records(['é,"a ""b"",\r\nc",d'.encode()])
    assert [place_of_field(record, field) for field in range(3)] == [(1, 1), (1, 3), (2, 4)]


def test_each_line_ending_ends_one_line() -> None:
    found = list(split_records([b'a\nb\r\n"c\rd\r\n\r"\n\n\r\n\r\ne\r\n']))
    assert [(record.raw, record.line) for record in found] == [(b"a", 1), (b"b", 2), (b'"c\rd\r\n\r"', 3), (b"e", 10)]
    assert line_ends(b"a\nb\r\nc\rd\n\n\r\n\r\re\r") == 9


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a\rb\n", 1),
        (b"a\n\rb\n", 2),
        (b"a\n\n\r\r\n", 3),
        (b"a\nb\r", 2),
        (b"a\n\r", 2),
        (b'a\n"b\r\nc"\rd\n', 3),
        (b'a\n"b"x\rc\n', 2),
        (b"a\n" + b"x" * (MAX_RECORD_BYTES + 1) + b"\r", 2),
    ],
)
def test_a_lone_cr_outside_quotes_makes_the_file_invalid_even_as_its_last_byte(content: bytes, line: int) -> None:
    with pytest.raises(RecordError) as error:
        list(split_records([content]))
    assert (error.value.code, error.value.line) in {("line_ends", line), ("record_too_long", line)}


def test_inside_quotes_a_lone_cr_is_part_of_the_field() -> None:
    (record,) = split_records([b'"a\rb",c\r\n'])
    assert record.fields == (b"a\rb", b"c")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_record_may_have_a_mebibyte_but_not_a_byte_more(end: bytes) -> None:
    longest = b"x" * MAX_RECORD_BYTES
    assert [len(record.raw) for record in split_records([longest + end])] == [MAX_RECORD_BYTES]
    with pytest.raises(RecordError, match="record_too_long at line 2"):
        list(split_records([b"a\n", longest + b"x" + end]))


def test_an_unclosed_quote_is_detected_without_reading_the_whole_file() -> None:
    fed = 0

    def chunks() -> object:
        nonlocal fed
        while True:
            fed += 65536
            yield b'"' + b"x\n" * 32767 if fed == 65536 else b"x\n" * 32768

    with pytest.raises(RecordError, match="record_too_long"):
        list(split_records(chunks()))  # type: ignore[arg-type]
    assert fed <= MAX_RECORD_BYTES + 3 * 65536


def test_the_caller_must_remove_the_byte_order_mark() -> None:
    assert next(iter(split_records([BOM + b"a"]))).fields == (BOM + b"a",)
