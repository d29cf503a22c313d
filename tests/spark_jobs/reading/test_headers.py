"""A header found at the start of a file is the one that the contract finds; otherwise the whole file must be read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from spark_jobs.cloud.ports import FileGone
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.reading.headers import HEADER_BYTES, find_header, read_headers
from tests.fakes.file_store import FakeFileStore
from tests.spark_jobs.reading.readings import HEADER, contract_says
from tests.strategies import files

NAMES = ORDER_TRACKING.column_names
BOM = "\ufeff"


@settings(max_examples=150, deadline=None)
@given(files())
def test_a_header_is_wrong_where_the_contract_says_so(content: bytes) -> None:
    header = find_header(ORDER_TRACKING, content, whole=True)
    if header and header.violations:
        assert contract_says(content) == {0: header.violations[0].code}


@pytest.mark.parametrize("before", ["", BOM, "\n", "\r\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_stand_in_any_order_quoted_and_padded(before: str, end: str) -> None:
    names = [f'" {name} "' if at % 2 else f" {name} " for at, name in enumerate(reversed(NAMES))]
    header = find_header(ORDER_TRACKING, (before + ",".join(names) + end + "x" * 99).encode(), whole=False)
    assert header == (list(reversed(range(len(NAMES)))), [])


@pytest.mark.parametrize(
    "start",
    [
        "",
        "\n" * 99,
        HEADER[:-3],
        HEADER + "\r",
        f"{HEADER}\rO1",
        f'"order_num\n"{HEADER[9:]}\n',
        f'"{HEADER}\n',
        f"{BOM}\n{HEADER}\n",
        f"{BOM}\r\n{HEADER}\n",
    ],
)
def test_what_is_not_one_whole_line_is_left_to_the_whole_file(start: str) -> None:
    assert find_header(ORDER_TRACKING, start.encode(), whole=False) is None


@pytest.mark.parametrize(
    "start", [BOM + BOM + HEADER + "\n", BOM + BOM + HEADER, BOM + BOM + f'"order_num\n"{HEADER[9:]}\n']
)
def test_a_second_byte_order_mark_is_part_of_the_first_name(start: str) -> None:
    header = find_header(ORDER_TRACKING, start.encode(), whole=False)
    assert header is not None
    assert {0: header.violations[0].code} == contract_says(start.encode())


def test_headers_are_read_by_small_requests_of_exactly_the_generation() -> None:
    store = FakeFileStore()
    long = store.upload("a", HEADER.encode() + b"\n" + b"x" * HEADER_BYTES).file
    short = store.upload("b", HEADER.encode()).file
    found = read_headers(store, ORDER_TRACKING, [long, short])
    assert found[long] == found[short] == (list(range(len(NAMES))), [])
    assert {method for method, _ in store.calls} == {"read_range"}
    store.upload("b", b"newer")
    with pytest.raises(FileGone):
        read_headers(store, ORDER_TRACKING, [long, short])
