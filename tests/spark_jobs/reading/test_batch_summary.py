"""Which row is the newest of its key, which rows tie, and counts: the same in Spark, in Arrow and row by row."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spark_jobs.batches import FileCounts, WaitingFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.contract.violations import Violation
from spark_jobs.dependencies import Dependencies
from spark_jobs.reading.batch_summary import count_staged, count_table, flag, flag_table, flags
from spark_jobs.reading.driver_batches import read_on_driver
from spark_jobs.reading.staged_rows import StagedRow, as_arrow, staged_ddl, staged_names, validate_stream
from tests import oracle
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore
from tests.spark_jobs.reading.readings import generated_files
from tests.spark_jobs.test_feed_end_to_end import PARCELS
from tests.strategies import ARRIVAL, files

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


@pytest.mark.parametrize("feed", [CUSTOMER_ORDERS, PARCELS], ids=lambda feed: feed.name)
def test_spark_arrow_and_the_oracle_agree_on_the_newest_row_of_any_feed(spark: SparkSession, feed: Feed) -> None:
    rows = competing_rows(feed)
    batch = pa.Table.from_batches([as_arrow(feed, rows)])
    expected = flags(rows, feed)
    in_arrow = flag_table(batch, feed)
    assert list(zip(in_arrow["newest"].to_pylist(), in_arrow["tied"].to_pylist(), strict=True)) == expected
    frame = flag(spark.createDataFrame(batch, staged_ddl(feed)), feed)
    in_spark = {
        row["row_number"]: (row["newest"], row["tied"]) for row in frame.select("row_number", "newest", "tied").collect()
    }
    assert [in_spark[row[1]] for row in rows] == expected
    good = [dict(zip(feed.column_names, row[2], strict=True)) for row in rows if row[2] is not None]
    winners = [row for row, (newest, _) in zip(good, expected, strict=True) if newest]
    keys = [tuple(row[name] for name in feed.key) for row in winners]
    assert dict(zip(keys, winners, strict=True)) == {
        tuple(row[name] for name in feed.key): row for row in oracle.newest(good, feed).values()
    }
    assert 0 < sum(tied for _, tied in expected) < len(rows)
    assert len(winners) < len(rows) / 3


def competing_rows(feed: Feed) -> list[StagedRow]:
    """Valid rows of generated files, most of which share key, and often the time, with another one."""
    found: list[tuple[Any, ...]] = []

    @settings(max_examples=60, database=None, derandomize=True, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(files(feed=feed))
    def collect(content: bytes) -> None:
        for row in validate_stream(feed, "b/source/x.csv#1", latest_allowed(feed, ARRIVAL), BytesIO(content)):
            if row[2] is not None:
                found.append(tuple(row[2]))

    collect()
    assert len(found) > 20
    chance = random.Random(1)
    kept = set(feed.key_positions)
    rows = []
    for one in found[:20]:
        for _ in range(10):
            other = chance.choice(found)
            mixed = [
                a if at in kept or chance.random() < 0.8 else b for at, (a, b) in enumerate(zip(one, other, strict=True))
            ]
            rows.append(("b/source/x.csv#1", len(rows) + 1, tuple(mixed), None, None))
    return rows


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
