"""Which row is the newest of its key, which rows tie, and counts: the same in Spark, in Arrow and row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spark_jobs.batches import FileCounts, WaitingFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.violations import Violation
from spark_jobs.dependencies import Dependencies
from spark_jobs.reading.batch_summary import count_staged, count_table, flag, flag_table, flags
from spark_jobs.reading.driver_batches import read_on_driver
from spark_jobs.reading.staged_rows import StagedRow, as_arrow, staged_ddl, staged_names
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore
from tests.spark_jobs.reading.readings import generated_files
from tests.strategies import ARRIVAL

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_maybe_date = st.sampled_from([None, date(2026, 1, 1)])
# So few different values that most rows of a key differ in one or two columns only.
_values = st.tuples(
    st.just("O1"),
    st.sampled_from(["T1", "T2"]),
    _maybe_date,
    _maybe_date,
    st.sampled_from(["pending", "shipped"]),
    st.sampled_from([None, "a"]),
    st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]),
)
_files = st.lists(st.lists(st.none() | _values, max_size=8), min_size=1, max_size=3)
Batch = list[StagedRow]


def staged(files: list[list[object]], batch: int = 0) -> Batch:
    """Rows of several files, bad ones among them; keys of one batch are never those of another."""
    rows: Batch = []
    for number, values in enumerate(files):
        for row, each in enumerate(values, 1):
            file_id = f"b/source/{batch}.csv#{number}"
            if isinstance(each, tuple):
                rows.append((file_id, row, (each[0], f"{batch}-{each[1]}", *each[2:]), None, None))
            else:
                rows.append((file_id, row, None, "raw", [Violation("field_count", "few")]))
    return rows


@settings(max_examples=300, deadline=None)
@given(_files)
def test_arrow_flags_rows_as_they_are_flagged_one_by_one(files: list[list[object]]) -> None:
    rows = staged(files)
    flagged = flag_table(pa.Table.from_batches([as_arrow(ORDER_TRACKING, rows)]), ORDER_TRACKING)
    assert flagged.column_names == [*staged_names(ORDER_TRACKING), "newest", "tied"]
    expected = flags(rows, ORDER_TRACKING)
    assert list(zip(flagged["newest"].to_pylist(), flagged["tied"].to_pylist(), strict=True)) == expected
    counts = count_table(flagged, ORDER_TRACKING)
    for file, counted in counts.files.items():
        mine = [(row, tied) for row, (_, tied) in zip(rows, expected, strict=True) if row[0] == str(file)]
        bad, ties = sum(row[2] is None for row, _ in mine), sum(tied for _, tied in mine)
        assert counted == FileCounts(len(mine), bad, sum(row[1] for row, _ in mine), ties)
    keys = [str(row[2][1]) for row in rows if row[2] is not None]
    assert counts.keys == ((min(keys), max(keys)) if keys else None)


def test_spark_flags_rows_as_they_are_flagged_one_by_one(spark: SparkSession) -> None:
    """Collected first: one Spark job flags them all."""
    batches: list[Batch] = []

    @settings(
        max_examples=300, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(_files)
    def collect(files: list[list[object]]) -> None:
        batches.append(staged(files, len(batches)))

    collect()
    rows = [row for batch in batches for row in batch]
    frame = spark.createDataFrame(pa.Table.from_batches([as_arrow(ORDER_TRACKING, rows)]), staged_ddl(ORDER_TRACKING))
    found = {
        (row["file_id"], row["row_number"]): (row["newest"], row["tied"])
        for row in flag(frame, ORDER_TRACKING).select("file_id", "row_number", "newest", "tied").collect()
    }
    expected = {(row[0], row[1]): flagged for row, flagged in zip(rows, flags(rows, ORDER_TRACKING), strict=True)}
    assert found == expected
    assert sum(tied for _, tied in expected.values()) > 50


def test_a_missing_value_is_no_value_of_the_next_column(spark: SparkSession) -> None:
    """The ties of one file once were two on the driver and none in Spark: a hash over columns skips nulls."""
    stamp = datetime(2026, 1, 1, tzinfo=UTC)
    one = ("O1", "T1", date(2026, 1, 1), None, "pending", None, stamp)
    other = ("O1", "T1", None, date(2026, 1, 1), "pending", None, stamp)
    rows = staged([[one, other]])
    frame = spark.createDataFrame(pa.Table.from_batches([as_arrow(ORDER_TRACKING, rows)]), staged_ddl(ORDER_TRACKING))
    assert flag(frame, ORDER_TRACKING).where("tied").count() == 2
    assert [tied for _, tied in flags(rows, ORDER_TRACKING)] == [True, True]


def test_spark_and_arrow_count_the_same_of_every_generated_file(spark: SparkSession) -> None:
    store, mark = FakeFileStore(), AcceptedMark(1, CONTRACT_VERSION, 0, 0, False, True)
    contents = enumerate(generated_files())
    uploaded = [store.upload(f"source/{number}.csv", content, created=ARRIVAL) for number, content in contents]
    waiting = [WaitingFile(stored, mark, ARRIVAL) for stored in uploaded]
    staged, counts = read_on_driver(spark, ORDER_TRACKING, waiting, Dependencies(store, FakeAnnouncer()))
    assert counts == count_staged(staged, ORDER_TRACKING)
    assert counts.staged_rows == staged.count()
    assert {counted.fault for counted in counts.files.values()} > {None}
