"""Does a continuous run grow? Loads of one small file each, in one session, as fast as they go.

python -m tests.bench.live_memory [LOADS=1000]

Compares the middle of the series with its end: resident memory of the driver's Python, and the JVM's heap after garbage
collection. Exits 1 if one of them grew by more than the goal.
"""

from __future__ import annotations

import gc
import re
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout, IngestSettings, Pace
from spark_jobs.steps import continuous
from spark_jobs.steps.stopping import StopRequest
from spark_jobs.store.session import open_session
from tests.bench.arguments import number
from tests.bench.contenders import BUCKET, accepted
from tests.bench.figures import Goal, keep, show_goals, work_folder
from tests.bench.order_rows import COLUMNS
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.mirrored_file_store import MirroredFileStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOWN = 10
PYTHON_GOAL_MIB = 16
HEAP_GOAL_MIB = 64
MIB = 1024 * 1024


class Sender(StopRequest):
    """Uploads the next file whenever the run waits for one, and measures a few times on the way."""

    def __init__(self, spark: SparkSession, store: MirroredFileStore, announcer: FakeAnnouncer, loads: int) -> None:
        super().__init__()
        self._spark, self._store, self._announcer = spark, store, announcer
        self._loads, self._sent = loads, 0
        self.measured: list[tuple[float, float]] = []

    def wait(self, seconds: float) -> None:
        if self._sent % (self._loads // SHOWN) == 0:
            self._measure()
        if self._sent == self._loads:
            return self.request()
        # Neither the bucket nor the messages are part of what is measured.
        self._store.objects.clear()
        self._store.calls.clear()
        self._announcer.outcomes.clear()
        self._sent += 1
        stamp = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=self._sent)
        row = f"ORD-{self._sent},TRK{self._sent % 500:012d},2026-01-01,,shipped,1 Oak Street,{stamp:%Y-%m-%d %H:%M:%S}"
        content = f"{','.join(COLUMNS)}\n{row}\n".encode()
        day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self._sent % 28)
        accepted(self._store, f"source/order_tracking_{day:%Y_%m_%d}.csv", content, datetime.now(UTC))

    def _measure(self) -> None:
        gc.collect()
        bean = self._spark.sparkContext._jvm.java.lang.management.ManagementFactory.getMemoryMXBean()
        bean.gc()
        found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert found
        self.measured.append((int(found.group(1)) / 1024, bean.getHeapMemoryUsage().getUsed() / MIB))
        python, heap = self.measured[-1]
        print(
            f"{datetime.now(UTC):%H:%M:%S} {self._sent:5} loads  Python {python:6.1f} MiB  heap {heap:6.1f} MiB", flush=True
        )


def main() -> int:
    loads = number("LOADS", 1000)
    folder = work_folder("live-memory")
    shutil.rmtree(folder)
    folder.mkdir()
    spark = open_session(lasting=True)
    spark.sparkContext.setLogLevel("ERROR")
    store, announcer = MirroredFileStore(root=folder / "bucket"), FakeAnnouncer()
    sender = Sender(spark, store, announcer, loads)
    settings = IngestSettings(BucketLayout(BUCKET), warehouse=str(folder / "warehouse"))
    # Rounds as short as this series needs to have many of them.
    continuous.ROUND_SECONDS = 20.0
    deps = replace(Dependencies(store, announcer), now=lambda: datetime.now(UTC))
    continuous.ingest_continuously(
        settings, deps, lambda: spark, ["order_tracking"], pace=Pace(poll_seconds=0.001), stop=sender
    )
    lines = spark.read.format("delta").load(str(folder / "warehouse" / "orders_ingest_log")).count()
    python, heap = (sender.measured[-1][at] - sender.measured[SHOWN // 2][at] for at in (0, 1))
    figures = {
        "loads": loads,
        "python_mib": [round(p) for p, _ in sender.measured],
        "heap_mib": [round(h) for _, h in sender.measured],
    }
    keep("live_memory", figures)
    return show_goals(
        [
            Goal("files merged", lines, loads, least=True),
            Goal("MiB that Python grew by in the second half", python, PYTHON_GOAL_MIB),
            Goal("MiB that the JVM's heap grew by in the second half", heap, HEAP_GOAL_MIB),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
