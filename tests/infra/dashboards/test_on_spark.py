"""Every dataset and every alert, word for word, on tables that the job creates: columns, types, and when alerts trigger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.jobs.bundle import resolve_bundle
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.tables import Tables, create_tables
from tests.infra.dashboards.test_lakeview import DATASETS, QUESTIONS, text
from tests.infra.databricks.test_bundle_resources import BUNDLE, INSTALLATION

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CATALOG, SCHEMA = "spark_catalog", "dashboards"
TYPES = {
    "text": {"string"},
    "number": {"bigint", "int", "double", "decimal"},
    "time": {"timestamp"},
    "date": {"date"},
    "flag": {"boolean"},
}
ALERTS = resolve_bundle(BUNDLE, "prod", {**INSTALLATION, "catalog": CATALOG, "schema": SCHEMA})["resources"]["alerts"]
TRIGGERED = {"waiting": 1, "unbalanced": 1, "rejected_share": 0.1}
"""By the rows of `fill`."""


@pytest.fixture(scope="module")
def schema(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session in the schema that the bundle's target names, with a few rows of order tracking."""
    spark.sql(f"CREATE DATABASE {SCHEMA} LOCATION '{tmp_path_factory.mktemp('dashboards')}'")
    for feed in FEEDS.values():
        settings = IngestSettings(BucketLayout("b"), catalog=CATALOG, schema=SCHEMA, feed=feed)
        create_tables(spark, Tables.of(settings), feed)
    before = spark.catalog.currentDatabase()
    spark.catalog.setCurrentDatabase(SCHEMA)
    fill(spark)
    yield spark
    spark.catalog.setCurrentDatabase(before)
    spark.sql(f"DROP DATABASE {SCHEMA} CASCADE")


def fill(spark: SparkSession) -> None:
    """Two files are merged, one of them with other counts; one has been taken for two hours, one for a minute."""
    for status in ("shipped", "pending"):
        spark.sql(
            "MERGE INTO orders_target t USING (SELECT 'T1' AS tracking_num) s ON t.tracking_num = s.tracking_num "
            f"WHEN MATCHED THEN UPDATE SET status = '{status}' WHEN NOT MATCHED THEN INSERT "
            "(order_num, tracking_num, status, last_update_timestamp, file_id, row_number, batch_id) VALUES "
            f"('A', 'T1', '{status}', current_timestamp(), 'b/s/x.csv#1', 1, 'r-1')"
        )
    for number, (rejected, balanced) in enumerate([(1, "true"), (3, "false")], 1):
        spark.sql(
            "INSERT INTO orders_ingest_log (file_id, generation, outcome, batch_id, attempts, arrived_at, logged_at, "
            "`rows`, inserted, updated, outranked, rejected_rows, conflicting_ties, balanced) VALUES "
            f"('b/s/x.csv#{number}', {number}, 'merged', 'r-1', 1, current_timestamp() - INTERVAL 2 MINUTES, "
            f"current_timestamp(), 20, {20 - rejected}, 0, 0, {rejected}, 0, {balanced})"
        )
    for number, minutes in [(1, 180), (3, 120), (4, 1)]:
        spark.sql(
            "INSERT INTO orders_attempts (file_id, generation, batch_id, target_version, attempted_at) VALUES "
            f"('b/s/x.csv#{number}', {number}, 'r-1', 0, current_timestamp() - INTERVAL {minutes} MINUTES)"
        )


def parameters(dataset: dict[str, Any]) -> dict[str, datetime]:
    return {parameter["keyword"]: datetime.now(UTC) - timedelta(days=6) for parameter in dataset.get("parameters", [])}


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_gives_the_declared_columns(schema: SparkSession, name: str) -> None:
    found = schema.sql(text(DATASETS[name]), args=parameters(DATASETS[name]))
    types = {field.name: field.dataType.simpleString().partition("(")[0] for field in found.schema}
    assert list(types) == list(QUESTIONS[name].columns)
    assert not [column for column, kind in QUESTIONS[name].columns.items() if types[column] not in TYPES[kind]], types
    found.collect()


def test_the_change_of_a_status_is_shown(schema: SparkSession) -> None:
    dataset = DATASETS[f"{ORDER_TRACKING.name}-regressions"]
    rows = schema.sql(text(dataset), args=parameters(dataset)).collect()
    assert [(row["from_status"], row["to_status"], row["updates"]) for row in rows] == [("shipped", "pending", 1)]


def value(spark: SparkSession, alert: dict[str, Any]) -> float:
    (row,) = spark.sql(alert["query_text"]).collect()
    return float(row[alert["evaluation"]["source"]["name"]])


@pytest.mark.parametrize("name", TRIGGERED)
def test_an_alert_triggers_by_what_has_happened(schema: SparkSession, name: str) -> None:
    """The file that was taken a minute ago does not wait, nor does the one that is merged."""
    alert = ALERTS[f"{ORDER_TRACKING.name}_{name}"]
    assert value(schema, alert) == TRIGGERED[name]
    assert TRIGGERED[name] > alert["evaluation"]["threshold"]["value"]["double_value"]


@pytest.mark.parametrize("name", TRIGGERED)
def test_no_alert_triggers_where_nothing_has_happened(schema: SparkSession, name: str) -> None:
    assert value(schema, ALERTS[f"{CUSTOMER_ORDERS.name}_{name}"]) == 0


def test_every_alert_is_tested_here() -> None:
    assert ALERTS.keys() == {f"{feed}_{name}" for feed in FEEDS for name in TRIGGERED}
