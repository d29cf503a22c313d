"""The gate judges whole files: against the independent oracle, in any blocks, in bounded time and memory."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.validation.upload import validate_upload
from spark_jobs.contract import file_validation as validation
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_validation import shortest_row
from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult
from tests.oracle import COLUMNS, read_file
from tests.strategies import ARRIVAL, NAME, files

HEADER = ",".join(COLUMNS).encode() + b"\n"
ROOT = Path(__file__).resolve().parents[3]
GOOD = b"A1,T1,2026-01-10,2026-01-12,delivered,1 Main St,2026-01-12 10:00:00\n"
BAD = b"A1,T1,2026-01-10,2026-01-12,lost,1 Main St,2026-01-12 10:00:00\n"


def judged(content: bytes, *, ratio: float = 1.0, **more: object) -> ValidationResult:
    return validate_upload(io.BytesIO(content), name=NAME, arrival=ARRIVAL, max_bad_row_ratio=ratio, **more)  # type: ignore[arg-type]


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scanner takes over right behind the header, and rows lie across the ends of blocks."""
    monkeypatch.setattr(validation, "FIRST_BLOCK_BYTES", len(HEADER))
    monkeypatch.setattr(validation, "BLOCK_BYTES", 150)


fuzzing = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def assert_as_oracle(content: bytes) -> None:
    expected = read_file(content, ARRIVAL)
    found = judged(content)
    if expected is None:
        assert found.rejecting
        return
    assert found.rejecting is None
    assert found.rows == len(expected)
    assert {violation.row for violation in found.violations} == {row for row, values in expected if values is None}
    assert found.bad_rows == sum(values is None for _, values in expected)


@fuzzing
@given(files())
def test_every_row_of_every_file_is_judged_as_the_oracle_judges_it(content: bytes) -> None:
    assert_as_oracle(content)


@fuzzing
@given(st.lists(files(shuffled=False), min_size=1, max_size=4))
def test_the_scanner_changes_no_judgement(tiny_blocks: None, contents: list[bytes]) -> None:
    """Behind a right header and some clean rows, so that the scanner is at work when the odd bytes come."""
    body = b"".join(content.partition(b"\n")[2] + b"\n" for content in contents)
    assert_as_oracle(HEADER + GOOD * 2 + body + GOOD * 2)


@fuzzing
@given(st.lists(st.sampled_from([GOOD, BAD, b"\n", b'A2,T2,,,shipped,"a\nb",2026-01-12 10:00:00\r\n']), max_size=40))
def test_rows_and_lines_are_numbered_alike_with_and_without_the_scanner(rows: list[bytes]) -> None:
    content = HEADER + b"".join(rows)
    plain = judged(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "FIRST_BLOCK_BYTES", len(HEADER))
        patch.setattr(validation, "BLOCK_BYTES", 200)
        assert judged(content) == plain


class Drip(io.RawIOBase):
    """Hands out a few bytes at a time, as sockets do."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, 7))


@given(files())
@fuzzing
def test_short_reads_change_nothing(content: bytes) -> None:
    dripped = validate_upload(Drip(content), name=NAME, arrival=ARRIVAL, max_bad_row_ratio=1.0)  # type: ignore[arg-type]
    assert dripped == judged(content)


def test_a_wrong_name_is_told_before_a_byte_is_read() -> None:
    class Untouchable(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("read")

    found = validate_upload(Untouchable(), name="order_tracking_2026_02_30.csv", arrival=ARRIVAL, max_bad_row_ratio=1.0)
    assert found.rejecting
    assert found.rejecting.code == "file_name"
    assert found.rows == 0


def test_a_share_of_bad_rows_up_to_the_ratio_is_tolerable() -> None:
    assert judged(HEADER + GOOD * 9 + BAD, ratio=0.1).rejecting is None
    rejected = judged(HEADER + GOOD * 8 + BAD, ratio=0.1)
    assert [v.code for v in rejected.violations] == ["too_many_bad_rows", "unknown_status"]


def test_counts_are_complete_where_the_list_is_cut() -> None:
    found = judged(HEADER + BAD * 5000)
    assert found.counts == {"unknown_status": {"status": 5000}}
    assert len(found.violations) == MAX_VIOLATIONS
    assert found.truncated
    assert [v.row for v in found.violations] == list(range(1, MAX_VIOLATIONS + 1))


def test_an_encoding_fault_behind_megabytes_of_clean_rows_names_its_line() -> None:
    found = judged(HEADER + GOOD * 50_000 + b"A1,T1,,,shipped,caf\xe9,2026-01-12 10:00:00\n" + GOOD)
    assert found.rejecting
    assert (found.rejecting.code, found.rejecting.line) == ("encoding", 50_002)
    assert found.rows == 50_000


def test_when_time_is_up_the_file_is_not_judged_by_its_share_of_bad_rows() -> None:
    looks = count()
    found = judged(HEADER + BAD * 50_000, ratio=0.1, out_of_time=lambda: next(looks) >= 1)
    assert found.partial
    assert found.rejecting is None
    assert 0 < found.rows == found.bad_rows < 50_000


def test_a_small_file_is_judged_whole_however_late_it_is() -> None:
    found = judged(HEADER + GOOD * 3, out_of_time=lambda: True)
    assert (found.rows, found.partial) == (3, False)


def test_a_file_is_given_up_only_once_its_verdict_is_certain() -> None:
    tail = b"A,T,,,shipped,,2026-01-12 10:00:00\n"
    assert len(tail) == shortest_row(ORDER_TRACKING)
    head = HEADER + BAD * 20_000
    saved = head + tail * 190_000
    assert judged(saved, ratio=0.1, size=len(saved)).rejecting is None
    lost = head + tail * 20_000
    given_up = judged(lost, ratio=0.1, size=len(lost))
    assert given_up.rejecting
    assert given_up.rejecting.code == "too_many_bad_rows"
    assert given_up.partial
    assert given_up.rows < 40_000
    assert judged(lost, ratio=0.1).rejecting


@pytest.mark.parametrize(
    ("body", "splittable"),
    [
        (GOOD * 2, True),
        (GOOD.replace(b"\n", b"\r\n") * 2, True),
        (GOOD + GOOD.rstrip(), True),
        (GOOD + b"\n\r\n" + GOOD, True),
        (GOOD.replace(b"1 Main St", b'"1, Main St"'), True),
        (GOOD.replace(b"1 Main St", b'"1\nMain St"'), False),
        (GOOD.replace(b"1 Main St", b'"1\rMain St"'), False),
    ],
)
@pytest.mark.parametrize("before", [b"", GOOD * 20_000])
def test_splittable_means_every_line_is_a_record_or_empty(before: bytes, body: bytes, splittable: bool) -> None:
    assert judged(HEADER + before + body + GOOD).splittable is splittable


HOSTILE = {
    "1 MB without a line end": (b"x" * 1_000_000, "missing_column"),
    "1 MB of commas": (b"," * 1_000_000, "missing_column"),
    "more than a record may have": (HEADER + b"x" * 1_100_000, "record_too_long"),
    "a million empty lines": (b"\n" * 1_000_000, "no_header"),
    "a million lone CRs": (b"\r" * 1_000_000, "line_ends"),
    "a megabyte of rows that end with a lone CR": ((HEADER + GOOD * 15_000).replace(b"\n", b"\r"), "line_ends"),
    "an unclosed quote": (HEADER + b'"' + GOOD * 10_000, "unclosed_quote"),
    "an unclosed quote, more than a record long": (HEADER + b'"' + GOOD * 100_000, "record_too_long"),
    "only quotes": (HEADER + b'"' * 900_001, "unclosed_quote"),
    "100,000 columns": (b",".join(b"c%d" % i for i in range(100_000)) + b"\n", "missing_column"),
    "100,000 times the same column": (b",".join([b"status"] * 100_000) + b"\n", "missing_column"),
    "100,000 fields in a row": (HEADER + b"," * 100_000 + b"\n", "too_many_bad_rows"),
    "a quote before each of 100,000 commas": (HEADER + b'",' * 100_000 + b"\n", "too_many_bad_rows"),
    "NULs": (bytes(1_000_000), "missing_column"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_answered_within_a_second(what: str) -> None:
    content, code = HOSTILE[what]
    started = time.process_time()
    found = judged(content, ratio=0.1)
    seconds = time.process_time() - started
    assert found.rejecting
    assert found.rejecting.code == code
    assert found.rejecting.message
    assert seconds < 1


class Endless(io.RawIOBase):
    """``megabytes`` of rows made as they are read."""

    def __init__(self, megabytes: int, rows: bytes) -> None:
        self._left = megabytes * 1024 * 1024
        self._pieces = self._forever(rows)

    def _forever(self, rows: bytes) -> Iterator[bytes]:
        yield HEADER
        while True:
            yield rows

    def read(self, size: int = -1) -> bytes:
        piece = next(self._pieces)
        self._left -= len(piece)
        return piece if self._left > 0 else b""


@pytest.mark.parametrize("rows", [GOOD * 3000, GOOD * 3000 + BAD, GOOD.replace(b"1 Main St", b'"1\nMain St"') * 2000])
def test_memory_does_not_grow_with_the_file(rows: bytes) -> None:
    def peak(megabytes: int) -> int:
        tracemalloc.start()
        validate_upload(Endless(megabytes, rows), name=NAME, arrival=ARRIVAL, max_bad_row_ratio=1.0)  # type: ignore[arg-type]
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(2)  # builds the scanner
    assert peak(24) < peak(6) + 1024 * 1024


def test_long_garbage_in_dates_is_not_kept() -> None:
    """Parsed days are remembered; a hostile file must not fill the memory that way."""
    rows = (b"A1,T1,%07d%s,,shipped,,2026-01-12 10:00:00\n" % (n, b"9" * 500_000) for n in range(60))
    content = HEADER + b"".join(rows)
    tracemalloc.start()
    found = judged(content)
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.bad_rows == 60
    assert left < 5_000_000


def test_arrival_bounds_the_timestamps_to_the_microsecond() -> None:
    late = (ARRIVAL + timedelta(hours=24)).strftime("%Y-%m-%d %H:%M:%S").encode()
    row = GOOD.replace(b"2026-01-12 10:00:00", late)
    assert judged(HEADER + row).bad_rows == 0
    assert judged(HEADER + row.rstrip() + b".000001\n").counts == {"timestamp_in_future": {"last_update_timestamp": 1}}


def test_importing_the_gate_loads_no_scanner() -> None:
    """Small files are judged without it, so a cold start mustn't pay for it."""
    heavy = "{'re2', 'numpy', 'pyarrow', 'click', 'rich'}"
    code = f"import sys, functions.validation.upload; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_reading_stops_where_judging_stops() -> None:
    """The stream is the caller's again: nobody reads on behind his back, and his errors reach him."""

    class Counting(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1) -> bytes:
            self.asked += 1
            if self.asked > 4:
                raise ConnectionError("storage went away")
            return super().read(size)

    gone = Counting(HEADER + GOOD * 200_000)
    with pytest.raises(ConnectionError, match="went away"):
        validate_upload(gone, name=NAME, arrival=ARRIVAL, max_bad_row_ratio=1.0)
    faulty = Counting(HEADER + b"\xff\n" + GOOD * 200_000)
    assert validate_upload(faulty, name=NAME, arrival=ARRIVAL, max_bad_row_ratio=1.0).rejecting
    asked = faulty.asked
    assert asked <= 2
    assert threading.active_count() == len([t for t in threading.enumerate() if not t.name.startswith("read-ahead")])
