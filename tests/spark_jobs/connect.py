"""Spark Connect, which Databricks serverless is. Connect and classic sessions can't share a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.store.java import fetch_jars
from spark_jobs.store.session import local_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]


def connect_session() -> SparkSession:
    """The session of a process that `run_apart` has started."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.remote("local[2]")
    for key, value in local_settings(fetch_jars()).items():
        if key != "spark.master":
            builder = builder.config(key, value)
    spark = builder.getOrCreate()
    if "connect" not in type(spark).__module__:
        raise AssertionError(f"not a Connect session: {type(spark)}")
    return spark


def run_apart(module: str, folder: Path) -> None:
    """Run `python -m MODULE FOLDER`, which must say that it was right."""
    # On Databricks the wheel is installed where the workers run; here they find the tree.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    command = [sys.executable, "-m", module, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=540, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "right under Connect" in done.stdout
