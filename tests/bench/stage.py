"""Staging files of several sizes and kinds, against Spark's own typed CSV reader writing the same Delta table.

python -m tests.bench.stage [MAX_MB=1000] [ROUNDS=3]        `make bench-stage`

The baseline is what a notebook does that knows its columns; it validates, numbers and flags nothing. Rounds are
interleaved, and the fastest counts: the noise of a shared machine only ever adds. The very first round does not count.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from spark_jobs.batches import Batch, WaitingFile
from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.run import Run
from spark_jobs.steps.stage import stage
from spark_jobs.store.session import open_session
from spark_jobs.store.tables import create_tables
from tests.bench.arguments import number
from tests.bench.figures import keep, long_lived, work_folder
from tests.bench.memory import python_peaks
from tests.bench.rows import HEADER, KINDS, POOL, Row
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SIZES_MB = (20, 200, 1000)
NAME = "source/order_tracking_2026_01_31.csv"
BUCKET = "orders-data"
ARRIVAL = datetime(2026, 2, 1, 12, tzinfo=UTC)


def main() -> None:
    long_lived()
    spark = open_session()
    spark.sparkContext.setLogLevel("ERROR")
    figures: dict[str, dict[str, float]] = {}
    print(f"{'seconds, MiB':22}{'Spark CSV':>10}{'job':>10}{'ratio':>8}{'worker peak':>13}{'driver peak':>13}")
    for size in (size for size in SIZES_MB if size <= number("MAX_MB", SIZES_MB[-1])):
        for kind, row in FILES.items():
            root = work_folder("stage") / f"{size}-{kind.replace(' ', '-')}"
            if not (root / NAME).exists():
                _write(root / NAME, row, size)
            if not figures:  # warm up
                _spark_csv(spark, root), _job(spark, root)
            rounds = [(_spark_csv(spark, root), _job(spark, root)) for _ in range(number("ROUNDS", 3))]
            baseline, job = (min(seconds) for seconds in zip(*rounds, strict=True))
            worker, driver = python_peaks()
            print(f"{f'{kind}, {size} MB':22}{baseline:10.2f}{job:10.2f}{job / baseline:8.2f}{worker:13.0f}{driver:13.0f}")
            figures[f"{kind}, {size} MB"] = {"spark_csv": baseline, "job": job, "worker_mib": worker, "driver_mib": driver}
    keep("stage", {"files": figures})


def _unquoted(row: Row) -> Row:
    """For rows without any quote: the comma in an address goes with the quotes."""
    return [field.strip('"').replace(",", "") for field in row]


FILES: dict[str, Callable[[random.Random, int], Row]] = {
    "clean": lambda rng, n: _unquoted(KINDS["clean"](rng, n)),
    "0.1 % bad": lambda rng, n: KINDS["every row bad"](rng, n) if n % 1000 == 500 else _unquoted(KINDS["clean"](rng, n)),
    "quoted": KINDS["every field quoted"],
    "offsets": lambda rng, n: _unquoted(KINDS["an offset in every timestamp"](rng, n)),
}


def _write(path: Path, row: Callable[[random.Random, int], Row], megabytes: int) -> None:
    """At least so many MB. A pool of rows is repeated with other keys."""
    rng = random.Random(7)
    pool = [re.sub(r"1Z\d{11}", "1Z{:011d}", ",".join(row(rng, n)), count=1) for n in range(POOL)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".begun").open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\n")
        first = 0
        while file.tell() < megabytes * 1_000_000:
            file.write("\n".join(line.format((first + n) * 7919 % 10**11) for n, line in enumerate(pool)) + "\n")
            first += POOL
    path.with_suffix(".begun").rename(path)


def _job(spark: SparkSession, root: Path) -> float:
    """Seconds of the job's own step, as `ingest` calls it."""
    warehouse = root / "warehouse"
    shutil.rmtree(warehouse, ignore_errors=True)
    settings = IngestSettings(BucketLayout(BUCKET), warehouse=str(warehouse), files_root=str(root))
    store = _FolderStore(root)
    run = Run(settings, Dependencies(store, FakeAnnouncer()), spark)
    create_tables(spark, run.tables, settings.feed)
    waiting = WaitingFile(store.stat(BUCKET, NAME), AcceptedMark(1, CONTRACT_VERSION, 0, 0, False, True), ARRIVAL)
    batch = Batch("bench", (waiting,), {waiting.file: 1}, {waiting.file: 0}, 0)
    started = time.perf_counter()
    result = stage(run, batch)
    seconds = time.perf_counter() - started
    assert result.version is not None and not result.rejected, result
    return seconds


class _FolderStore(FakeFileStore):
    """A folder as the part of a bucket that staging reads: nothing is held in memory, as with the real one."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def stat(self, bucket: str, name: str) -> StoredFile:
        return StoredFile(FileId(bucket, name, 1), 2, (self._root / name).stat().st_size, ARRIVAL)

    @contextmanager
    def open_file(self, file: FileId) -> Iterator[BinaryIO | None]:
        with (self._root / file.name).open("rb") as stream:
            yield stream

    def read_range(self, file: FileId, start: int, size: int) -> bytes | None:
        with (self._root / file.name).open("rb") as stream:
            stream.seek(start, os.SEEK_SET if start >= 0 else os.SEEK_END)
            return stream.read(size)


def _spark_csv(spark: SparkSession, root: Path) -> float:
    target = root / "notebook"
    shutil.rmtree(target, ignore_errors=True)
    schema = ", ".join(f"{column.name} {column.type.sql}" for column in ORDER_TRACKING.columns)
    started = time.perf_counter()
    rows = spark.read.schema(schema).option("header", "true").csv(str(root / NAME))
    rows.write.format("delta").mode("overwrite").option("compression", "zstd").save(str(target))
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
