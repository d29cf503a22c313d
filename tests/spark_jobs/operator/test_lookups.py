"""The look-ups of log lines, attempts and target rows, on tables that Spark wrote."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.handler import handle_upload
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.operator.lookups import (
    LogTotals,
    attempts_at,
    entries_of,
    log_totals,
    named,
    recent_entries,
    target_rows,
    unlogged_attempts,
    waiting_attempts,
)
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.engine import Engine
from spark_jobs.steps.parking import AttemptRow
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import ATTEMPTS_COLUMNS, INGEST_LOG_COLUMNS, frame_of
from tests.fakes.dependencies import FakeDependencies
from tests.spark_jobs.harness import JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AT = datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)


def file(generation: int) -> FileId:
    return FileId("b", f"source/it's `here`/order_tracking_2026_01_0{generation}.csv", generation)


def entry(generation: int, note: str | None = None) -> LogEntry:
    at = AT + timedelta(minutes=generation)
    return LogEntry(file(generation), "merged", "batch", AT, at, 1, rows=3, balanced=True, note=note)


def test_lines_are_found_by_generation_and_by_time(spark: SparkSession, tmp_path: Path) -> None:
    harness = JobHarness(spark, tmp_path)
    engine = DeltaFolder(harness.settings.warehouse)
    entries = [entry(generation, f"line {generation}") for generation in (1, 2, 3)]
    frame_of(spark, [one.as_row() for one in entries], INGEST_LOG_COLUMNS).writeTo(harness.tables.ingest_log).append()
    assert sorted(entries_of(engine, ORDER_TRACKING, [1, 3, 9]), key=lambda one: one.file) == [entries[0], entries[2]]
    assert recent_entries(engine, ORDER_TRACKING, 2) == [entries[2], entries[1]]


def test_attempts_are_found_by_file_and_count_only_for_files_that_are_not_logged(
    spark: SparkSession, tmp_path: Path
) -> None:
    harness = JobHarness(spark, tmp_path)
    engine = DeltaFolder(harness.settings.warehouse)
    noted = [(str(file(n)), n, f"run{run}-1", 0, AT + timedelta(hours=run)) for n in (1, 2, 3) for run in (1, 2)]
    frame_of(spark, noted, ATTEMPTS_COLUMNS).writeTo(harness.tables.attempts).append()
    frame_of(spark, [entry(2).as_row()], INGEST_LOG_COLUMNS).writeTo(harness.tables.ingest_log).append()
    other = FileId("b", "source/order_tracking_2026_01_03.csv", 3)
    rows = attempts_at(engine, ORDER_TRACKING, [file(1), other])
    assert sorted(rows) == [AttemptRow(str(file(1)), f"run{n}-1", 0, AT + timedelta(hours=n)) for n in (1, 2)]
    found = waiting_attempts(engine, ORDER_TRACKING, [file(1), file(2), file(4)])
    assert {one: len(attempts.times) for one, attempts in found.items()} == {file(1): 2}


class SparkEngine:
    """Runs statements in the dialect that they are written in, on the tables of the harness."""

    max_parameters = 1000

    def __init__(self, harness: JobHarness) -> None:
        self.spark = harness.spark
        for name in ("ingest_log", "attempts"):
            self.spark.table(getattr(harness.tables, name)).createOrReplaceTempView(f"orders_{name}")

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        rows = [row.asDict() for row in self.spark.sql(statement, args=dict(parameters or {})).collect()]
        times = (
            {name: value.astimezone(UTC) for name, value in row.items() if isinstance(value, datetime)} for row in rows
        )
        return [row | aware for row, aware in zip(rows, times, strict=True)]


def test_totals_and_files_by_name_are_the_same_on_both_engines(spark: SparkSession, tmp_path: Path) -> None:
    """Old lines count for the last merge only, and a file is found in any folder, but not by a part of its name."""
    harness = JobHarness(spark, tmp_path)
    counts = {"inserted": 1, "updated": 2, "outranked": 3, "rejected_rows": 4}
    lines = [
        replace(entry(1), **counts),
        replace(entry(2), **counts),
        replace(entry(3), inserted=None),
        replace(entry(4), outcome="rejected", rejected_rows=9, logged_at=AT + timedelta(days=1)),
    ]
    frame_of(spark, [one.as_row() for one in lines], INGEST_LOG_COLUMNS).writeTo(harness.tables.ingest_log).append()
    noted = [(str(file(n)), n, "run1-1", 0, AT) for n in (1, 5)]
    frame_of(spark, noted, ATTEMPTS_COLUMNS).writeTo(harness.tables.attempts).append()
    engines: list[Engine] = [DeltaFolder(harness.settings.warehouse), SparkEngine(harness)]
    for engine in engines:
        assert log_totals(engine, ORDER_TRACKING, AT + timedelta(minutes=2)) == LogTotals(
            merged=2, rejected=1, inserted=1, updated=2, outranked=3, rejected_rows=4, last_merge=AT + timedelta(minutes=3)
        )
        assert list(unlogged_attempts(engine, ORDER_TRACKING)) == [file(5)]
        entries, attempts = named(engine, ORDER_TRACKING, "order_tracking_2026_01_01.csv")
        assert (entries, [row.file_id for row in attempts]) == ([lines[0]], [str(file(1))])
        assert named(engine, ORDER_TRACKING, "2026_01_01.csv") == named(engine, ORDER_TRACKING, "%") == ([], [])


def test_before_the_first_run_there_is_nothing(tmp_path: Path) -> None:
    engine: Engine = DeltaFolder(str(tmp_path / "nowhere"))
    assert recent_entries(engine, ORDER_TRACKING, 5) == []
    assert log_totals(engine, ORDER_TRACKING, AT) is None
    assert unlogged_attempts(engine, ORDER_TRACKING) == {}
    assert named(engine, ORDER_TRACKING, "x.csv") == ([], [])
    assert waiting_attempts(engine, ORDER_TRACKING, [file(1)]) == {}
    assert list(target_rows(engine, ORDER_TRACKING, [("T1",)])) == []


def test_rows_of_the_target_have_the_contracts_values(spark: SparkSession, tmp_path: Path) -> None:
    harness = JobHarness(spark, tmp_path)
    keys = ["T1", "O'Neil", 'a "b"', "`c`", ":d", "Ü $1"]
    quoted = [key.replace('"', '""') for key in keys]
    kept = harness.day(1, *(row(f'"{key}"', "2026-01-01 10:00:00.000001", address="x") for key in quoted))
    harness.ingest()
    engine = DeltaFolder(harness.settings.warehouse)
    found = {one["tracking_num"]: one for one in target_rows(engine, ORDER_TRACKING, [(key,) for key in [*keys, "no"]])}
    assert set(found) == set(keys)
    for number, key in enumerate(keys, 1):
        assert found[key]["last_update_timestamp"] == datetime(2026, 1, 1, 10, 0, 0, 1, tzinfo=UTC)
        assert (found[key]["file_id"], found[key]["row_number"]) == (str(kept.file), number)
        assert (found[key]["address"], found[key]["package_deliver_date"]) == ("x", None)


def test_records_and_amounts_have_the_contracts_values(spark: SparkSession, tmp_path: Path) -> None:
    harness = JobHarness(spark, tmp_path)
    items = [
        {"product_id": 'P "1"', "quantity": 2, "unit_price": 24.9},
        {"product_id": "Q", "product_name": "é", "quantity": 1, "unit_price": 0},
    ]
    order = {column.name: column.example for column in CUSTOMER_ORDERS.columns} | {"order_id": "O,1", "order_total": "49.8"}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([order, (order | {"items": json.dumps(items)}).values()])
    stored = harness.store.upload("source/customer_orders_2026_01_31.csv", text.getvalue().encode())
    function = FakeDependencies(clock=harness.clock)
    function.store = harness.store
    handle_upload(stored.file, function.deps)
    harness.ingest()
    (found,) = target_rows(DeltaFolder(harness.settings.warehouse), CUSTOMER_ORDERS, [("O,1",)])
    assert found["order_total"] == Decimal("49.80")
    assert found["items"] == [
        {"product_id": 'P "1"', "product_name": None, "quantity": 2, "unit_price": Decimal("24.90")},
        {"product_id": "Q", "product_name": "é", "quantity": 1, "unit_price": Decimal("0.00")},
    ]
