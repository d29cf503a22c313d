# ruff: noqa: S608 - the tables' names are quoted, nothing else is put into the SQL
"""Makes the class-data archive from which local sessions start faster (`spark_jobs.store.java`).

python -m infra.local.class_data        makes the archive for this Java and these jars if there is none
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.java import JAVA_OPTIONS, archive_path, fetch_jars, find_java, jar_folder, shared_spark_home
from spark_jobs.store.session import local_settings
from spark_jobs.store.tables import Tables, create_tables, current_version, frame_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def create_archive() -> None:
    """Run the statements of a small load in a session of its own, which writes the archive when it ends."""
    from pyspark.sql import SparkSession

    java, jars = find_java(), fetch_jars()
    archive = archive_path(java, jars)
    if archive.exists():
        return
    _link_spark_home()
    os.environ["SPARK_HOME"] = str(shared_spark_home())
    with tempfile.TemporaryDirectory(dir=jar_folder()) as folder:
        part = Path(folder, archive.name)
        settings = local_settings(jars)
        settings[JAVA_OPTIONS] += f" -XX:ArchiveClassesAtExit={part} -Xlog:disable"
        builder = SparkSession.builder.appName("class-data")
        for key, value in settings.items():
            builder = builder.config(key, value)
        spark = builder.getOrCreate()
        java_process = spark.sparkContext._gateway.proc
        _small_load(spark, Path(folder, "warehouse"))
        spark.stop()
        java_process.stdin.close()  # it ends with its input, and writes the archive then
        java_process.wait()
        if part.exists():
            part.replace(archive)


def _link_spark_home() -> None:
    """Hard links where possible: they take no space and stay when the environment is deleted."""
    import pyspark

    home, package = shared_spark_home(), Path(pyspark.__file__).parent
    if home.exists():
        return
    with tempfile.TemporaryDirectory(dir=jar_folder()) as folder:
        part = Path(folder, "home")
        for name in ("bin", "jars", "python"):
            shutil.copytree(package / name, part / name, copy_function=_link)
        part.replace(home)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _small_load(spark: SparkSession, warehouse: Path) -> None:
    settings = IngestSettings(BucketLayout("bucket"), warehouse=str(warehouse))
    tables = Tables.of(settings)
    create_tables(spark, tables, settings.feed)
    staged = frame_of(spark, [("T", 1)], {"tracking_num": "STRING", "row_number": "BIGINT"})
    staged.writeTo(tables.stage).option("userMetadata", "batch").append()
    version = current_version(spark, tables.stage)
    for _ in range(2):  # the second one updates
        spark.sql(
            f"""MERGE INTO {tables.target} t
            USING (SELECT * FROM {tables.stage} VERSION AS OF {version} WHERE row_number > 0) s
            ON t.tracking_num = s.tracking_num
            WHEN MATCHED THEN UPDATE SET t.row_number = s.row_number
            WHEN NOT MATCHED THEN INSERT (tracking_num, row_number) VALUES (s.tracking_num, s.row_number)"""
        ).collect()
    changes = spark.read.option("readChangeFeed", "true").option("startingVersion", 1)
    changes.table(tables.target).groupBy("_change_type").count().collect()


if __name__ == "__main__":
    create_archive()
