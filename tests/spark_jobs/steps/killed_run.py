"""A run that is killed with 9.

MOMENT is a step that the run leaves, or a table: then in the middle of a commit to it, as soon as a new data file of it
appears. Empty: the run ends by itself. STORAGE_EMULATOR_HOST is the storage server.

python -m tests.spark_jobs.steps.killed_run MOMENT BUCKET WAREHOUSE     Spark dies as well; in a process group of its own
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.bootstrap import build_dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps import ingest, parking
from spark_jobs.store.session import open_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(moment: str, bucket: str, warehouse: Path, session: Callable[[], SparkSession], die: Callable[[], None]) -> None:
    def checkpoint(reached: str) -> None:
        if reached == moment:
            if moment == "merged":
                # What predictive optimization may do at any time: it must not disturb counting.
                session().sql(f"OPTIMIZE delta.`{warehouse / 'orders_target'}`").collect()
            die()

    settings = IngestSettings(BucketLayout(bucket), warehouse=str(warehouse))
    if moment.startswith("orders_"):
        threading.Thread(target=die_when_written, args=[warehouse / moment, die], daemon=True).start()
    # A file that was left unlogged twice is retried alone (test_poison). Here it stays with the others.
    parking.PARKED_AFTER = 99
    ingest.ingest(settings, replace(build_dependencies(settings), checkpoint=checkpoint), session)
    if moment:
        raise SystemExit("the run came to its end")


def die_when_written(table: Path, die: Callable[[], None]) -> None:
    before = set(table.glob("*.parquet"))
    while set(table.glob("*.parquet")) <= before:
        time.sleep(0.001)  # the commit takes many times as long
    die()


def run_in_fork(moment: str, bucket: str, warehouse: Path, spark: SparkSession, log: Path) -> int:
    """The exit status of a fork that runs in this process's Spark session. It can be killed where Spark is idle."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        signal.alarm(120)
        logging.basicConfig(level=logging.INFO, filename=log, force=True)
        run(moment, bucket, warehouse, lambda: spark, lambda: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    except BaseException:
        logging.exception("the run failed")
    finally:
        os._exit(1)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)  # shows which outcomes were announced before the end
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]), open_session, lambda: os.killpg(0, signal.SIGKILL))
