"""kill -9 as a chain: every run is killed one step later than the one before, whose crash it recovers from on its way.

In processes of their own, over the real storage client. Two kills happen inside a commit, when data files are written and
the commit is not: what they leave contains what a kill just before that step leaves. They end Spark, too. Between two steps
Spark is idle, so what a kill leaves doesn't depend on whether it lives on: these runs are forks that share our session.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.demo.tables import read_table
from infra.local.services.process import ServerProcess
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.marks import AcceptedMark
from tests import oracle
from tests.spark_jobs.harness import csv, row
from tests.spark_jobs.steps.killed_run import run_in_fork
from tests.storage_fixtures import client_for

if TYPE_CHECKING:
    from google.cloud import storage
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[3]
COUNTS = ("outcome", "rows", "inserted", "updated", "outranked", "rejected_rows", "conflicting_ties", "balanced")


class Scene:
    """A bucket of the real storage server, and tables that are read without Spark."""

    def __init__(self, spark: SparkSession, bucket: storage.Bucket, url: str, warehouse: Path) -> None:
        self.spark, self.bucket, self.url, self.warehouse = spark, bucket, url, warehouse
        self.announced = ""
        self.contents: dict[str, bytes] = {}

    def upload(self, day: int, *rows: str, partial: bool = False) -> str:
        """An accepted file; its id. ``partial``: the function didn't validate the whole file."""
        content = csv(*rows)
        blob = self.bucket.blob(f"source/order_tracking_2026_01_{day:02d}.csv")
        blob.upload_from_string(content, content_type="text/csv")
        store = GcsFileStore(client_for(self.url))
        stored = store.stat(self.bucket.name, blob.name)
        assert stored
        bad = sum(values is None for _, values in oracle.read_file(content, stored.created) or [])
        mark = AcceptedMark(stored.file.generation, CONTRACT_VERSION, len(rows), bad, partial, True)
        assert store.annotate(stored, mark.as_metadata())
        self.contents[str(stored.file)] = content
        return str(stored.file)

    def run(self, moment: str = "") -> None:
        """A run that is killed at that moment, or none."""
        log = self.warehouse.with_name("run.log")
        if moment.startswith("orders_"):
            command = [sys.executable, "-m", "tests.spark_jobs.steps.killed_run"]
            command += [moment, self.bucket.name, str(self.warehouse)]
            with log.open("w") as err:
                status = subprocess.run(
                    command, cwd=ROOT, start_new_session=True, stderr=err, timeout=300, check=False
                ).returncode
        else:
            log.unlink(missing_ok=True)
            status = run_in_fork(moment, self.bucket.name, self.warehouse, self.spark, log)
        text = log.read_text(errors="replace")
        assert status == (-signal.SIGKILL if moment else 0), text[-2000:]
        self.announced += text

    def line(self, file: str) -> dict[str, Any]:
        [line] = [line for line in read_table(self.warehouse, "orders_ingest_log") if line["file_id"] == file]
        return line

    def counts(self, file: str) -> tuple[Any, ...]:
        line = self.line(file)
        return tuple(line[name] for name in COUNTS)

    def places(self, file: str) -> list[str]:
        """Where the object is now: its folder and what follows the generation in its name."""
        generation = file.rpartition("#")[2]
        names = [blob.name for blob in self.bucket.list_blobs() if f".{generation}" in blob.name]
        return sorted(name.partition("/")[0] + name.partition(f".{generation}")[2] for name in names)


@pytest.fixture
def scene(
    spark: SparkSession,
    tmp_path: Path,
    storage_server: ServerProcess,
    bucket: storage.Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_server.url)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "local")
    return Scene(spark, bucket, storage_server.url, tmp_path / "warehouse")


def test_killed_with_9_one_step_later_each_time_the_last_run_ends_as_if_nothing_had_happened(scene: Scene) -> None:
    """Target, log lines, counts, rejected rows, messages and objects."""
    first = scene.upload(5, row("T1", "2026-01-05 10:00:00", "shipped"), row("T2", "2026-01-05 10:00:00"))
    scene.run()
    older = scene.upload(
        6, *[row(f"K{n}") for n in range(12)], row("T1", status="delivered"), row("T3"), row("T4", status="lost")
    )
    tied = scene.upload(
        7, row("T1", "2026-01-05 10:00:00", "delivered"), row("T2", "2026-01-05 10:00:00"), row("T3", address="x")
    )
    bad = scene.upload(8, row("X1"), row("X2", status="lost"), partial=True)

    # Before the log has a line, every run takes the same files again.
    moments = ("orders_stage", "orders_target", "merged", "bad rows recorded", "recorded")
    for moment in moments:
        scene.run(moment)
    announced = scene.upload(9, row("T5"))
    scene.run("announced")
    archived = scene.upload(10, row("T5", "2026-01-10 10:00:00"))
    scene.run("archived")
    scene.run()

    assert scene.counts(first) == ("merged", 2, 2, 0, 0, 0, 0, True)
    assert scene.counts(older) == ("merged", 15, 12, 0, 2, 1, 1, True)
    assert scene.counts(tied) == ("merged", 3, 1, 1, 1, 0, 1, True)
    assert scene.counts(bad)[0] == "rejected"
    assert scene.counts(announced) == ("merged", 1, 1, 0, 0, 0, 0, True)
    assert scene.counts(archived) == ("merged", 1, 0, 1, 0, 0, 0, True)
    assert scene.line(older)["attempts"] == len(moments), "every killed run had taken it"
    [rejected] = [(row["file_id"], row["row_number"]) for row in read_table(scene.warehouse, "orders_rejected_rows")]
    assert rejected == (older, 15)
    merged = [first, older, tied, announced, archived]
    assert {file: scene.places(file) for file in merged} == {file: ["archive.csv"] for file in merged}
    assert scene.places(bad) == ["rejected", "rejected.report.json"]
    assert [blob.name for blob in scene.bucket.list_blobs(prefix="source/")] == []
    for file in [*merged, bad]:
        assert file in scene.announced
    expected = oracle.newest(
        [
            values
            for file in merged
            for _, values in oracle.read_file(scene.contents[file], scene.line(file)["arrived_at"]) or []
            if values is not None
        ]
    )
    rows = read_table(scene.warehouse, "orders_target", ", ".join(oracle.COLUMNS))
    assert len(rows) == len(expected)
    assert {values["tracking_num"]: values for values in rows} == expected
