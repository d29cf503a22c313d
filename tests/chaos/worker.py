"""python -m tests.chaos.worker: runs of the real job in a warm process, which can be killed and suspended like any other.

Reads one JSON command per line and answers each with one line. STORAGE_EMULATOR_HOST is the storage server. Leads a process
group of its own, so that a signal to the group reaches Spark's JVM, too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from spark_jobs.bootstrap import build_dependencies
from spark_jobs.cloud.ports import Announcer, TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.ingest import ingest
from spark_jobs.steps.parking import RETRY
from spark_jobs.steps.run import Run
from spark_jobs.steps.take import note
from spark_jobs.store.session import open_session
from spark_jobs.store.tables import Tables


@dataclass
class Journal:
    """Records what the real announcer published. The broker refuses the first ``refused`` outcomes."""

    announcer: Announcer
    path: Path
    refused: int = 0

    def announce(self, outcomes: list[Outcome]) -> None:
        if self.refused:
            self.refused -= 1
            raise TransientError("the broker is down")
        self.announcer.announce(outcomes)
        with self.path.open("ab") as file:
            file.write(b"".join(outcome.as_message() + b"\n" for outcome in outcomes))


class Fate:
    """What happens to a run: (moment, "killed" or "suspended"), one after the other."""

    def __init__(self, plan: list[tuple[str, str]], warehouse: Path) -> None:
        self._plan, self._warehouse, self._over = plan, warehouse, threading.Event()
        self._watch()

    def checkpoint(self, reached: str) -> None:
        if self._plan and self._plan[0][0] == reached:
            self._strike()

    def end(self) -> None:
        self._over.set()

    def _strike(self) -> None:
        moment, how = self._plan.pop(0)
        if how == "killed":
            os.killpg(0, signal.SIGKILL)
        answer({"suspended": moment})
        os.killpg(0, signal.SIGSTOP)
        self._watch()

    def _watch(self) -> None:
        if self._plan and self._plan[0][0].startswith("orders_"):
            table = self._warehouse / self._plan[0][0]
            threading.Thread(target=self._strike_within_commit, args=[table], daemon=True).start()

    def _strike_within_commit(self, table: Path) -> None:
        before = set(table.glob("*.parquet"))
        while set(table.glob("*.parquet")) <= before:
            if self._over.wait(0.0005):
                return
        self._strike()


def answer(message: dict[str, Any]) -> None:
    print(json.dumps(message), file=ANSWERS, flush=True)


def settings_of(command: dict[str, Any]) -> IngestSettings:
    small = {} if command.get("small", True) else {"small_batch_bytes": 0}
    layout = BucketLayout(command["bucket"])
    return IngestSettings(layout, warehouse=command["warehouse"], max_batch_files=command.get("batch_files", 1000), **small)


def dependencies(command: dict[str, Any], fate: Fate) -> Dependencies:
    real = build_dependencies(settings_of(command))
    ahead, passed = timedelta(seconds=command.get("clock", 0)), Path(command["passed"])

    def now() -> datetime:
        """Read every time: hours also pass for a run that is suspended."""
        return datetime.now(UTC) + ahead + timedelta(hours=int(passed.read_text()))

    return replace(
        real,
        announcer=Journal(real.announcer, Path(command["journal"]), command.get("unpublished", 0)),
        now=now,
        checkpoint=fate.checkpoint,
    )


@contextlib.contextmanager
def befalling(command: dict[str, Any]) -> Iterator[Fate]:
    fate = Fate([(moment, how) for moment, how in command.get("plan", [])], Path(command["warehouse"]))
    try:
        yield fate
    finally:
        fate.end()


def do(command: dict[str, Any]) -> Any:
    """The answer to a command: lines logged by a run, or rows of a query."""
    spark = open_session()
    if statement := command.get("sql"):
        for name, value in command.get("settings", {}).items():
            spark.conf.set(name, value)
        return [row.asDict() for row in spark.sql(statement).collect()]
    if command.get("changes"):
        return changed_rows(spark, Tables.of(settings_of(command)).target)
    with befalling(command) as fate:
        deps = dependencies(command, fate)
        if files := command.get("retry"):
            run = Run(settings_of(command), deps, spark)
            note(run, [FileId.parse(file) for file in files], f"{RETRY}chaos", 0)
            return []
        return [str(entry.file) for entry in ingest(settings_of(command), deps, open_session)]


def changed_rows(spark: Any, target: str) -> list[list[Any]]:
    """(file id, row number, whether it ever was an insert) for each row that a file brought into the target."""
    from pyspark.sql import functions as F

    kind = F.col("_change_type")
    changes = spark.read.option("readChangeFeed", "true").option("startingVersion", 0).table(target)
    brought = changes.where(kind.isin("insert", "update_postimage")).groupBy("file_id", "row_number")
    rows = brought.agg(F.max(kind == "insert").alias("inserted")).collect()
    return [[row["file_id"], row["row_number"], row["inserted"]] for row in rows]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    open_session().range(1).collect()
    answer({"ready": time.time()})
    for line in sys.stdin:
        try:
            answer({"done": do(json.loads(line))})
        except Exception as error:  # a run that fails is an answer, too
            logging.exception("failed")
            answer({"failed": f"{type(error).__name__}: {error}"[:2000]})


if __name__ == "__main__":
    # Only answers go to the real standard output: Spark's JVM inherits number 1.
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main()
