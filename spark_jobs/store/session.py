"""The Spark session: the platform's own on Databricks, a Connect session if SPARK_REMOTE is set, otherwise local Delta."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.settings import Explained
from spark_jobs.store.java import JAVA_OPTIONS, class_data_options, fetch_jars, find_java, shared_spark_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SessionError(Explained):
    """Spark can't be started here; the message says what to do."""


def open_session(*, lasting: bool = False) -> SparkSession:
    """The session for this place; ``lasting``: for hours, not for seconds. Raises SessionError or JavaError."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise SessionError(
            "PySpark isn't installed here: run on Databricks, or install the wheel with its [local] extra"
        ) from None
    if "DATABRICKS_RUNTIME_VERSION" in os.environ or "SPARK_REMOTE" in os.environ:
        return SparkSession.builder.getOrCreate()
    java, jars = find_java(), fetch_jars()
    # Otherwise the workers would run whichever `python3` is on PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = local_settings(jars, lasting=lasting)
    if archived := class_data_options(java, jars):
        os.environ.setdefault("SPARK_HOME", str(shared_spark_home()))
        settings[JAVA_OPTIONS] += " " + archived
    builder = SparkSession.builder.appName("order-tracking")
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def local_settings(jars: list[Path], *, lasting: bool = False) -> dict[str, str]:
    """Settings for a session that this process starts itself: Delta, the connector, and sizes that suit one machine."""
    # A run lives for seconds, too short for Java's second compiler to pay off.
    compilers = os.environ.get("ORDER_TRACKING_JAVA_OPTIONS", "" if lasting else "-XX:TieredStopAtLevel=1")
    settings = {
        "spark.master": "local[*]",
        "spark.driver.extraClassPath": os.pathsep.join(map(str, jars)),
        "spark.driver.memory": os.environ.get("ORDER_TRACKING_DRIVER_MEMORY", "2g"),
        # On two cores, the stop-the-world collector costs less than the concurrent one.
        JAVA_OPTIONS: f"-XX:+UseParallelGC {compilers}",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # What Spark keeps for its page, which is off, grows with every query of a continuous run.
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.ui.retainedTasks": "500",
        "spark.sql.ui.retainedExecutions": "10",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # The defaults are made for clusters: fifty tasks for a log of a hundred lines.
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        # A load needs some 190 generated classes and Spark keeps 100: each load would compile all of them again, first to
        # byte code and then to machine code. That was a third of a warm load's time.
        "spark.sql.codegen.cache.maxEntries": "2000",
        # A small load becomes one file of the target, not one a core: every later MERGE rewrites the deletion vector of
        # each file that it touches, up to 8 KB, and logs it again.
        "spark.sql.adaptive.coalescePartitions.minPartitionSize": "8MB",
        # Arrow's rows are sent to the tasks unchanged. Below this size (48 MB by default) Spark makes rows of them in the
        # driver and sends those with Java's own serialization: 200,000 rows took two seconds longer.
        "spark.sql.execution.arrow.localRelationThreshold": "0",
        # The default is INT96, for old readers: 12 bytes, slower to read and to write, and without statistics.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # MERGE's outer join can't broadcast its source, so Spark shuffles every row of the touched files; unless a Bloom
        # filter of the source's keys drops them at the scan, which it only does where no side could be broadcast.
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        "spark.sql.optimizer.runtime.bloomFilter.applicationSideScanSizeThreshold": "1MB",
        # 256 KiB, which stay in a core's cache and let 2 % pass of what 200,000 keys don't match; the default is 1 MiB.
        "spark.sql.optimizer.runtime.bloomFilter.expectedNumItems": "500000",
        "spark.sql.optimizer.runtime.bloomFilter.numBits": "2097152",
        # The workers must find this package even if it isn't installed (tests, a source tree).
        "spark.executorEnv.PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return settings | _connector_settings(os.environ.get("STORAGE_EMULATOR_HOST", ""))


def _connector_settings(emulator: str) -> dict[str, str]:
    settings = {
        "spark.hadoop.fs.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFS",
    }
    if emulator:
        root = emulator if "://" in emulator else f"http://{emulator}"
        settings |= {
            "spark.hadoop.fs.gs.storage.root.url": root.rstrip("/"),
            "spark.hadoop.fs.gs.storage.service.path": "/storage/v1/",
            "spark.hadoop.fs.gs.project.id": os.environ.get("GOOGLE_CLOUD_PROJECT", "local"),
            "spark.hadoop.fs.gs.auth.null.enable": "true",
            "spark.hadoop.fs.gs.auth.service.account.enable": "false",
        }
    return settings
