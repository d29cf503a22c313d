"""A consumer that keeps the highest version of each key holds exactly the target, whatever happens to the publishers."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from itertools import count, cycle
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.contracts.change_schema import change_schema
from spark_jobs.contract.changes import Message
from spark_jobs.store.tables import current_version, sql_text
from tests.spark_jobs.changes.scene import FEED, Scene
from tests.spark_jobs.harness import Crash, crash_at, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEYS = ["T1", "T2", "T3", "é", "'"]
STAMPS = ["2026-01-01 10:00:00", "2026-01-01 11:00:00+01:00", "2026-01-02T10:00:00Z", "2026-01-01 10:00:00.5"]
ROWS = st.builds(
    row, st.sampled_from(KEYS), st.sampled_from(STAMPS), st.sampled_from(["pending", "Shipped", "canceled"]),
    st.sampled_from(["", "a", "\U0001f600", '"x\ny"']), st.sampled_from(["A1", "a1"]),
)  # fmt: skip
FILES = st.lists(ROWS, min_size=1, max_size=6)
BY_HAND = (
    "DELETE FROM {t} WHERE tracking_num = 'T1'",
    "UPDATE {t} SET status = 'delivered', file_id = NULL WHERE tracking_num >= 'T2'",
    "UPDATE {t} SET file_id = 'x', row_number = 1, batch_id = 'y'",
    "UPDATE {t} SET tracking_num = 'moved' WHERE tracking_num = (SELECT max(tracking_num) FROM {t})",
    "RESTORE TABLE {t} TO VERSION AS OF {earlier}",
    "INSERT OVERWRITE {t} SELECT * FROM {t} WHERE tracking_num <> 'T3'",
    "OPTIMIZE {t}",
    "DELETE FROM {t}",
)
FAULTS = ("before the first", "before the third", "after the second", "after the last", "")
"""Where a publisher dies or loses its broker in a batch."""


class Fault:
    """Raises at one message of a run, as a lost broker does. Dying there leaves the same: no confirmation was seen."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.seen, self.sent = count(1), count(2)

    def before_each(self, message: Message) -> None:
        self._die({1: "before the first", 3: "before the third"}.get(next(self.seen)))

    def after_each(self, message: Message) -> None:
        self._die({3: "after the second"}.get(next(self.sent)))

    def at_end(self) -> None:
        self._die("after the last")

    def _die(self, moment: str | None) -> None:
        if moment == self.kind:
            raise ConnectionError(self.kind)


def publish(scene: Scene, kind: str, **more: Any) -> None:
    from pyspark.errors import StreamingQueryException

    fault = Fault(kind)
    try:
        scene.publish(before_each=fault.before_each, after_each=fault.after_each, at_end=fault.at_end, **more)
    except StreamingQueryException as error:
        assert f"ConnectionError: {kind}" in str(error)


def duplicate(scene: Scene, rows: list[str], newest: bool) -> None:
    """A run merges a file and dies, after a concurrent one inserted its keys, too. The next run repairs them."""
    with pytest.raises(Crash):
        scene.harness.ingest(crash_at("merged"))
    columns = "order_num, tracking_num, status, last_update_timestamp, file_id, row_number, batch_id"
    stamp = sql_text("2026-01-09 00:00:00Z" if newest else "2025-01-01 00:00:00Z")
    values = (
        f"('dup', {sql_text(key)}, 'processing', TIMESTAMP{stamp}, 'b/n#1', {number}, 'other')"
        for number, key in enumerate(sorted({line.split(",")[1] for line in rows}))
    )
    scene.spark.sql(f"INSERT INTO {scene.harness.tables.target} ({columns}) VALUES {', '.join(values)}")


def test_the_copy_equals_the_target_whatever_happens(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Files through the real steps; publishers die, lose their broker, start twice and start over; the table is optimized,
    vacuumed, restored, repaired, and changed by hand."""
    schema = jsonschema.Draft202012Validator(change_schema(FEED))
    by_hand, faults, days = cycle(BY_HAND), cycle(FAULTS), cycle(range(1, 28))
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")

    @settings(
        max_examples=2, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(FILES, min_size=3, max_size=3, unique_by=tuple), st.booleans())
    def check(files: list[list[str]], newest: bool) -> None:
        folder = tmp_path_factory.mktemp("changes")
        scene = Scene(spark, folder)
        target = scene.harness.tables.target
        publish(scene, "")
        for at, rows in enumerate(files):
            scene.harness.day(next(days), *rows)
            if at == 1:
                duplicate(scene, rows, newest)
                publish(scene, next(faults))
            scene.harness.ingest()
            publish(scene, next(faults))
            for _ in range(2):
                spark.sql(next(by_hand).format(t=target, earlier=current_version(spark, target) - 1)).collect()
            publish(scene, next(faults), start="beginning", checkpoint="second")
            if at == 1:
                publish(scene, "")
                publish(scene, "", start="beginning", checkpoint="second")
                spark.sql(f"VACUUM {target} RETAIN 0 HOURS").collect()
        publish(scene, "")
        publish(scene, "", start="beginning", checkpoint="second")
        scene.assert_consumers_hold_the_target()
        assert_repeats_are_equal(scene.topic)
        for message in scene.topic:
            schema.validate(json.loads(message.data))
        shutil.rmtree(folder)

    check()


def assert_repeats_are_equal(messages: list[Message]) -> None:
    """A change that is published again has the same id and the same bytes; in a snapshot, it has the same row."""
    rows = defaultdict(set)
    for message in messages:
        body = json.loads(message.data)
        if body["kind"] == "change":
            rows[body["event_id"]].add(json.dumps([body["key"], body["after"], body["commit_version"]]))
    assert [event for event, contents in rows.items() if len(contents) > 1] == []
    assert len(rows) < len(messages), "something was repeated"
