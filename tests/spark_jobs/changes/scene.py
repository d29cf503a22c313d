"""A target, its publishers and its consumers, for tests of the stream."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.demo.tables import read_table
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.changes.stream import start_changes
from spark_jobs.contract.changes import Message
from spark_jobs.contract.feeds import ORDER_TRACKING
from tests.fakes.changes import FakeChanges
from tests.spark_jobs.changes.consumer import Consumer
from tests.spark_jobs.harness import JobHarness

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FEED = ORDER_TRACKING


@dataclass
class Scene:
    """``topic``: what all publishers sent, in order."""

    spark: SparkSession
    folder: Path
    topic: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.harness = JobHarness(self.spark, self.folder)
        self.warehouse = self.folder / "warehouse"

    def publish(self, start: str = "now", checkpoint: str = "checkpoint", **fake: Any) -> list[dict[str, Any]]:
        """One run of a publisher, whose errors are raised; the bodies of what it sent."""
        settings = ChangesSettings(self.harness.settings, "projects/p/topics/t", str(self.folder / checkpoint), start)
        publisher = FakeChanges(**fake)
        try:
            start_changes(self.spark, settings, FEED, publisher).awaitTermination()
        finally:
            self.topic += publisher.messages
            bodies = [json.loads(message.data) for message in publisher.messages]
            assert_in_order(bodies)
        return bodies

    def target(self) -> dict[str, dict[str, Any]]:
        """The target as messages have it, by the key as JSON, read and written by other means than the product's."""
        rows = read_table(self.warehouse, "orders_target", ", ".join(FEED.column_names))
        found = {json.dumps({name: row[name] for name in FEED.key}): as_json(row) for row in rows}
        assert len(found) == len(rows), "a key is in the target twice"
        return found

    def assert_consumers_hold_the_target(self, seed: int = 0) -> None:
        """One that receives the messages as they were sent, and one that receives them in any order, some twice."""
        shuffled = self.topic * 2
        random.Random(seed).shuffle(shuffled)
        for messages in (self.topic, shuffled):
            consumer = Consumer()
            consumer.receive(messages)
            assert consumer.rows(FEED.name) == self.target()


def assert_in_order(bodies: list[dict[str, Any]]) -> None:
    """One run of a publisher sends the changes of a key by version, each once."""
    versions = defaultdict(list)
    for body in bodies:
        versions[json.dumps(body.get("key"))].append(body["commit_version"])
    assert {key: found for key, found in versions.items() if found != sorted(set(found))} == {}


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    return str(value) if isinstance(value, (date, Decimal)) else value
