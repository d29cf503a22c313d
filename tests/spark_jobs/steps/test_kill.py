"""Killed with 9 at every step boundary and inside the commits, in a process of its own, over the real storage client: the
next run ends as if nothing had been.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.services.process import ServerProcess
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.settings import BucketLayout
from tests.spark_jobs.harness import JobHarness, csv, row
from tests.storage_fixtures import client_for

if TYPE_CHECKING:
    from google.cloud import storage
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[3]
STEPS = ("taken", "staged", "staging done", "merged", "bad rows recorded", "recorded", "announced", "archived")
TABLES = ("orders_stage", "orders_target")
KEPT = (
    "outcome",
    "reason",
    "rows",
    "inserted",
    "updated",
    "outranked",
    "rejected_rows",
    "conflicting_ties",
    "balanced",
    "note",
)


@dataclass
class Scene:
    """A bucket of the real storage server, and tables. A wave's files are about keys of their own."""

    harness: JobHarness
    bucket: storage.Bucket
    url: str
    told: str = ""

    def upload(self, name: str, content: bytes, **mark: Any) -> str:
        blob = self.bucket.blob(f"source/{name}")
        blob.upload_from_string(content, content_type="text/csv")
        stored = self.harness.store.stat(self.bucket.name, blob.name)
        assert stored
        return str(self.harness.accept(stored, content, **mark).file)

    def first_day(self, number: int) -> str:
        """What a wave finds in the target."""
        k = f"W{number}-"
        rows = row(k + "T1", "2026-01-05 10:00:00", "shipped"), row(k + "T2", "2026-01-05 10:00:00")
        return self.upload(f"{number}/order_tracking_2026_01_05.csv", csv(*rows))

    def wave(self, number: int) -> list[str]:
        """An older file with a bad row, one that ties, one to be rejected; their ids."""
        k = f"W{number}-"
        older = [row(f"{k}K{n}") for n in range(12)]
        newer = [row(k + "T2", "2026-01-05 10:00:00"), row(k + "T3", address="x")]
        return [
            self.upload(
                f"{number}/order_tracking_2026_01_06.csv",
                csv(*older, row(k + "T1", status="delivered"), row(k + "T3"), row(k + "T4", status="lost")),
            ),
            self.upload(
                f"{number}/order_tracking_2026_01_07.csv",
                csv(row(k + "T1", "2026-01-05 10:00:00", "delivered"), *newer),
            ),
            self.upload(
                f"{number}/order_tracking_2026_01_08.csv",
                csv(row(k + "X1"), row(k + "X2", status="lost")),
                partial=True,
            ),
        ]

    def killed(self, moment: str) -> None:
        warehouse = str(self.harness.folder / "warehouse")
        command = [sys.executable, "-m", "tests.spark_jobs.steps.killed_run", moment, self.bucket.name, warehouse]
        environment = os.environ | {"STORAGE_EMULATOR_HOST": self.url, "GOOGLE_CLOUD_PROJECT": "local"}
        run = subprocess.run(
            command, cwd=ROOT, env=environment, start_new_session=True, capture_output=True, timeout=300, check=False
        )
        assert run.returncode == -signal.SIGKILL, run.stderr[-2000:]
        self.told = run.stderr.decode(errors="replace")

    def names(self) -> list[str]:
        return [blob.name for blob in self.bucket.list_blobs()]

    def end_of(self, files: list[str]) -> list[Any]:
        """What must not depend on a crash: log lines, rejected rows, whether each was told of, where its object is."""
        log, bad, names = self.harness.log(), self.harness.rejected_rows(), self.names()
        told = {str(outcome.file) for outcome in self.harness.announcer.outcomes}
        return [
            (
                {name: log[file][name] for name in KEPT},
                [number for of, number in bad if of == file],
                file in told or f"{file}" in self.told,
                sorted(
                    name.partition("/")[0] + name.partition(f".{generation}")[2]
                    for name in names
                    if f".{generation}" in name
                ),
            )
            for file in files
            for generation in [file.rpartition("#")[2]]
        ]


@pytest.fixture
def scene(spark: SparkSession, tmp_path: Path, storage_server: ServerProcess, bucket: storage.Bucket) -> Scene:
    harness = JobHarness(spark, tmp_path)
    harness.store = GcsFileStore(client_for(storage_server.url))  # type: ignore[assignment]
    harness.settings = replace(harness.settings, layout=BucketLayout(bucket.name), files_root="")
    return Scene(harness, bucket, storage_server.url)


def test_killed_with_9_after_any_step_and_inside_commits_the_next_run_ends_the_same(scene: Scene) -> None:
    """Target, lines, counts, rejected rows, messages and objects; each moment with files of its own."""
    moments = [*STEPS, *TABLES]
    for number in range(len(moments) + 1):
        scene.first_day(number)
    scene.harness.ingest()
    files = scene.wave(0)
    scene.harness.ingest()
    undisturbed = scene.end_of(files)
    assert [line[0]["outcome"] for line in undisturbed] == ["merged", "merged", "rejected"]
    assert [line[3] for line in undisturbed] == [["archive.csv"], ["archive.csv"], ["rejected", "rejected.report.json"]]
    for number, moment in enumerate(moments, 1):
        files = scene.wave(number)
        scene.killed(moment)
        if moment == "merged":  # maintenance in between must not matter
            scene.harness.spark.sql(f"OPTIMIZE {scene.harness.tables.target}").collect()
        scene.harness.ingest()
        assert scene.end_of(files) == undisturbed, moment
        attempts = scene.harness.log()[files[0]]["attempts"]
        assert attempts == (1 if moment in STEPS[STEPS.index("recorded") :] else 2), "the killed run had taken it"
    assert scene.harness.target() == scene.harness.expected()
    assert all(line["balanced"] for line in scene.harness.log().values() if line["outcome"] == "merged")
    assert [name for name in scene.names() if name.startswith("source/")] == []
