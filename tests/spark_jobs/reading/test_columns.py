"""Validation column by column gives the contract's result for every row, and plain lines take the fast path."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.reading import columns
from spark_jobs.reading.columns import FileLayout, validate_lines
from spark_jobs.reading.headers import find_header
from spark_jobs.reading.staged_rows import NOT_LINES, WHOLE_FILE_ROW, validate_line
from tests.spark_jobs.reading.readings import FILE, HEADER, LATEST, SCHEMA, Rows, contract_says, rows_of
from tests.strategies import files

POSITIONS = tuple(range(len(ORDER_TRACKING.columns)))
BOM = b"\xef\xbb\xbf"
ROW = "O{n},T{n},2026-01-01,2026-01-02,Shipped,1 Main St,2026-01-31 10:00:0{n}"


def kernel_says(lines: Sequence[bytes], positions: Sequence[int] = POSITIONS) -> Rows:
    numbers = pa.array(range(1, len(lines) + 1), pa.int64())
    layout = FileLayout(FILE, positions, LATEST)
    batches = validate_lines(ORDER_TRACKING, layout, numbers, pa.array(lines, pa.binary()))
    return rows_of(pa.Table.from_batches(batches, SCHEMA))


def one_by_one(lines: Sequence[bytes]) -> list[int]:
    """The numbers of the rows that did not take the fast path."""
    with patch.object(columns, "validate_line", wraps=validate_line) as slow:
        kernel_says(lines)
    return [call.args[4] for call in slow.call_args_list]


@settings(max_examples=250, deadline=None)
@given(files())
def test_a_file_is_what_the_contract_says_it_is(content: bytes) -> None:
    header = find_header(ORDER_TRACKING, content, whole=True)
    if header is None or header.violations or content.endswith(b"\r"):  # the driver looks at the last byte
        return
    lines = [line for line in content.removeprefix(BOM).split(b"\n") if line not in (b"", b"\r")]
    found = kernel_says(lines[1:], header.positions)
    assert found in (contract_says(content), {WHOLE_FILE_ROW: NOT_LINES})


_quoting = st.text(st.sampled_from('",,ab \r\x1f'), max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.builds("A1,T{},,,shipped,{},2026-01-31 10:00:00".format, _quoting, _quoting), min_size=1, max_size=9))
def test_quotes_commas_and_blanks_in_any_order_are_read_as_the_contract_reads_them(texts: list[str]) -> None:
    for text in texts:
        line = text.encode()
        alone = kernel_says([line])
        assert alone in (contract_says(f"{HEADER}\n{text}".encode()), {WHOLE_FILE_ROW: NOT_LINES})
    together = kernel_says([text.encode() for text in texts])
    assert together in (contract_says("\n".join([HEADER, *texts]).encode()), {WHOLE_FILE_ROW: NOT_LINES})


@pytest.mark.parametrize(
    "line",
    [
        ROW.format(n=1),
        ROW.format(n=1) + "\r",
        '"O1","T1","2026-01-01","","in transit","12 Oak Ave, Springfield","2026-01-31 10:00:00"',
        'O1,T1,,,pending," a, b , ",2026-01-31 10:00:00',
        'O1,T1,,,pending,"the ""old"" mill",2026-01-31 10:00:00',
        'O1,"T1",,"",pending,"",2026-01-31 10:00:00',
        "O1,T1,,,pending,,2026-01-31T10:00:00.5+05:30",
        "O1,T1,,,pending,,2026-01-31 10:00:00Z",
        " O1 , T1 ,,,in_transit, ä ,2026-01-31 10:00:00 ",
    ],
)
def test_plain_lines_go_the_fast_way(line: str) -> None:
    assert one_by_one([line.encode()]) == []
    assert kernel_says([line.encode()]) == contract_says(f"{HEADER}\n{line}\n".encode())


@pytest.mark.parametrize(
    "line",
    [
        'O1,T1,,,pending,12 "Main" St,2026-01-31 10:00:00',
        'O1,T1,,,pending, "a",2026-01-31 10:00:00',
        'O1,T1,,,pending,"a" ,2026-01-31 10:00:00',
        "O1,T1,,,pending,a\tb,2026-01-31 10:00:00",
        "O1,T1,,,pending,a\x1fb,2026-01-31 10:00:00",
        "O1,T1,2026-02-30,,pending,,2026-01-31 10:00:00",
        "O1,T1,2026-01-02,2026-01-01,pending,,2026-01-31 10:00:00",
        "O1,T1,,,pending,,0001-01-01 00:00:00+00:01",
        "O1,T1,,,pending,,2026-01-31 10:00:00+18:01",
        "O1,T1,,,pending,,9999-12-31 23:59:59-00:01",
        "too,short",
    ],
)
def test_the_contract_decides_about_any_other_line(line: str) -> None:
    lines = [ROW.format(n=1).encode(), line.encode(), ROW.format(n=3).encode()]
    assert one_by_one(lines) == [2]
    assert kernel_says(lines) == contract_says(b"\n".join([HEADER.encode(), *lines]))


@pytest.mark.parametrize("line", [b"\xff", b'"open', b"a\rb", b"\r\r", b'a"b,"open', b"x" * (1024 * 1024 + 1)])
def test_a_line_that_is_no_record_says_so_for_the_file(line: bytes) -> None:
    assert kernel_says([ROW.format(n=1).encode(), line]) == {WHOLE_FILE_ROW: NOT_LINES}


def test_the_latest_moment_allowed_is_clean_and_the_next_is_not() -> None:
    stamps = [LATEST, LATEST + timedelta(microseconds=1)]
    lines = [f"O,T{at},,,pending,,{stamp:%Y-%m-%dT%H:%M:%S.%f}Z".encode() for at, stamp in enumerate(stamps)]
    assert one_by_one(lines) == [2]
    assert kernel_says(lines) == contract_says(b"\n".join([HEADER.encode(), *lines]))


def test_no_lines_are_no_rows() -> None:
    assert kernel_says([]) == {}
