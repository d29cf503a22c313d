"""From an upload to rows that can be queried, with a continuous run: files of 2,000 rows into a target of a million.

python -m tests.bench.latency LIVE=1 [UPLOADS=50] [ROWS=2000] [TARGET=1000000] [EVERY=5]     `make bench-latency LIVE=1`

The storage server and the run are processes of their own. A file can be queried from the moment when the commit to the
target that contains its rows is written. Exits 1 if a goal isn't met.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from functions.validation.upload import validate_upload
from infra.local.services.process import ServerProcess
from infra.local.uploads import connect
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.contract.marks import AcceptedMark
from tests.bench.arguments import number
from tests.bench.contenders import BUCKET, Ours
from tests.bench.figures import ROOT, Goal, keep, show_goals, work_folder
from tests.bench.job_steps import read_steps
from tests.bench.order_rows import RECENT, Pattern, write_updates
from tests.bench.table_folder import linked_copy

if TYPE_CHECKING:
    from google.cloud import storage

WARM_UP = 12
"""Files before those that are measured: Java compiles what it runs often."""
PATIENCE_SECONDS = 300
MEDIAN_GOAL, P95_GOAL = 4.0, 7.0
SHOWN = ("list", "look", "take", "stage", "merge", "count", "announce", "record", "archive")


def main() -> int:
    uploads, rows, every = number("UPLOADS", 50), number("ROWS", 2000), number("EVERY", 5)
    load_before = os.getloadavg()[0]
    folder = _warehouse(number("TARGET", 1_000_000))
    uploaded: dict[str, float] = {}
    with _storage(folder) as url, _continuous_run(folder, url) as log:
        bucket = connect(url).create_bucket(BUCKET)
        for day in range(WARM_UP + uploads):
            started = time.time()
            file, at = _upload(bucket, _content(folder, rows, number("TARGET", 1_000_000), day), day)
            if day < WARM_UP:
                _until(lambda: not any(bucket.client.list_blobs(BUCKET, prefix="source/")))
                mark = len(log.read_text())
            else:
                uploaded[file] = at
                time.sleep(max(0.0, started + every - time.time()))
        _until(lambda: not any(bucket.client.list_blobs(BUCKET, prefix="source/")))
        steps = log.read_text()[mark:]
    queryable = _commits(folder / "warehouse" / "orders_target")
    seconds = sorted(queryable[file] - at for file, at in uploaded.items())
    median, p95 = statistics.median(seconds), seconds[math.ceil(0.95 * len(seconds)) - 1]
    batches = steps.count("step=merge")
    each = {step: took / batches for step, took in read_steps(steps).items() if step in SHOWN}
    print(f"{uploads} files of {rows:,} rows, one every {every} s, in {batches} batches; load average {load_before:.1f}")
    print("seconds per batch: " + "  ".join(f"{step} {each[step]:.2f}" for step in SHOWN if step in each))
    print(f"upload to queryable: median {median:.2f} s, p95 {p95:.2f} s, longest {seconds[-1]:.2f} s")
    kept = {
        "rows": rows,
        "uploads": uploads,
        "median": round(median, 2),
        "p95": round(p95, 2),
        "load": round(load_before, 1),
    }
    keep("latency_live", {**kept, "steps": {step: round(took, 2) for step, took in each.items()}})
    return show_goals(
        [
            Goal("seconds from upload to queryable, median", median, MEDIAN_GOAL),
            Goal("seconds from upload to queryable, p95", p95, P95_GOAL),
        ]
    )


def _warehouse(rows: int) -> Path:
    """A folder with a fresh copy of the tables; building them takes a minute, so they are kept."""
    folder = work_folder("live")
    base = folder / f"base-{rows}-{Ours.declaration()}"
    if not base.exists():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(_build, base, rows).result()
    shutil.rmtree(folder / "warehouse", ignore_errors=True)
    shutil.rmtree(folder / "storage", ignore_errors=True)
    linked_copy(base, folder / "warehouse")
    return folder


def _build(base: Path, rows: int) -> None:
    from spark_jobs.store.session import open_session

    part = base.with_name("part")
    shutil.rmtree(part, ignore_errors=True)
    Ours(open_session(), part).build(rows)
    part.replace(base)


@contextmanager
def _storage(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "infra.local.storage", "--port=0", f"--data-dir={folder / 'storage'}"]
    with ServerProcess(command, cwd=ROOT, ready_timeout=30) as server:
        yield server.url


@contextmanager
def _continuous_run(folder: Path, url: str) -> Iterator[Path]:
    """Its log, once its session is open. It is stopped as the platform stops it, and must then end well."""
    log = folder / "run.log"
    command = [sys.executable, "-m", "spark_jobs.cli", "ingest", "--continuous", f"--bucket={BUCKET}"]
    command += [f"--warehouse={folder / 'warehouse'}", "--feed=order_tracking"]
    environment = os.environ | {"STORAGE_EMULATOR_HOST": url, "GOOGLE_CLOUD_PROJECT": "local"}
    with log.open("w") as output:
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _until(lambda: "step=session" in log.read_text() or run.poll() is not None)
        yield log
        run.send_signal(signal.SIGTERM)
        if run.wait(60):
            raise RuntimeError(f"the run failed; look into {log}")
    finally:
        run.kill()
        run.wait()


def _content(folder: Path, rows: int, target: int, day: int) -> bytes:
    path = folder / "update.csv"
    pattern = Pattern("live", rows, RECENT.reach, RECENT.updates)
    write_updates(path, pattern, target + day * int(rows * (1 - pattern.updates)), seed=day, day=day)
    return path.read_bytes()


def _upload(bucket: storage.Bucket, content: bytes, day: int) -> tuple[str, float]:
    """Uploaded, then validated and marked as the function does; the file's id, and when the upload was complete."""
    store = GcsFileStore(bucket.client)
    # The rows' timestamps go on day by day.
    name = f"order_tracking_{datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=day):%Y_%m_%d}.csv"
    blob = bucket.blob(f"source/{name}")
    blob.upload_from_string(content, content_type="text/csv")
    stored = store.stat(bucket.name, blob.name)
    assert stored
    arrival = stored.created
    result = validate_upload(BytesIO(content), name=name, arrival=arrival, max_bad_row_ratio=0.1, size=len(content))
    if result.rejecting:
        raise RuntimeError(f"the function would reject this file: {result.violations[0]}")
    assert store.annotate(stored, AcceptedMark.of(result, stored.file.generation, arrival).as_metadata())
    return str(stored.file), stored.created.timestamp()


def _commits(target: Path) -> dict[str, float]:
    """When each file's rows were committed, in seconds of the epoch, by the ids that the added data carries."""
    import pyarrow.parquet as pq

    found: dict[str, float] = {}
    for commit in sorted((target / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for added in (action["add"]["path"] for action in actions if "add" in action):
            for file in pq.read_table(target / added, columns=["file_id"])["file_id"].unique().to_pylist():
                found.setdefault(file, commit.stat().st_mtime)
    return found


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened for {PATIENCE_SECONDS} s")
        time.sleep(0.1)
