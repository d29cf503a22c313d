"""The job reads every file exactly as the contract says, whichever of its ways it takes."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pyspark.sql import functions as F

from spark_jobs.batches import WaitingFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.records import BOM, RecordError, split_records
from spark_jobs.contract.rows import latest_allowed, validate_header, validate_row
from spark_jobs.dependencies import Dependencies
from spark_jobs.reading.counts import count_staged
from spark_jobs.reading.large_batches import OTHER_ORDERS, Source, canonical, parse, read_lines, survey
from spark_jobs.reading.row_validation import NOT_LINES
from spark_jobs.reading.small_batches import read_here
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore
from tests.strategies import ARRIVAL, files

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LATEST = latest_allowed(ORDER_TRACKING, ARRIVAL)
HEADER = ",".join(ORDER_TRACKING.column_names)
Found = dict[int, Any]
"""Row number -> typed values, or the codes and columns of its violations; 0 -> codes for the whole file."""


@pytest.fixture(scope="module")
def generated() -> list[bytes]:
    """Some hundred files, valid, damaged and hostile. Collected first: one Spark job reads them all."""
    collected: list[bytes] = []

    @settings(
        max_examples=400,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(files())
    def collect(content: bytes) -> None:
        collected.append(content)

    collect()
    # Spark's text reader takes away a byte order mark; a second one can't be told from the first then. The function,
    # which sees the bytes, refuses such a file; and an object without bytes is never marked.
    return list(dict.fromkeys(content for content in collected if content and not content.startswith(BOM + BOM)))


def plain_headed(content: bytes) -> bytes:
    """The same file, its header written plainly where it is right: only such files are tried as lines."""
    body = content.removeprefix(BOM)
    try:
        header = next(split_records([body]))
        positions, violations = validate_header(ORDER_TRACKING, header)
    except (RecordError, StopIteration, UnicodeDecodeError):
        return content
    if violations:
        return content
    names = sorted(ORDER_TRACKING.column_names, key=lambda name: positions[ORDER_TRACKING.position(name)])
    return ",".join(names).encode() + body[body.index(header.raw) + len(header.raw) :]


def contract_says(content: bytes) -> Found:
    """The file read by the contract's own plain Python."""
    found: Found = {}
    try:
        records = split_records([content.removeprefix(BOM)])
        header = next(records, None)
        if header is None:
            return {0: ["no_header"]}
        positions, violations = validate_header(ORDER_TRACKING, header)
        if violations:
            return {0: [v.code for v in violations]}
        for number, record in enumerate(records, 1):
            judged = validate_row(ORDER_TRACKING, positions, record, number, LATEST)
            found[number] = judged.values or [(v.code, v.column) for v in judged.violations]
    except RecordError as error:
        return {0: [error.code]}
    except UnicodeDecodeError:
        return {0: ["encoding"]}
    return found


def spark_says(
    spark: SparkSession, folder: Path, contents: list[bytes], *, lines: bool
) -> tuple[list[Found], dict[FileId, int]]:
    """The files parsed in one go; and how many rows the survey counted in those it took for lines."""
    sources = []
    for number, content in enumerate(contents):
        path = folder / "source" / f"d {number}" / "order_tracking_2026_01_31.csv"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        file = FileId("b", f"source/d {number}/order_tracking_2026_01_31.csv", number + 1)
        sources.append(Source(file, str(path), LATEST, lines))
    parsed = parse(spark, ORDER_TRACKING, sources)
    found: list[Found] = [{} for _ in contents]
    stamp = ORDER_TRACKING.columns[-1].name
    # As a number: Python's own conversion from a moment fails in the year 1.
    for row in parsed.rows.withColumn(stamp, F.unix_micros(stamp)).collect():
        into = found[FileId.parse(row["file_id"]).generation - 1]
        if row["violations"] is None:
            assert row["row_number"] not in into
            into[row["row_number"]] = tuple(_value(row[name]) for name in ORDER_TRACKING.column_names)
        elif row["row_number"] == 0:
            into[0] = [v["code"] for v in row["violations"]]
        else:
            into[row["row_number"]] = [(v["code"], v["column"]) for v in row["violations"]]
    return [{0: rows[0]} if 0 in rows else rows for rows in found], dict(parsed.counted)


def _value(value: Any) -> Any:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value) if isinstance(value, int) else value


def test_every_generated_file_is_read_as_the_contract_reads_it(
    spark: SparkSession, tmp_path: Path, generated: list[bytes]
) -> None:
    found, _ = spark_says(spark, tmp_path, generated, lines=False)
    for content, rows in zip(generated, found, strict=True):
        assert rows == contract_says(content), content


def test_spark_and_arrow_count_the_same_of_every_generated_file(spark: SparkSession, generated: list[bytes]) -> None:
    store, mark = FakeFileStore(), AcceptedMark(1, CONTRACT_VERSION, 0, 0, False, True)
    uploaded = [store.upload(f"source/{number}.csv", content, created=ARRIVAL) for number, content in enumerate(generated)]
    waiting = [WaitingFile(stored, mark, ARRIVAL) for stored in uploaded]
    staged, counts = read_here(spark, ORDER_TRACKING, waiting, Dependencies(store, FakeAnnouncer()))
    assert counts == count_staged(staged, ORDER_TRACKING)
    assert counts.staged_rows == staged.count()
    assert {counted.fault for counted in counts.files.values()} > {None}


def test_a_wrong_hint_that_records_are_lines_is_found_out_or_harmless(
    spark: SparkSession, tmp_path: Path, generated: list[bytes]
) -> None:
    hostile = [plain_headed(content) for content in generated]
    found, counted = spark_says(spark, tmp_path, hostile, lines=True)
    ways: Counter[str] = Counter()
    for number, (content, rows) in enumerate(zip(hostile, found, strict=True)):
        in_lines = FileId("b", f"source/d {number}/order_tracking_2026_01_31.csv", number + 1) in counted
        if rows == {0: [NOT_LINES]}:
            ways["found out"] += 1
            continue
        ways["in lines" if in_lines else "whole"] += 1
        assert rows == contract_says(content), content
    assert min(ways.values()) > 10 and len(ways) == 3, ways


def lines_of(
    count: int, *, start: int = 0, end: str = "\n", template: str = "O{n},T{n},,,pending,,2026-01-01 10:00:00"
) -> str:
    return "".join(template.format(n=n) + end for n in range(start, start + count))


def test_row_numbers_are_exact_across_blocks_with_empty_lines_between(spark: SparkSession, tmp_path: Path) -> None:
    """Six files of about 4 MB each: several blocks to a file, several files to a task, empty lines anywhere."""
    contents = []
    for file in range(6):
        body = "".join(
            f"O{n},F{file}N{n},,,pending,{'x' * 80},2026-01-01 10:00:00\n" + "\n" * (n % 7 == 0) for n in range(1, 36_000)
        )
        contents.append(("\n" * file + HEADER + "\r\n" + body).encode())
    found, counted = spark_says(spark, tmp_path, contents, lines=True)
    assert set(counted.values()) == {35_999}
    for file, rows in enumerate(found):
        assert len(rows) == 35_999
        assert all(values[1] == f"F{file}N{number}" for number, values in rows.items())


def test_doubtful_rows_keep_their_numbers_among_the_plain_ones(spark: SparkSession, tmp_path: Path) -> None:
    content = (
        HEADER
        + "\n"
        + lines_of(5)
        + 'O6,T6,,,shipped,"1, Main St",2026-01-01 10:00:00\n'
        + "short\n"
        + lines_of(3, start=8)
    )
    (rows,), _ = spark_says(spark, tmp_path, [content.encode()], lines=True)
    assert sorted(rows) == list(range(1, 11))
    assert rows[6][5] == "1, Main St"
    assert rows[7] == [("field_count", None)]


def test_columns_may_stand_in_any_order_each_file_in_its_own(spark: SparkSession, tmp_path: Path) -> None:
    names = ORDER_TRACKING.column_names
    contents = []
    for turn in range(7):
        order = [*names[turn:], *names[:turn]]
        row = dict(
            zip(
                names,
                ["O1", "T1", "2026-01-01", "2026-01-02", "In_Transit", "addr", "2026-01-01T10:00:00.5+01:00"],
                strict=True,
            )
        )
        contents.append((",".join(order) + "\n" + ",".join(row[name] for name in order)).encode())
    found, counted = spark_says(spark, tmp_path, contents, lines=True)
    assert len(counted) == 1 + OTHER_ORDERS, "the others whole"
    expected = contract_says(contents[0])
    assert expected[1][4] == "in transit"
    assert all(rows == expected for rows in found)


def test_a_timestamp_may_lie_a_day_after_arrival_to_the_microsecond(spark: SparkSession, tmp_path: Path) -> None:
    just = (LATEST.replace(tzinfo=None)).isoformat(sep=" ", timespec="microseconds")
    late = (LATEST + timedelta(microseconds=1)).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    content = f"{HEADER}\nO1,T1,,,pending,,{just}\nO2,T2,,,pending,,{late}\n"
    (rows,), _ = spark_says(spark, tmp_path, [content.encode()], lines=True)
    assert rows[1][6] == LATEST
    assert rows[2] == [("timestamp_in_future", "last_update_timestamp")]


def test_plain_files_never_start_a_python_worker(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "order_tracking_2026_01_31.csv"
    path.write_text(HEADER + "\n" + lines_of(100))
    source = Source(FileId("b", path.name, 1), str(path), LATEST, True)
    assert (
        survey(read_lines(spark, [source.path]), ORDER_TRACKING, [source], canonical(ORDER_TRACKING))[source.file].doubtful
        == 0
    )
    plan = parse(spark, ORDER_TRACKING, [source]).rows._jdf.queryExecution().toString()
    assert "MapInArrow" not in plan


def test_an_empty_body_a_missing_line_end_and_a_mark_of_byte_order_are_all_fine(
    spark: SparkSession, tmp_path: Path
) -> None:
    contents = [HEADER, HEADER + "\n\n\n", "\ufeff" + HEADER + "\n" + lines_of(1).strip(), "\n\ufeff" + HEADER + "\n"]
    found, _ = spark_says(spark, tmp_path, [text.encode() for text in contents], lines=True)
    assert [sorted(rows) for rows in found[:3]] == [[], [], [1]]
    assert found[3] == contract_says(contents[3].encode()), "a byte order mark counts at the very start only"


def test_grouping_helpers_see_each_generated_file_once(generated: list[bytes]) -> None:
    kinds: defaultdict[bool, int] = defaultdict(int)
    for content in generated:
        kinds[0 in contract_says(content)] += 1
    assert kinds[True] > 20 and kinds[False] > 100, "the generated files are a fair mixture"
