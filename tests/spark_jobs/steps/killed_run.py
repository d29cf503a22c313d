"""python -m tests.spark_jobs.steps.killed_run MOMENT BUCKET WAREHOUSE: a run that is killed with 9, Spark and all.

MOMENT is a step that the run leaves, or a table: then in the middle of a commit to it, as soon as a new data file of it
appears. Empty: the run ends by itself. STORAGE_EMULATOR_HOST is the storage server. In a process group of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from spark_jobs.bootstrap import build_dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps import ingest, parking
from spark_jobs.store.session import open_session


def die() -> None:
    os.killpg(0, signal.SIGKILL)


def die_when_written(table: Path) -> None:
    before = set(table.glob("*.parquet"))
    while set(table.glob("*.parquet")) <= before:
        pass  # every moment counts, and it is over within seconds
    die()


def maintain(target: Path) -> None:
    """What predictive optimization may do at any time: it must not disturb counting."""
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()
    assert spark
    spark.sql(f"OPTIMIZE delta.`{target}`").collect()


def main() -> None:
    moment, bucket, warehouse = sys.argv[1:]

    def checkpoint(reached: str) -> None:
        if reached == moment:
            if moment == "merged":
                maintain(Path(warehouse, "orders_target"))
            die()

    logging.basicConfig(level=logging.INFO)  # shows which outcomes were announced before the end
    settings = IngestSettings(BucketLayout(bucket), warehouse=warehouse)
    if moment.startswith("orders_"):
        threading.Thread(target=die_when_written, args=[Path(warehouse, moment)], daemon=True).start()
    # A file that was left unlogged twice is retried alone (test_poison). Here it stays with the others.
    parking.PARKED_AFTER = 99
    ingest.ingest(settings, replace(build_dependencies(settings), checkpoint=checkpoint), open_session)
    if moment:
        raise SystemExit("the run came to its end")


if __name__ == "__main__":
    main()
