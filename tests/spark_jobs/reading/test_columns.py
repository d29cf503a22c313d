"""Files read column by column are what the contract says of them, row for row; and nothing of Spark is needed for it."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.batches import FileCounts
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.reading.columns import read_columns
from spark_jobs.reading.counts import count_table
from spark_jobs.reading.deduplication import flag_table, flags
from spark_jobs.reading.row_validation import validate_stream
from spark_jobs.reading.staged_rows import StagedRow, as_arrow, staged_names
from tests.strategies import ARRIVAL, files

LATEST = latest_allowed(ORDER_TRACKING, ARRIVAL)
FILE = "b/source/order_tracking_2026_01_31.csv#1"
HEADER = ",".join(ORDER_TRACKING.column_names)
ROW = "O{n},T{n},2026-01-01,2026-01-02,Shipped,1 Main St,2026-01-31 10:00:0{n}"
Rows = dict[int, Any]


def contract_says(content: bytes) -> list[StagedRow]:
    return list(validate_stream(ORDER_TRACKING, FILE, LATEST, BytesIO(content)))


def by_number(table: pa.Table) -> Rows:
    """Rows by number; moments as numbers, since Python can't show those before the year 1."""
    at = table.column_names.index("last_update_timestamp")
    table = table.set_column(at, "last_update_timestamp", table.column(at).cast(pa.int64()))
    return {row.pop("row_number"): row for row in table.to_pylist()}


def assert_same(content: bytes) -> bool:
    """Whether the file was read by columns at all."""
    found = read_columns(ORDER_TRACKING, FILE, LATEST, content)
    if found is None:
        return False
    said = contract_says(content)
    expected = by_number(pa.Table.from_batches([as_arrow(ORDER_TRACKING, said)]))
    clean = found.clean.num_rows
    columns = ORDER_TRACKING.column_names
    read = by_number(found.clean)
    others = by_number(pa.Table.from_batches([as_arrow(ORDER_TRACKING, found.others)]))
    assert len(read) == clean
    assert not set(read) & set(others)
    assert {n: {c: row[c] for c in columns} for n, row in (read | others).items()} == {
        n: {c: row[c] for c in columns} for n, row in expected.items()
    }
    assert others == {n: expected[n] for n in others}
    assert all(expected[n]["violations"] is None for n in read)
    return True


@settings(max_examples=600, deadline=None)
@given(files())
def test_a_file_is_what_the_contract_says_it_is(content: bytes) -> None:
    assert_same(content)


@settings(max_examples=300, deadline=None)
@given(files().map(lambda content: content.replace(b'"', b"")))
def test_without_quotes_nearly_every_file_is_tried(content: bytes) -> None:
    assert_same(content)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_clean_rows_are_typed_and_odd_ones_judged(end: str, bom: str) -> None:
    lines = [HEADER, ROW.format(n=1), "", "too,short", ROW.format(n=2), ROW.format(n=3).replace("-01-02", "-02-30")]
    content = (bom + end.join(lines)).encode()
    found = read_columns(ORDER_TRACKING, FILE, LATEST, content)
    assert found is not None
    assert found.clean.column("row_number").to_pylist() == [1, 3]
    assert found.clean.column("status").to_pylist() == ["shipped", "shipped"]
    assert [(row, [v.code for v in violations or ()]) for _, row, _, _, violations in found.others] == [
        (2, ["field_count"]),
        (4, ["bad_date"]),
    ]
    assert assert_same(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"no,header\n1,2\n",
        f'{HEADER}\n"O1",T1,,,shipped,,2026-01-31 10:00:00\n'.encode(),
        f"{HEADER}\r{ROW.format(n=1)}\r".encode(),
        f"{HEADER}\n{ROW.format(n=1)}\n".encode() + b"\xff\n",
        f"{HEADER}\n{'x' * (1024 * 1024 + 1)}\n".encode(),
    ],
)
def test_what_isn_t_simply_lines_is_left_to_the_contract(content: bytes) -> None:
    assert read_columns(ORDER_TRACKING, FILE, LATEST, content) is None


def test_the_moment_that_is_just_allowed_is_clean_and_the_next_is_not() -> None:
    stamps = [LATEST, LATEST + timedelta(microseconds=1)]
    rows = (f"O,T{at},,,pending,,{stamp:%Y-%m-%dT%H:%M:%S.%f}Z" for at, stamp in enumerate(stamps))
    content = "\n".join([HEADER, *rows]).encode()
    found = read_columns(ORDER_TRACKING, FILE, LATEST, content)
    assert found is not None
    assert found.clean.column("last_update_timestamp").to_pylist() == [LATEST]
    assert len(found.others) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(files(), min_size=1, max_size=3))
def test_flags_and_counts_of_a_table_are_those_of_its_rows(contents: list[bytes]) -> None:
    said = [
        (f"b/source/order_tracking_2026_01_31.csv#{number}", *row[1:])
        for number, content in enumerate(contents)
        for row in contract_says(content)
    ]
    table = pa.Table.from_batches([as_arrow(ORDER_TRACKING, said)])  # type: ignore[arg-type]
    flagged = flag_table(table, ORDER_TRACKING)
    assert flagged.column_names == [*staged_names(ORDER_TRACKING), "newest", "tied"]
    expected = flags(said, ORDER_TRACKING)  # type: ignore[arg-type]
    assert list(zip(flagged["newest"].to_pylist(), flagged["tied"].to_pylist(), strict=True)) == expected
    counts = count_table(flagged, ORDER_TRACKING)
    for file, counted in counts.files.items():
        mine = [(row, tied) for row, (_, tied) in zip(said, expected, strict=True) if row[0] == str(file)]
        rows = [row for row, _ in mine if row[1] > 0]
        faults = [row[4][0].code for row, _ in mine if row[1] == 0 and row[4]]
        assert counted == FileCounts(
            len(rows), sum(row[2] is None for row in rows), sum(row[1] for row in rows), sum(tied for _, tied in mine),
            faults[0] if faults else None,
        )  # fmt: skip
    assert {str(file) for file in counts.files} == {row[0] for row in said}
    keys = [str(row[2][1]) for row in said if row[2] is not None]
    assert counts.keys == ((min(keys), max(keys)) if keys else None)
