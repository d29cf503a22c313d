"""A failed query is explained in one sentence that says what is missing and what to do."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from spark_jobs.changes.reasons import reason
from spark_jobs.changes.run import ChangesFailed, publish_changes
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.store.tables import create_tables, current_version
from tests.fakes.changes import FakeChanges
from tests.spark_jobs.changes.scene import FEED, Scene
from tests.spark_jobs.harness import row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PYTHON = """[STREAM_FAILED] Query [id = 1] terminated with exception: … Traceback (most recent call last):
  File "x.py", line 1, in publish
spark_jobs.cloud.ports.TransientError: Pub/Sub topic projects/p/topics/t: NotFound: 404 Resource not found

=== Streaming Query ==="""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(PYTHON, "Pub/Sub topic projects/p/topics/t: NotFound: 404 Resource not found"),
     (PYTHON.replace("TransientError", "FooError"), "RuntimeError: spark_jobs.cloud.ports.FooError: Pub/Sub topic"),
     ("[SOME_ERROR] it broke\nJVM stacktrace:", "RuntimeError: [SOME_ERROR] it broke")],
    ids=["outage", "python", "spark"],
)  # fmt: skip
def test_an_error_is_shown_by_its_message(text: str, sentence: str) -> None:
    nothing: Any = None
    assert reason(RuntimeError(text), nothing, nothing, FEED).startswith(sentence)


def failure(scene: Scene) -> str:
    settings = ChangesSettings(scene.harness.settings, "projects/p/topics/t", str(scene.folder / "checkpoint"))
    with pytest.raises(ChangesFailed) as failed:
        publish_changes(scene.spark, settings, [FEED], FakeChanges)
    return str(failed.value)


def test_changes_that_vacuum_removed_are_named_with_the_way_out(scene: Scene, spark: SparkSession) -> None:
    target = scene.harness.tables.target
    scene.harness.day(1, row("T1"), row("T2"))
    scene.publish()
    scene.harness.ingest()
    scene.publish()
    read_to = current_version(spark, target)
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    for statement in (f"UPDATE {target} SET address = 'x'", f"INSERT OVERWRITE {target} SELECT * FROM {target}"):
        spark.sql(statement).collect()
    spark.sql(f"VACUUM {target} RETAIN 0 HOURS").collect()
    said = failure(scene)
    assert f"of the target's versions {read_to} to " in said or f"of the target's versions {read_to + 1} to " in said
    assert "--from beginning" in said
    assert "\n" not in said
    scene.publish("beginning", "new checkpoint")
    scene.assert_consumers_hold_the_target()


def test_a_target_that_was_created_again_is_named(scene: Scene, spark: SparkSession) -> None:
    scene.publish()
    shutil.rmtree(scene.warehouse / "orders_target")
    spark.catalog.clearCache()
    create_tables(spark, scene.harness.tables, FEED)
    spark.sql(f"INSERT INTO {scene.harness.tables.target} (tracking_num) VALUES ('T1')").collect()
    assert "was dropped and created again" in failure(scene)
