"""The stream of changes: messages per second into Pub/Sub's emulator, and what a million changes cost the driver.

python -m tests.bench.changes [MESSAGES=10000] [ROUNDS=3] [ROWS=1000000]        `make bench-changes`

The stream and a bare publisher, which sends the same messages with Google's client and nothing else, take turns; medians.
Both begin with a table of rows and end when Pub/Sub has confirmed every message. Exits 1 where a goal isn't met.
"""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.cloud import pubsub_v1

from infra.local.services.process import ServerProcess
from infra.local.services.pubsub import emulator_command, find_emulator
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.changes.stream import start_changes
from spark_jobs.cloud.ports import ChangePublisher
from spark_jobs.cloud.pubsub_changes import PubSubChanges
from spark_jobs.contract.changes import Message
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.java import find_java
from spark_jobs.store.session import open_session
from spark_jobs.store.tables import Tables
from tests.bench.arguments import number
from tests.bench.figures import Goal, keep, long_lived, show_goals, work_folder
from tests.bench.memory import MIB, resident_peak
from tests.free_port import free_port

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TOPIC = "projects/local/topics/changes"
SPEED_GOAL, MEMORY_GOAL_MIB = 0.7, 256


class Counting:
    """A publisher that confirms at once. Remembers the messages if told to."""

    def __init__(self, remember: bool = False) -> None:
        self.remember, self.count, self.messages = remember, 0, list[Message]()

    def publish(self, messages: Iterable[Message]) -> int:
        before = self.count
        for message in messages:
            self.count += 1
            if self.remember:
                self.messages.append(message)
        return self.count - before


class Scene:
    """A table whose every row changes at once, again and again."""

    def __init__(self, spark: SparkSession, folder: Path, rows: int) -> None:
        self.spark, self.rows, self.folder = spark, rows, folder
        ingest = IngestSettings(BucketLayout("b"), warehouse=str(folder / "warehouse"))
        self.target = Tables.of(ingest).target
        self.settings = ChangesSettings(ingest, TOPIC, str(folder / "checkpoint"))
        self.publish(Counting())  # creates the tables and starts the stream
        status = "element_at(array('pending', 'shipped', 'in transit'), CAST(id % 3 AS INT) + 1)"
        spark.sql(
            f"INSERT INTO {self.target} SELECT concat('ORD-', id), concat('1Z', lpad(id, 14, '0'), 'US'), "
            f"DATE'2026-01-29', NULL, {status}, concat(id % 999, ' Main Street, Springfield'), "
            "TIMESTAMP'2026-01-30 10:00:00Z', "
            f"'bucket/source/order_tracking_2026_01_30.csv#1769767200000000', id, 'batch' FROM range({rows})"
        ).collect()

    def change(self) -> None:
        stamp = "last_update_timestamp"
        self.spark.sql(f"UPDATE {self.target} SET {stamp} = {stamp} + INTERVAL 1 MINUTE").collect()

    def publish(self, publisher: ChangePublisher) -> float:
        """Seconds of a run in this session."""
        began = time.perf_counter()
        start_changes(self.spark, self.settings, ORDER_TRACKING, publisher).awaitTermination()
        return time.perf_counter() - began


def bare(messages: Iterable[Message]) -> float:
    """Seconds that Google's client takes, as its documentation shows ordered publishing."""
    client = pubsub_v1.PublisherClient(publisher_options=pubsub_v1.types.PublisherOptions(enable_message_ordering=True))
    began = time.perf_counter()
    futures = [client.publish(TOPIC, m.data, ordering_key=m.ordering_key, **m.attributes) for m in messages]
    for future in futures:
        future.result()
    return time.perf_counter() - began


def speeds(scene: Scene, rounds: int) -> dict[str, list[float]]:
    """Messages per second of each round; one round before them doesn't count."""
    scene.change()
    known = Counting(remember=True)
    scene.publish(known)
    found: dict[str, list[float]] = {"stream": [], "bare publisher": []}
    for at in range(rounds + 1):
        scene.change()
        taken = {"stream": scene.publish(PubSubChanges(TOPIC)), "bare publisher": bare(known.messages[-scene.rows :])}
        for name, seconds in taken.items():
            print(f"  {name:16}{scene.rows / seconds:10,.0f} messages/s{'' if at else '   (warm-up)'}", flush=True)
            if at:
                found[name].append(scene.rows / seconds)
    return found


@contextmanager
def live_heap_peak(spark: SparkSession) -> Iterator[list[float]]:
    """Adds by how much the objects in use in the JVM grew in the block at most, in MiB: after a collection every second."""
    beans: Any = spark.sparkContext._jvm.java.lang.management.ManagementFactory.getMemoryMXBean()  # type: ignore[union-attr]

    def used() -> float:
        beans.gc()
        return float(beans.getHeapMemoryUsage().getUsed()) / MIB

    before, ended, seen = used(), threading.Event(), [0.0]

    def watch() -> None:
        while not ended.wait(1):
            seen.append(used())

    watching = threading.Thread(target=watch)
    watching.start()
    peak: list[float] = []
    try:
        yield peak
    finally:
        ended.set()
        watching.join()
        peak.append(max(seen) - before)


def memory(spark: SparkSession, folder: Path, rows: int) -> tuple[float, float, float]:
    """Growth of the JVM's live objects and of this process in MiB, and seconds, for a change of so many rows."""
    scene = Scene(spark, folder, rows)
    scene.change()
    scene.publish(Counting())  # the rows and their first change
    scene.change()
    publisher = Counting()
    with live_heap_peak(spark) as java, resident_peak() as python:
        seconds = scene.publish(publisher)
    if publisher.count != rows:
        raise AssertionError(f"{publisher.count} messages for {rows} changes")
    return java[0], python[0], seconds


def main() -> int:
    messages, rounds, rows = number("MESSAGES", 10_000), number("ROUNDS", 3), number("ROWS", 1_000_000)
    long_lived()
    emulator = find_emulator()
    if emulator is None:
        raise SystemExit("gcloud's Pub/Sub emulator is not installed: gcloud components install pubsub-emulator")
    folder = work_folder("changes")
    shutil.rmtree(folder)
    spark = open_session()
    spark.sparkContext.setLogLevel("ERROR")
    port = free_port()
    os.environ["PUBSUB_EMULATOR_HOST"] = f"127.0.0.1:{port}"
    goals: list[Goal] = []
    if rounds:
        with ServerProcess(emulator_command(emulator, find_java().home, port), ready_prefix="INFO: Server started"):
            pubsub_v1.PublisherClient().create_topic(name=TOPIC)
            print(f"{messages:,} changes of as many rows, each with its own ordering key:")
            taken = speeds(Scene(spark, folder / "speed", messages), rounds)
        found = {name: statistics.median(each) for name, each in taken.items()}
        ratio = found["stream"] / found["bare publisher"]
        goals.append(Goal("messages per second, compared with a bare publisher", ratio, SPEED_GOAL, least=True))
        keep("changes", {"messages": messages, "rounds": rounds, "messages_per_second": found})
    if rows:
        java, python, seconds = memory(spark, folder / "memory", rows)
        print(
            f"{rows:,} changes in one commit: the driver grew by {java:.0f} MiB in Java and {python:.0f} MiB in Python, "
            f"in {seconds:.0f} s with a publisher that confirms at once"
        )
        goals.append(Goal(f"MiB that the driver grew by, for {rows:,} changes", java + python, MEMORY_GOAL_MIB))
        keep("changes", {"rows": rows, "mib": {"java": java, "python": python}, "seconds": seconds})
    shutil.rmtree(folder)
    return show_goals(goals)


if __name__ == "__main__":
    raise SystemExit(main())
