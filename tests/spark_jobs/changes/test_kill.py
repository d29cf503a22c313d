"""The command is killed with -9 while it publishes; the subscriber of docs/live.md ends with the target all the same.

Everything is real here: the command, Pub/Sub's emulator, and the page's code as a process of its own.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.pubsub_emulator import running_emulator
from tests.spark_jobs.changes.consumer import copy_of, subscriber
from tests.spark_jobs.changes.scene import Scene
from tests.spark_jobs.harness import row

ROOT = Path(__file__).parents[3]
TOPIC, SUBSCRIPTION = "projects/local/topics/changes", "projects/local/subscriptions/copy"
ROWS = 4_000
PATIENCE_SECONDS = 240


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with running_emulator() as address:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PUBSUB_EMULATOR_HOST", address)
            create_subscription()
        yield {**os.environ, "PUBSUB_EMULATOR_HOST": address, "PYTHONPATH": str(ROOT)}


def create_subscription() -> None:
    from google.cloud import pubsub_v1

    pubsub_v1.PublisherClient().create_topic(name=TOPIC)
    request: Any = {"name": SUBSCRIPTION, "topic": TOPIC, "enable_message_ordering": True}
    pubsub_v1.SubscriberClient().create_subscription(request)


@contextmanager
def process(environment: dict[str, str], log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield started
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def wait_until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.mark.e2e
def test_killed_while_it_publishes_the_next_run_makes_the_subscribers_copy_complete(
    scene: Scene, environment: dict[str, str], tmp_path: Path
) -> None:
    scene.harness.day(1, *[row(f"K{n}") for n in range(ROWS)])
    scene.harness.ingest()
    code, database, log = tmp_path / "subscriber.py", tmp_path / "copy.db", tmp_path / "publisher.log"
    code.write_text(subscriber())
    command = [
        "-m", "spark_jobs.cli", "changes", "--bucket=b", f"--warehouse={scene.warehouse}", f"--changes-topic={TOPIC}",
        f"--checkpoint={tmp_path / 'checkpoint'}", "--from=beginning", "--feed=order_tracking",
    ]  # fmt: skip

    def opened() -> sqlite3.Connection:
        # The subscriber commits every message, and a reader may not get between two of them for seconds.
        return sqlite3.connect(database, timeout=PATIENCE_SECONDS)

    def kept() -> int:
        with closing(opened()) as db:
            return int(db.execute("SELECT count(*) FROM kept").fetchone()[0])

    with process(environment, tmp_path / "subscriber.log", str(code), SUBSCRIPTION, str(database)):
        wait_until(database.exists)
        with process(environment, log, *command) as publisher:
            wait_until(lambda: kept() > ROWS / 20 or publisher.poll() is not None)
            assert publisher.poll() is None, log.read_text()
        assert kept() < ROWS, "killed in the middle"
        scene.harness.day(2, row("K7", "2026-01-02 10:00:00", "shipped"), row("T1"))
        scene.harness.ingest()
        scene.spark.sql(f"DELETE FROM {scene.harness.tables.target} WHERE tracking_num = 'K8'").collect()
        with process(environment, log, *command) as publisher:
            assert publisher.wait(PATIENCE_SECONDS) == 0, log.read_text()
        target = scene.target()
        wait_until(lambda: copy_of(opened(), "order_tracking") == target)
