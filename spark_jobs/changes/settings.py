"""The settings of the stream of changes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from spark_jobs.contract.feed import Feed
from spark_jobs.settings import IngestSettings, SettingsError
from spark_jobs.store.tables import Tables

STARTS = ("now", "beginning")
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")


@dataclass(frozen=True)
class ChangesSettings:
    """``ingest``: where the tables are. ``checkpoint``: a folder, volume or gs:// place; each feed has its own below it.
    ``start``: what the first batch of a new checkpoint begins with, nothing (``now``) or the table (``beginning``)."""

    ingest: IngestSettings
    topic: str
    checkpoint: str
    start: str = "now"

    def __post_init__(self) -> None:
        check_topic(self.topic, "--changes-topic")
        if not self.checkpoint:
            raise SettingsError(
                "--checkpoint is missing: name a folder, volume or gs:// place that keeps what was published"
            )
        if self.start not in STARTS:
            raise SettingsError(f"--from must be {' or '.join(STARTS)}, not {self.start!r}")

    def tables_of(self, feed: Feed) -> Tables:
        return Tables.of(replace(self.ingest, feed=feed))

    def checkpoint_of(self, feed: Feed) -> str:
        place = self.checkpoint.rstrip("/")
        return f"{place if '://' in place else Path(place).absolute()}/{feed.table_prefix}"


def check_topic(topic: str, option: str) -> None:
    """Raises SettingsError where a topic has no full name."""
    if not _TOPIC.fullmatch(topic):
        raise SettingsError(f"{option} must be projects/PROJECT/topics/TOPIC, not {topic!r}")
