"""A JVM class-data archive, which lets a local session map Spark's classes instead of loading them from the jars.

`infra.local.class_data` creates it. It is never required: without an archive, or with one that doesn't match, Java loads
the classes as usual.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from spark_jobs.store.jars import jar_folder
from spark_jobs.store.java import Java

JAVA_OPTIONS = "spark.driver.extraJavaOptions"


def shared_spark_home() -> Path:
    """PySpark's Java side at one path for every environment: an archive is valid for exactly one class path."""
    import pyspark

    return jar_folder() / f"spark-{pyspark.__version__}"


def archive_path(java: Java, jars: list[Path]) -> Path:
    """Next to the jars. The name is a hash of everything that the archive depends on."""
    parts = "\0".join([java.about, str(shared_spark_home()), *map(str, jars)])
    return jar_folder() / f"classes-{hashlib.sha256(parts.encode()).hexdigest()[:16]}.jsa"


def class_data_options(java: Java, jars: list[Path]) -> str:
    """Java options for a session that starts from `shared_spark_home`; empty if there is no archive."""
    archive = archive_path(java, jars)
    return f"-XX:SharedArchiveFile={archive} -Xlog:cds=off" if archive.exists() else ""
