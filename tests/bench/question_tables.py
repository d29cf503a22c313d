"""Tables of any size to ask questions about, with deletion vectors and a change feed, as the job would have left them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.tables import Tables, create_tables
from tests.bench.order_rows import ARRIVAL, table_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TABLE_FILES = 16
DAYS = 90
"""The files arrived in the last days before `ARRIVAL`: all that the questions look at."""


def build(spark: SparkSession, folder: Path, rows: int, lines: int) -> None:
    """``rows`` in each target, ``lines`` in each ingest log and attempts table, half as many quarantined rows."""
    done = folder / "complete"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for feed in (ORDER_TRACKING, CUSTOMER_ORDERS):
        print(f"building {rows:,} rows and {lines:,} log lines of {feed.title} …", flush=True)
        tables = Tables.of(IngestSettings(BucketLayout("bench"), warehouse=str(folder), feed=feed))
        create_tables(spark, tables, feed)
        target = table_rows(spark, rows, TABLE_FILES) if feed is ORDER_TRACKING else _orders(spark, rows)
        number = f"CAST(substring({feed.key[0]}, 4) AS BIGINT)"
        origin = f"{_file(feed, f'{number} * {lines} DIV {rows}')} AS file_id"
        _insert(target.selectExpr("*", origin, f"{number} % 25 + 1 AS row_number", "'bench-1' AS batch_id"), tables.target)
        _insert(_log(spark, feed, lines), tables.ingest_log)
        _insert(_attempts(spark, feed, lines), tables.attempts)
        _insert(_rejected_rows(spark, feed, lines // 2), tables.rejected_rows)
        # One row in 50, all over the table: deletion vectors on every file, and the change feed.
        spark.sql(f"UPDATE {tables.target} SET status = 'shipped' WHERE {number} % 50 = 7").collect()
    done.touch()


def _insert(rows: DataFrame, table: str) -> None:
    rows.createOrReplaceTempView("bench_rows")
    named = ", ".join(f"`{name}`" for name in rows.columns)
    rows.sparkSession.sql(f"INSERT INTO {table} ({named}) SELECT {named} FROM bench_rows").collect()


def _file(feed: Feed, number: str) -> str:
    """One in 200 is a replay."""
    folder = f"CASE WHEN {number} % 200 = 3 THEN concat('replay/', 1700000000000000 + {number}, '/') ELSE '' END"
    name = f"concat('bench/source/', {folder}, '{feed.file_prefix}_2026_01_31.csv#', 1760000000000000 + {number})"
    return name


def _arrived(lines: int) -> str:
    start = int(ARRIVAL.timestamp()) - DAYS * 86400
    return f"timestamp_seconds({start} + id * {DAYS * 86400} DIV {lines})"


def _log(spark: SparkSession, feed: Feed, lines: int) -> DataFrame:
    return spark.range(lines).selectExpr(
        f"{_file(feed, 'id')} AS file_id",
        "1760000000000000 + id AS generation",
        f"'{feed.name}' AS feed",
        "CASE WHEN id % 100 = 1 THEN 'rejected' ELSE 'merged' END AS outcome",
        "CASE WHEN id % 100 = 1 THEN concat('bad_rows: ', id % 7, ' of 25 rows are bad') END AS reason",
        "concat('bench-', id DIV 100) AS batch_id",
        f"{_arrived(lines)} AS arrived_at",
        f"timestampadd(SECOND, 10 + abs(hash(id)) % 100, {_arrived(lines)}) AS logged_at",
        "CAST(1 + IF(id % 100 = 2, 1, 0) AS INT) AS attempts",
        "30L AS `rows`",
        "20L AS inserted",
        "5L AS updated",
        "4L AS outranked",
        "1L AS rejected_rows",
        "IF(id % 100 = 3, 2L, 0L) AS conflicting_ties",
        "id % 1000 <> 4 AS balanced",
        "IF(id % 1000 = 5, 'its object is gone', NULL) AS note",
    )


def _attempts(spark: SparkSession, feed: Feed, lines: int) -> DataFrame:
    """One per file, two for one in a hundred, and a hundred files that wait."""
    return spark.range(lines + 100).selectExpr(
        f"{_file(feed, 'id')} AS file_id",
        "1760000000000000 + id AS generation",
        "explode(IF(id % 100 = 2, array(concat('bench-', id, '-1'), concat('again-', id, '-1')), "
        "array(concat('bench-', id, '-1')))) AS batch_id",
        "1L AS target_version",
        f"{_arrived(lines)} AS attempted_at",
    )


def _rejected_rows(spark: SparkSession, feed: Feed, rows: int) -> DataFrame:
    return spark.range(rows).selectExpr(
        f"{_file(feed, 'id * 2')} AS file_id",
        "1760000000000000 + id * 2 AS generation",
        "25L AS row_number",
        "'bench-1' AS batch_id",
        "concat('a row that breaks rules, number ', id) AS raw_line",
        "array(named_struct('code', concat('code_', id % 9), 'column', concat('column_', id % 7), 'value', 'x', "
        "'message', concat('value number ', id, ' is not allowed'))) AS violations",
        f"{_arrived(2 * rows)} AS rejected_at",
    )


def _orders(spark: SparkSession, rows: int) -> DataFrame:
    """A customer has five orders, an order one to three items of 2,000 products, in three currencies; over two years."""
    ordered = f"timestamp_seconds({int(ARRIVAL.timestamp())} - 730 * 86400 + id * 720 * 86400 DIV {rows})"
    item = (
        "named_struct('product_id', concat('P-', abs(hash(id, n)) % 2000), "
        "'product_name', concat('Product ', abs(hash(id, n)) % 2000), "
        "'quantity', CAST(1 + abs(hash(id, n, 1)) % 4 AS BIGINT), "
        "'unit_price', CAST(abs(hash(id, n, 2)) % 10000 / 100 AS DECIMAL(12,2)))"
    )
    return spark.range(0, rows, 1, TABLE_FILES).selectExpr(
        "concat('ORD', lpad(id, 12, '0')) AS order_id",
        f"concat('C-', abs(hash(id, 3)) % greatest({rows} DIV 5, 1)) AS customer_id",
        f"{ordered} AS ordered_at",
        "element_at(array('pending', 'processing', 'shipped', 'delivered', 'canceled'), "
        "CAST(abs(hash(id, 4)) % 5 AS INT) + 1) AS status",
        f"transform(sequence(1, 1 + CAST(abs(hash(id, 5)) % 3 AS INT)), n -> {item}) AS items",
        "element_at(array('EUR', 'USD', 'GBP'), CAST(abs(hash(id, 6)) % 3 AS INT) + 1) AS currency",
        "CAST(abs(hash(id, 7)) % 100000 / 100 AS DECIMAL(14,2)) AS order_total",
        f"date_add(CAST({ordered} AS DATE), 5) AS expected_delivery_date",
        "element_at(array('pending', 'authorized', 'paid', 'failed', 'refunded'), "
        "CAST(abs(hash(id, 8)) % 5 AS INT) + 1) AS payment_status",
        f"timestampadd(HOUR, abs(hash(id, 9)) % 240, {ordered}) AS last_update_timestamp",
    )
