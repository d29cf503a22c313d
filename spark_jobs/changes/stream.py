"""Starts the query that publishes a feed's changes: Structured Streaming on the target's change data feed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from spark_jobs.changes.batch import publish_batch
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.changes.start import start_version
from spark_jobs.cloud.ports import ChangePublisher
from spark_jobs.contract.feed import Feed
from spark_jobs.store.tables import Tables, create_tables, current_version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

TRIGGER = "1 second"


def start_changes(
    spark: SparkSession, settings: ChangesSettings, feed: Feed, publisher: ChangePublisher, *, continuous: bool = False
) -> StreamingQuery:
    """Returns at once. The query ends when it has published what was there at its start; with ``continuous`` it goes on.

    If publishing fails, the query fails, and the next one on this checkpoint publishes the same batch again. Under Connect
    (Databricks serverless) the publisher is pickled and works in another process.
    """
    tables = settings.tables_of(feed)
    # An explicit version, because with "latest" a query that finds nothing new writes no checkpoint, and the next one would
    # again start at what is then the latest.
    version = start_version(spark, settings.checkpoint_of(feed), lambda: _version(spark, tables, feed))
    publish = partial(publish_batch, settings=settings, feed=feed, publisher=publisher, started_at=version)
    writer = (
        _change_feed(spark, tables, version)
        .writeStream.foreachBatch(publish)
        .option("checkpointLocation", settings.checkpoint_of(feed))
    )
    return (writer.trigger(processingTime=TRIGGER) if continuous else writer.trigger(availableNow=True)).start()


def _version(spark: SparkSession, tables: Tables, feed: Feed) -> int:
    """The target's version. Without tables yet, creates them: the feed's first load must not count as earlier than now."""
    from pyspark.errors import AnalysisException

    try:
        return current_version(spark, tables.target)
    except AnalysisException:
        create_tables(spark, tables, feed)
        return current_version(spark, tables.target)


def _change_feed(spark: SparkSession, tables: Tables, version: int) -> DataFrame:
    reader = spark.readStream.option("readChangeFeed", "true").option("startingVersion", version)
    in_folder = tables.target.startswith("delta.")
    if in_folder:  # streams can't name the table of a folder in SQL
        return reader.format("delta").load(tables.target.removeprefix("delta.`").removesuffix("`").replace("``", "`"))
    return reader.table(tables.target)
