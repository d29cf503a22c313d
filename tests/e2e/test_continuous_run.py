"""The continuous run as a process: files come, and the platform stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local.demo.tables import read_table
from infra.local.services.process import ServerProcess
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.marks import AcceptedMark
from tests.spark_jobs.harness import csv, row
from tests.storage_fixtures import client_for

if TYPE_CHECKING:
    from google.cloud import storage

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]


def test_it_merges_what_comes_and_a_signal_ends_it_well(
    storage_server: ServerProcess, bucket: storage.Bucket, tmp_path: Path
) -> None:
    store = GcsFileStore(client_for(storage_server.url))

    def upload(day: int) -> None:
        blob = bucket.blob(f"source/order_tracking_2026_01_{day:02d}.csv")
        blob.upload_from_string(csv(row(f"T{day}")), content_type="text/csv")
        stored = store.stat(bucket.name, blob.name)
        assert stored
        mark = AcceptedMark(stored.file.generation, CONTRACT_VERSION, 1, 0, False, True)
        assert store.annotate(stored, mark.as_metadata())

    def archived() -> int:
        return sum(1 for _ in bucket.list_blobs(prefix="archive/"))

    command = [sys.executable, "-m", "spark_jobs.cli", "ingest", "--continuous", "--poll-seconds=0.5"]
    command += [f"--bucket={bucket.name}", f"--warehouse={tmp_path / 'warehouse'}", "--feed=order_tracking"]
    environment = os.environ | {"STORAGE_EMULATOR_HOST": storage_server.url, "GOOGLE_CLOUD_PROJECT": "local"}
    log = tmp_path / "log"
    with log.open("w") as output:
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        for day in (1, 2):
            upload(day)
            _until(lambda day=day: archived() == day or run.poll() is not None)  # type: ignore[misc]
            assert archived() == day, log.read_text()
        upload(3)
        _until(lambda: log.read_text().count("step=take") == 3)
        run.send_signal(signal.SIGTERM)
        assert run.wait(120) == 0, log.read_text()
    finally:
        run.kill()
        run.wait()
    assert archived() == 3, "the batch that was under way is complete"
    assert "SIGTERM: finishing the current batch" in log.read_text()
    rows = read_table(tmp_path / "warehouse", "orders_target", "tracking_num")
    assert sorted(each["tracking_num"] for each in rows) == ["T1", "T2", "T3"]


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)
