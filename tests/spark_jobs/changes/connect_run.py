"""The stream under Spark Connect, in a process of its own: Connect and classic sessions can't share a process.

python -m tests.spark_jobs.changes.connect_run FOLDER
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from spark_jobs.changes.run import ChangesFailed, publish_changes
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.changes import Message
from tests.spark_jobs.changes.scene import FEED, Scene
from tests.spark_jobs.connect import connect_session
from tests.spark_jobs.harness import row


@dataclass(frozen=True)
class FileChanges:
    """A publisher that works in any process. It is down while there is a file named down."""

    folder: Path

    def publish(self, messages: Iterable[Message]) -> int:
        published = 0
        with (self.folder / "messages").open("a") as file:
            for message in messages:
                if (self.folder / "down").exists():
                    raise TransientError("the broker is down")
                file.write(json.dumps(asdict(message) | {"data": base64.b64encode(message.data).decode()}) + "\n")
                published += 1
        return published

    def published(self) -> list[Message]:
        lines = map(json.loads, (self.folder / "messages").read_text().splitlines())
        return [Message(base64.b64decode(m["data"]), m["ordering_key"], m["attributes"]) for m in lines]


def main(folder: Path) -> None:
    spark = connect_session()
    scene = Scene(spark, folder)
    settings = ChangesSettings(scene.harness.settings, "projects/p/topics/t", str(folder / "checkpoint"), "beginning")
    publisher = FileChanges(folder)

    def publish() -> None:
        publish_changes(spark, settings, [FEED], lambda: publisher)

    scene.harness.day(1, *[row(f"K{n}") for n in range(50)], row("T1", address='"a, b"'))
    scene.harness.ingest()
    publish()
    scene.harness.day(2, row("T1", "2026-01-02 10:00:00", "shipped"), row("T2"))
    scene.harness.ingest()
    spark.sql(f"DELETE FROM {scene.harness.tables.target} WHERE tracking_num = 'K7'").collect()
    (folder / "down").touch()
    try:
        publish()
    except ChangesFailed as error:
        if str(error) != "changes of order_tracking: the broker is down":
            raise
    else:
        raise AssertionError("a broker that is down was no error")
    (folder / "down").unlink()
    publish()
    scene.topic = publisher.published()
    scene.assert_consumers_hold_the_target()
    if len(scene.target()) != 51:
        raise AssertionError(f"{len(scene.target())} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    print("right under Connect")
