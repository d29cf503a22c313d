"""Where the stream starts, and that no change is lost between two runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.demo.tables import read_table
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.changes.stream import start_changes
from spark_jobs.contract.feeds import CUSTOMER_ORDERS
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.tables import Tables, create_tables
from tests.fakes.changes import FakeChanges
from tests.spark_jobs.changes.scene import Scene, as_json
from tests.spark_jobs.harness import row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def told(bodies: list[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    """(key, status before, status after) of changes."""
    return [
        (body["key"]["tracking_num"], *(row["status"] if row else None for row in (body["before"], body["after"])))
        for body in bodies
    ]


def test_from_now_on_only_later_changes_are_published_and_none_is_lost_after_a_first_run_without_any(scene: Scene) -> None:
    scene.harness.day(1, row("T1"), row("T2"))
    [loaded] = scene.harness.ingest()
    assert scene.publish() == []
    assert scene.publish() == []
    scene.harness.day(2, row("T1", "2026-01-02 10:00:00", "shipped"), row("T3"))
    [entry] = scene.harness.ingest()
    bodies = scene.publish()
    assert sorted(told(bodies)) == [("T1", "pending", "shipped"), ("T3", None, "pending")]
    assert {body["file_id"] for body in bodies} == {str(entry.file)} != {str(loaded.file)}
    assert scene.publish() == []


def test_from_the_beginning_the_table_comes_first_and_consumers_learn_what_is_gone(scene: Scene) -> None:
    """What was published before by another checkpoint, and deleted while nobody published, is gone from the copy."""
    scene.harness.day(1, row("T1"), row("T2"))
    scene.publish()
    scene.harness.ingest()
    scene.publish()
    scene.spark.sql(f"DELETE FROM {scene.harness.tables.target} WHERE tracking_num = 'T1'").collect()
    snapshot, *rows = scene.publish("beginning", "another checkpoint")
    assert (snapshot["kind"], snapshot["rows"]) == ("snapshot", 1)
    assert told(rows) == [("T2", None, "pending")]
    assert rows[0]["commit_version"] == snapshot["commit_version"]
    scene.assert_consumers_hold_the_target()


def test_tables_that_do_not_exist_yet_are_created_so_that_the_first_load_is_published(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The types of columns as messages have them, for a feed with all of them."""
    ingest = IngestSettings(BucketLayout("b"), warehouse=str(tmp_path / "w"), feed=CUSTOMER_ORDERS)
    settings = ChangesSettings(ingest, "projects/p/topics/t", str(tmp_path / "checkpoint"))
    publisher = FakeChanges()
    start_changes(spark, settings, CUSTOMER_ORDERS, publisher).awaitTermination()
    items = "array(named_struct('product_id', 'P', 'product_name', NULL, 'quantity', 2, 'unit_price', 24.90))"
    values = f"'O-1', {items}, 7.5, DATE'0001-01-01', TIMESTAMP'2026-01-30 09:12:00.000001Z', '\"\\n\u2028😀'"
    names = "order_id, items, order_total, expected_delivery_date, ordered_at, currency"
    spark.sql(f"INSERT INTO {Tables.of(ingest).target} ({names}) VALUES ({values})").collect()
    start_changes(spark, settings, CUSTOMER_ORDERS, publisher).awaitTermination()
    [body] = [json.loads(message.data) for message in publisher.messages]
    assert body["after"] == dict.fromkeys(CUSTOMER_ORDERS.column_names) | {
        "order_id": "O-1",
        "items": [{"product_id": "P", "product_name": None, "quantity": 2, "unit_price": "24.90"}],
        "order_total": "7.50",
        "expected_delivery_date": "0001-01-01",
        "ordered_at": "2026-01-30T09:12:00.000001Z",
        "currency": '"\n\u2028😀',
    }
    [read] = read_table(tmp_path / "w", "customer_orders_target", ", ".join(CUSTOMER_ORDERS.column_names))
    assert body["after"] == as_json(read)


def test_a_column_that_the_table_lacks_is_missing_and_one_that_is_added_is_published(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The table of an earlier version of the feed: the stream goes on across the migration."""
    older = replace(
        CUSTOMER_ORDERS,
        columns=tuple(c for c in CUSTOMER_ORDERS.columns if c.name != "shipping_method"),
        newest_by=tuple(name for name in CUSTOMER_ORDERS.newest_by if name != "shipping_method"),
    )
    ingest = IngestSettings(BucketLayout("b"), warehouse=str(tmp_path / "w"), feed=older)
    settings, publisher = ChangesSettings(ingest, "projects/p/topics/t", str(tmp_path / "c")), FakeChanges()
    tables = Tables.of(ingest)
    create_tables(spark, tables, older)
    start_changes(spark, settings, CUSTOMER_ORDERS, publisher).awaitTermination()
    spark.sql(f"INSERT INTO {tables.target} (order_id) VALUES ('O-1')").collect()
    start_changes(spark, settings, CUSTOMER_ORDERS, publisher).awaitTermination()
    create_tables(spark, tables, CUSTOMER_ORDERS)
    spark.sql(f"UPDATE {tables.target} SET shipping_method = 'express'").collect()
    start_changes(spark, settings, CUSTOMER_ORDERS, publisher).awaitTermination()
    first, second = [json.loads(message.data) for message in publisher.messages]
    assert first["after"]["shipping_method"] is second["before"]["shipping_method"] is None
    assert (second["after"]["shipping_method"], second["changed"]) == ("express", ["shipping_method"])
