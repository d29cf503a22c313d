"""python -m tests.spark_jobs.steps.killed_run MOMENT BUCKET WAREHOUSE: a run that is killed with 9, Spark and all.

MOMENT is a step that the run leaves, or a table: then in the middle of a commit to it, as soon as a new data file of it
appears. Storage is reached as STORAGE_EMULATOR_HOST says. In a process group of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spark_jobs.bootstrap import build_dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.ingest import ingest
from spark_jobs.store.session import open_session


def die() -> None:
    os.killpg(0, signal.SIGKILL)


def at_step(step: str) -> Callable[[str], None]:
    def checkpoint(reached: str) -> None:
        if reached == step:
            die()

    return checkpoint


def die_when_written(table: Path) -> None:
    before = set(table.glob("*.parquet"))
    while set(table.glob("*.parquet")) <= before:
        pass  # every moment counts, and it is over within seconds
    die()


def main() -> None:
    moment, bucket, warehouse = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)  # tells of the outcomes that were announced before the end
    settings = IngestSettings(BucketLayout(bucket), warehouse=warehouse)
    table = Path(warehouse) / moment
    if table.exists():
        threading.Thread(target=die_when_written, args=[table], daemon=True).start()
    deps = replace(build_dependencies(settings), checkpoint=at_step(moment))
    ingest(settings, deps, open_session)
    raise SystemExit("the run came to its end")


if __name__ == "__main__":
    main()
