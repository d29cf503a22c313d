"""Every line of a file gets its exact row number, however Spark cuts the file into blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyspark.sql import Row

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.reading.columns import FileLayout
from spark_jobs.reading.lines import LineFile, NumberedLines, _Block, _blocks, lines_validator, parse_lines, place
from tests.spark_jobs.reading.readings import HEADER, LATEST

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

POSITIONS = tuple(range(len(ORDER_TRACKING.columns)))
ROWS = 3_000


@pytest.fixture
def small_blocks(spark: SparkSession) -> Iterator[None]:
    """Several blocks to a file, and several files to a task, without large files."""
    small = {"spark.sql.files.maxPartitionBytes": "100000", "spark.sql.files.openCostInBytes": "1000"}
    for name, value in small.items():
        spark.conf.set(name, value)
    yield
    for name in small:
        spark.conf.unset(name)


def parsed(spark: SparkSession, folder: Path, contents: list[str]) -> NumberedLines:
    files = []
    for number, content in enumerate(contents):
        path = folder / f"a b+{number}.csv"
        path.write_text(content, newline="")
        files.append(LineFile(str(path), FileLayout(f"b/{number}#1", POSITIONS, LATEST)))
    return parse_lines(spark, ORDER_TRACKING, files)


@pytest.mark.usefixtures("small_blocks")
def test_row_numbers_are_exact_across_blocks_with_empty_lines_between(spark: SparkSession, tmp_path: Path) -> None:
    contents = []
    for file in range(4):
        rows = (
            f"O{n},F{file}N{n},,,{'lost' if n % 97 == 0 else 'pending'},{'x' * 80},2026-01-01 10:00:00\n"
            + "\n" * (n % 7 == 0)
            for n in range(1, ROWS + 1)
        )
        contents.append("\n" * file + HEADER + "\r\n" + "".join(rows))
    found = parsed(spark, tmp_path, contents)
    assert found.counted == {f"b/{file}#1": ROWS for file in range(4)}
    assert found.rows.rdd.getNumPartitions() > 8
    rows = found.rows.select("file_id", "row_number", "tracking_num", "raw_line").collect()
    assert len({(row.file_id, row.row_number) for row in rows}) == len(rows) == 4 * ROWS
    for file_id, number, key, raw in rows:
        assert f"F{file_id[2]}N{number}" == (raw.split(",")[1] if number % 97 == 0 else key)


def test_a_header_alone_has_no_rows(spark: SparkSession, tmp_path: Path) -> None:
    found = parsed(spark, tmp_path, [HEADER, HEADER + "\n\n\r\n", "\ufeff" + HEADER + "\n"])
    assert set(found.counted.values()) == {0}
    assert found.rows.count() == 0


def test_a_file_without_a_line_is_an_error_and_never_an_empty_file(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no line in"):
        parsed(spark, tmp_path, ["\n\n"])


def test_two_blocks_with_one_key_are_an_error() -> None:
    blocks = [Row(path="file:/f", block=start, lines=1, first_id=start, block_key=7) for start in (0, 1)]
    with pytest.raises(LookupError, match="same key"):
        _blocks(blocks, [LineFile("/f", FileLayout("b/f#1", POSITIONS, LATEST))])


def test_lines_of_several_files_may_share_a_batch_and_unknown_ones_are_left_out() -> None:
    row = "O1,{key},,,pending,,2026-01-01 10:00:00"
    turned = (1, 0, *POSITIONS[2:])
    blocks = {
        10: _Block(FileLayout("b/one#1", POSITIONS, LATEST), 100),
        20: _Block(FileLayout("b/two#1", turned, LATEST), 103),
    }
    values = [HEADER, row.format(key="T1"), row.format(key="T2"), HEADER, row.format(key="T3"), row.format(key="?")]
    batch = pa.record_batch(
        [
            pa.array([10, 10, 10, 20, 20, 30], pa.int64()),
            pa.array(range(100, 106), pa.int64()),
            pa.array([value.encode() for value in values], pa.binary()),
        ],
        ["block_key", "id", "value"],
    )
    found = pa.Table.from_batches(lines_validator(ORDER_TRACKING, blocks)([batch])).to_pylist()
    assert [(row["file_id"], row["row_number"], row["tracking_num"]) for row in found] == [
        ("b/one#1", 1, "T1"),
        ("b/one#1", 2, "T2"),
        ("b/two#1", 1, "O1"),
    ]


@pytest.mark.parametrize(
    ("given", "spark_s"),
    [
        ("gs://bucket/source/a b.csv", "gs://bucket/source/a%20b.csv"),
        ("/data/a+b%.csv", "file:///data/a+b%25.csv"),
        ("/Volumes/c/s/v/x.csv", "dbfs:/Volumes/c/s/v/x.csv"),
    ],
)
def test_a_path_is_known_in_either_form(given: str, spark_s: str) -> None:
    assert place(spark_s).removeprefix("/bucket") == place(given).removeprefix("/bucket")
