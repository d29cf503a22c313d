"""Reading with Spark gives the contract's result for every file, read as lines or as a whole."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from spark_jobs.cloud.ports import FileGone
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.reading.spark_batches import Source, parse
from spark_jobs.reading.staged_rows import NOT_LINES, WHOLE_FILE_ROW
from tests.fakes.mirrored_file_store import MirroredFileStore
from tests.spark_jobs.reading.readings import HEADER, LATEST, Rows, contract_says, generated_files, rows_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def upload(folder: Path, contents: list[bytes], *, lines: bool) -> tuple[MirroredFileStore, list[Source]]:
    store, sources = MirroredFileStore(root=folder), []
    for number, content in enumerate(contents):
        name = f"source/d {number}/order_tracking_2026_01_31.csv"
        sources.append(Source(store.upload(name, content).file, str(folder / name), LATEST, lines))
    return store, sources


def spark_says(
    spark: SparkSession, folder: Path, contents: list[bytes], *, lines: bool
) -> tuple[list[Rows], dict[int, int]]:
    """The files parsed in one go; and by position how many rows were counted in each that was read as lines."""
    store, sources = upload(folder, contents, lines=lines)
    result = parse(spark, ORDER_TRACKING, sources, store)
    of_file = defaultdict(list)
    for batch in result.rows.toArrow().to_batches():
        for file_id in batch.column("file_id").unique().to_pylist():
            of_file[FileId.parse(file_id)].append(batch.filter(pa.compute.equal(batch.column("file_id"), file_id)))
    found = [rows_of(pa.Table.from_batches(of_file[s.file])) if s.file in of_file else {} for s in sources]
    return found, {at: result.counted[s.file] for at, s in enumerate(sources) if s.file in result.counted}


def assert_as_contract(rows: Rows, content: bytes) -> None:
    """Of several violations of a file, which one is named is not promised: the driver sees a CR at the end first."""
    expected = contract_says(content)
    if content.endswith(b"\r"):
        assert set(rows) == set(expected) == {WHOLE_FILE_ROW}, content
    else:
        assert rows == expected, content


def test_every_generated_file_is_read_as_the_contract_reads_it(spark: SparkSession, tmp_path: Path) -> None:
    found, counted = spark_says(spark, tmp_path, generated_files(), lines=False)
    assert not counted
    for content, rows in zip(generated_files(), found, strict=True):
        assert_as_contract(rows, content)


def test_a_wrong_hint_that_records_are_lines_is_found_out_or_harmless(spark: SparkSession, tmp_path: Path) -> None:
    found, counted = spark_says(spark, tmp_path, generated_files(), lines=True)
    ways: Counter[str] = Counter()
    for at, (content, rows) in enumerate(zip(generated_files(), found, strict=True)):
        if rows == {WHOLE_FILE_ROW: NOT_LINES}:
            ways["found out"] += 1
            continue
        ways["lines" if at in counted else "whole"] += 1
        assert_as_contract(rows, content)
        assert at not in counted or counted[at] == len(rows)
    assert min(ways.values()) > 10 and len(ways) == 3, ways


def test_columns_may_stand_in_any_order_each_file_in_its_own(spark: SparkSession, tmp_path: Path) -> None:
    names = ORDER_TRACKING.column_names
    texts = ["O1", "T1", "2026-01-01", "2026-01-02", "In_Transit", "addr", "2026-01-01T10:00:00.5+01:00"]
    row = dict(zip(names, texts, strict=True))
    orders = [[*names[turn:], *names[:turn]] for turn in range(len(names))]
    contents = [
        "\n".join([",".join(f'"{name}"' for name in order), ",".join(row[name] for name in order)]).encode()
        for order in orders
    ]
    found, counted = spark_says(spark, tmp_path, contents, lines=True)
    assert len(counted) == len(names)
    assert all(rows == contract_says(contents[0]) for rows in found)


def test_doubtful_rows_keep_their_numbers_among_the_plain_ones(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"O{n},T{n},,,pending,,2026-01-01 10:00:00" for n in range(9)]
    rows[4:6] = ['O5,T5,,,shipped,"1, Main ""St""",2026-01-01 10:00:00', "short"]
    content = "\n".join([HEADER, *rows]).encode()
    (found,), _ = spark_says(spark, tmp_path, [content], lines=True)
    assert found == contract_says(content)
    assert found[5]["address"] == '1, Main "St"'
    assert found[6]["violations"][0]["code"] == "field_count"


def test_a_file_that_is_overwritten_meanwhile_is_gone(spark: SparkSession, tmp_path: Path) -> None:
    store, sources = upload(tmp_path, [HEADER.encode()], lines=True)
    store.upload(sources[0].file.name, b"newer")
    with pytest.raises(FileGone):
        parse(spark, ORDER_TRACKING, sources, store)


def test_the_generated_files_are_a_fair_mixture() -> None:
    kinds = Counter(WHOLE_FILE_ROW in contract_says(content) for content in generated_files())
    assert kinds[True] > 20 and kinds[False] > 100
