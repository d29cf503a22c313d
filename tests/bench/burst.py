"""Many files at once: how many runs they cost, and how much memory a long queue takes.

python -m tests.bench.burst [FILES=1000] [WINDOW=30] [QUEUE=10000]        `make bench-burst`

First FILES uploads go through the whole local stack; at most ceil(duration / window) + 1 runs may take them (2 within a
window). Then QUEUE accepted files wait in source/ before one run, which must take, merge and archive all of them with
bounded memory. FILES=0 or QUEUE=0 leaves a part out. Exits 1 if a goal isn't met.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.local.services.process import ServerProcess
from infra.local.uploads import connect
from spark_jobs.bootstrap import build_dependencies
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.ingest import ingest
from spark_jobs.store.session import open_session
from tests.bench.arguments import number
from tests.bench.figures import ROOT, Goal, keep, show_goals, work_folder
from tests.bench.job_steps import steps
from tests.bench.local_stack import local_stack
from tests.bench.memory import heap_peak, resident_peak
from tests.bench.order_rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.cloud import storage

SENDERS = 8
PATIENCE_SECONDS = 1800
GROWTH_MIB = 256
"""How much the driver's own process may grow while it works through the queue."""
BUCKET = "orders-data"


@dataclass(frozen=True)
class Small:
    """A file of one row; all of them have keys of their own."""

    number: int

    @property
    def name(self) -> str:
        day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.number % 28)
        return f"source/{self.number // 28:04d}/order_tracking_{day:%Y_%m_%d}.csv"

    @property
    def content(self) -> bytes:
        row = f"ORD-{self.number},TRK{self.number:012d},2026-01-01,,shipped,1 Oak Street,2026-01-01 10:00:00"
        return f"{','.join(COLUMNS)}\n{row}\n".encode()


def main() -> int:
    goals: list[Goal] = []
    figures: dict[str, object] = {}
    if files := number("FILES", 1000):
        goals, figures = _runs_of_a_burst(files, number("WINDOW", 30))
    if queue := number("QUEUE", 10_000):
        more, found = _long_queue(queue)
        goals += more
        figures |= found
    keep("burst", figures)
    return show_goals(goals)


def _runs_of_a_burst(files: int, window: int) -> tuple[list[Goal], dict[str, object]]:
    with local_stack("burst", window) as stack:
        # From the beginning of a window, so that a burst that fits into one has the chance to.
        time.sleep(window - time.time() % window)
        started = time.time()
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda small: _upload(stack.bucket, small), map(Small, range(files))))
        sent = time.time() - started
        stack.until(lambda: not stack.events_under_way(), PATIENCE_SECONDS)
        validated = time.time() - started
        stack.until(stack.settled, PATIENCE_SECONDS, pause=1.0)
        done = time.time() - started
        runs = len(stack.runs())
        archived = sum(1 for _ in stack.client.list_blobs(stack.bucket, prefix="archive/"))
    allowed = math.ceil(validated / window) + 1
    print(f"{files:,} files: sent in {sent:.1f} s, all validated after {validated:.1f} s, all archived after {done:.1f} s")
    print(f"window {window} s: {runs} runs instead of {files:,}, one for {files / runs:,.0f} files; {archived:,} archived")
    figures: dict[str, object] = {"files": files, "window": window, "runs": runs, "validated_seconds": round(validated, 1)}
    figures["archived_seconds"] = round(done, 1)
    return [
        Goal(f"runs for {files:,} files (validated in {validated:.0f} s, windows of {window} s)", runs, allowed),
        Goal("files archived", archived, files, least=True),
    ], figures


def _upload(bucket: storage.Bucket, small: Small) -> None:
    bucket.blob(small.name).upload_from_string(small.content, content_type="text/csv")


def _long_queue(files: int) -> tuple[list[Goal], dict[str, object]]:
    """One run over a bucket of the local storage server, through the official client and the real connector."""
    with _storage() as url:
        os.environ["STORAGE_EMULATOR_HOST"] = url
        client = connect(url)
        _fill(client.create_bucket(BUCKET), files)
        settings = IngestSettings(BucketLayout(BUCKET), warehouse=str(work_folder("burst-queue") / "warehouse"))
        spark = open_session()
        spark.sparkContext.setLogLevel("ERROR")
        started = time.time()
        with heap_peak(spark) as heap, resident_peak() as resident, steps() as by_step:
            entries = ingest(settings, build_dependencies(settings), lambda: spark)
        seconds = time.time() - started
        spark.stop()
        left = sum(1 for _ in client.list_blobs(BUCKET, prefix="source/"))
        archived = sum(1 for _ in client.list_blobs(BUCKET, prefix="archive/"))
    print(f"\n{files:,} accepted files in source/: {len(entries):,} merged, {archived:,} archived in {seconds:.0f} s")
    print("steps: " + "  ".join(f"{step} {took:.1f}" for step, took in by_step.items()))
    print(f"the driver's Python grew by {resident[0]:.0f} MiB, the JVM's heap reached {heap[0]:.0f} MiB")
    figures = {
        "queue": files,
        "queue_seconds": round(seconds),
        "python_mib": round(resident[0]),
        "heap_mib": round(heap[0]),
    }
    return [
        Goal("files of the queue archived", archived, files, least=True),
        Goal("files left in source/", left, 0),
        Goal("MiB that the driver's Python grew by", resident[0], GROWTH_MIB),
    ], dict(figures)


@contextmanager
def _storage() -> Iterator[str]:
    folder = work_folder("burst-queue")
    shutil.rmtree(folder)
    folder.mkdir()
    command = [sys.executable, "-m", "infra.local.storage", "--port=0", f"--data-dir={folder / 'storage'}"]
    with ServerProcess(command, cwd=ROOT, ready_timeout=30) as server:
        yield server.url


def _fill(bucket: storage.Bucket, files: int) -> None:
    """Uploaded and marked, as the function leaves them."""

    def put(small: Small) -> None:
        blob = bucket.blob(small.name)
        blob.upload_from_string(small.content, content_type="text/csv")
        mark = AcceptedMark(int(blob.generation), CONTRACT_VERSION, 1, 0, partial=False, splittable=True)
        blob.metadata = mark.as_metadata()
        blob.patch()

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(put, map(Small, range(files))))


if __name__ == "__main__":
    sys.exit(main())
