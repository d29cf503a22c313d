"""Validating whole files: compared with the independent oracle, in any blocks, in bounded time and memory."""

from __future__ import annotations

import io
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.validation.upload import validate_upload
from spark_jobs.contract import file_validation as validation
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS, ORDER_TRACKING
from spark_jobs.contract.file_validation import FileValidation, blocks_of, lines_as_blocks, shortest_row
from spark_jobs.contract.records import BOM
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult
from tests.feed_strategies import feeds_with_files
from tests.oracle import COLUMNS, read_file
from tests.strategies import ARRIVAL, NAME, files

HEADER = ",".join(COLUMNS).encode() + b"\n"
GOOD = b"A1,T1,2026-01-10,2026-01-12,delivered,1 Main St,2026-01-12 10:00:00\n"
BAD = b"A1,T1,2026-01-10,2026-01-12,lost,1 Main St,2026-01-12 10:00:00\n"


def validated(content: bytes, *, feed: Feed = ORDER_TRACKING, ratio: float = 1.0, **more: object) -> ValidationResult:
    name = f"{feed.file_prefix}_2026_01_31.csv"
    return validate_upload(io.BytesIO(content), name=name, arrival=ARRIVAL, max_bad_row_ratio=ratio, **more)  # type: ignore[arg-type]


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path starts right after the header, and rows span several blocks."""
    monkeypatch.setattr(validation, "FIRST_BLOCK_BYTES", len(HEADER))
    monkeypatch.setattr(validation, "BLOCK_BYTES", 150)


fuzzing = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def assert_like_oracle(content: bytes, feed: Feed = ORDER_TRACKING) -> None:
    expected = read_file(content, ARRIVAL, feed)
    found = validated(content, feed=feed)
    assert found.feed == feed.name
    if expected is None:
        assert found.rejecting
        return
    assert found.rejecting is None
    assert found.rows == len(expected)
    assert {violation.row for violation in found.violations} == {row for row, values in expected if values is None}
    assert found.bad_rows == sum(values is None for _, values in expected)


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_every_row_of_every_file_gets_the_result_of_the_oracle(feed: Feed) -> None:
    @fuzzing
    @given(files(feed))
    def every_file(content: bytes) -> None:
        assert_like_oracle(content, feed)

    every_file()


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_the_fast_path_changes_no_result(tiny_blocks: None, feed: Feed) -> None:
    """After a valid header and some clean rows, so that the fast path is active when the malformed bytes come."""
    header = ",".join(feed.column_names).encode() + b"\n"
    good = ",".join('"' + column.example.replace('"', '""') + '"' for column in feed.columns).encode() + b"\n"

    @settings(fuzzing, max_examples=50)
    @given(st.lists(files(feed, max_rows=8, shuffled=False), min_size=1, max_size=3))
    def every_file(contents: list[bytes]) -> None:
        body = b"".join(content.partition(b"\n")[2] + b"\n" for content in contents)
        assert_like_oracle(header + good * 2 + body + good * 2, feed)

    every_file()


def test_a_character_that_a_stray_quote_splits_is_not_utf_8() -> None:
    """Without its quotes, it would be whole."""
    header = ",".join(ORDER_TRACKING.column_names).encode() + b"\n"
    for address in (b'"\xe2\x80"\xa8', b'x\xe2"\x80\xa8', b'"\xe2""\x80\xa8"'):
        content = header + b"A1,T1,,,shipped," + address + b",2026-01-31 10:00:00\n"
        assert_like_oracle(content)
        assert [violation.code for violation in validated(content).violations] == ["encoding"]


@fuzzing
@given(feeds_with_files())
def test_every_row_of_a_generated_feed_gets_the_result_of_the_oracle(generated: tuple[Feed, bytes]) -> None:
    """In small blocks, so that the fast path sees the rows too."""
    feed, content = generated
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FEEDS, feed.name, feed)
        assert_like_oracle(content, feed)
        patch.setattr(validation, "FIRST_BLOCK_BYTES", 20)
        patch.setattr(validation, "BLOCK_BYTES", 150)
        assert_like_oracle(content, feed)


@fuzzing
@given(st.lists(st.sampled_from([GOOD, BAD, b"\n", b'A2,T2,,,shipped,"a\nb",2026-01-12 10:00:00\r\n']), max_size=40))
def test_rows_and_lines_have_the_same_numbers_with_and_without_the_fast_path(rows: list[bytes]) -> None:
    content = HEADER + b"".join(rows)
    plain = validated(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "FIRST_BLOCK_BYTES", len(HEADER))
        patch.setattr(validation, "BLOCK_BYTES", 200)
        assert validated(content) == plain


class Drip(io.RawIOBase):
    """Returns a few bytes at a time, as sockets do."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, 7))


@given(files())
@fuzzing
def test_short_reads_change_nothing(content: bytes) -> None:
    dripped = validate_upload(Drip(content), name=NAME, arrival=ARRIVAL, max_bad_row_ratio=1.0)  # type: ignore[arg-type]
    assert dripped == validated(content)


def test_an_invalid_name_is_rejected_before_a_byte_is_read() -> None:
    class Untouchable(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("read")

    found = validate_upload(Untouchable(), name="order_tracking_2026_02_30.csv", arrival=ARRIVAL, max_bad_row_ratio=1.0)
    assert found.rejecting
    assert found.rejecting.code == "file_name"
    assert (found.rows, found.feed) == (0, "")


def test_a_share_of_bad_rows_up_to_the_ratio_is_acceptable() -> None:
    assert validated(HEADER + GOOD * 9 + BAD, ratio=0.1).rejecting is None
    rejected = validated(HEADER + GOOD * 8 + BAD, ratio=0.1)
    assert [v.code for v in rejected.violations] == ["too_many_bad_rows", "unknown_status"]


def test_counts_are_complete_even_if_the_list_is_truncated() -> None:
    found = validated(HEADER + BAD * 5000)
    assert found.counts == {"unknown_status": {"status": 5000}}
    assert len(found.violations) == MAX_VIOLATIONS
    assert found.truncated
    assert [v.row for v in found.violations] == list(range(1, MAX_VIOLATIONS + 1))


def test_an_encoding_violation_after_megabytes_of_clean_rows_names_its_line() -> None:
    found = validated(HEADER + GOOD * 50_000 + b"A1,T1,,,shipped,caf\xe9,2026-01-12 10:00:00\n" + GOOD)
    assert found.rejecting
    assert (found.rejecting.code, found.rejecting.line) == ("encoding", 50_002)
    assert found.rows == 50_000


def test_a_file_that_runs_out_of_time_is_not_rejected_for_its_share_of_bad_rows() -> None:
    looks = count()
    found = validated(HEADER + BAD * 50_000, ratio=0.1, out_of_time=lambda: next(looks) >= 1)
    assert found.partial
    assert found.rejecting is None
    assert 0 < found.rows == found.bad_rows < 50_000


def test_a_small_file_is_always_validated_completely() -> None:
    found = validated(HEADER + GOOD * 3, out_of_time=lambda: True)
    assert (found.rows, found.partial) == (3, False)


def test_validation_stops_early_only_if_the_rejection_is_certain() -> None:
    tail = b"A,T,,,shipped,,2026-01-12 10:00:00\n"
    assert len(tail) == shortest_row(ORDER_TRACKING)
    head = HEADER + BAD * 20_000
    saved = head + tail * 190_000
    assert validated(saved, ratio=0.1, size=len(saved)).rejecting is None
    lost = head + tail * 20_000
    given_up = validated(lost, ratio=0.1, size=len(lost))
    assert given_up.rejecting
    assert given_up.rejecting.code == "too_many_bad_rows"
    assert given_up.partial
    assert given_up.rows < 40_000
    assert validated(lost, ratio=0.1).rejecting


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
def test_splittable_means_that_every_line_is_a_record_or_empty(before: bytes, body: bytes, splittable: bool) -> None:
    assert validated(HEADER + before + body + GOOD).splittable is splittable


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
def test_hostile_files_are_validated_within_a_second(what: str) -> None:
    content, code = HOSTILE[what]
    started = time.process_time()
    found = validated(content, ratio=0.1)
    seconds = time.process_time() - started
    assert found.rejecting
    assert found.rejecting.code == code
    assert found.rejecting.message
    assert seconds < 1


class Endless(io.RawIOBase):
    """``megabytes`` of rows, generated while they are read."""

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

    peak(2)  # builds the fast path
    assert peak(24) < peak(6) + 1024 * 1024


def test_long_garbage_in_dates_is_not_cached() -> None:
    """Parsed days are cached; a hostile file must not fill the memory that way."""
    rows = (b"A1,T1,%07d%s,,shipped,,2026-01-12 10:00:00\n" % (n, b"9" * 500_000) for n in range(60))
    content = HEADER + b"".join(rows)
    tracemalloc.start()
    found = validated(content)
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.bad_rows == 60
    assert left < 5_000_000


def test_the_limit_of_timestamps_is_exact_to_the_microsecond() -> None:
    late = (ARRIVAL + timedelta(hours=24)).strftime("%Y-%m-%d %H:%M:%S").encode()
    row = GOOD.replace(b"2026-01-12 10:00:00", late)
    assert validated(HEADER + row).bad_rows == 0
    assert validated(HEADER + row.rstrip() + b".000001\n").counts == {"timestamp_in_future": {"last_update_timestamp": 1}}


def test_reading_stops_when_validation_stops() -> None:
    """Afterwards no thread reads the stream any more, and its errors reach the caller."""

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


def test_exactly_one_bom_is_removed_so_a_second_one_makes_the_header_invalid() -> None:
    """In the function, and in the job, whose line reader (Hadoop's) has already removed one."""

    def codes(blocks: object) -> set[str]:
        file = FileValidation(ORDER_TRACKING, latest_allowed(ORDER_TRACKING, ARRIVAL))
        for block, last in blocks:  # type: ignore[attr-defined]
            list(file.take(block, last=last))
        return {violation.code for violation in file.violations}

    one, two = BOM + HEADER + GOOD, BOM + BOM + HEADER + GOOD
    assert codes(blocks_of(io.BytesIO(one))) == codes(lines_as_blocks((HEADER + GOOD).splitlines())) == set()
    expected = {"missing_column", "unknown_column"}
    assert codes(blocks_of(io.BytesIO(two))) == codes(lines_as_blocks(one.splitlines())) == expected
