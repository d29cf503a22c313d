"""The settings of the stream of changes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from spark_jobs.contract.feed import Feed
from spark_jobs.settings import IngestSettings, SettingsError
from spark_jobs.store.tables import Tables

Start = Literal["now", "beginning"]
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")


@dataclass(frozen=True)
class ChangesSettings:
    """``ingest``: where the tables are. ``checkpoint``: a folder, volume or gs:// place; each feed has its own below it.
    ``start``: what the first batch of a new checkpoint begins with, nothing (``now``) or the table (``beginning``)."""

    ingest: IngestSettings
    topic: str
    checkpoint: str
    start: Start = "now"

    def __post_init__(self) -> None:
        if not _TOPIC.fullmatch(self.topic):
            raise SettingsError(f"--changes-topic must be projects/PROJECT/topics/TOPIC, not {self.topic!r}")
        if not self.checkpoint:
            raise SettingsError(
                "--checkpoint is missing: name a folder, volume or gs:// place that keeps what was published"
            )
        if self.start not in get_args(Start):
            raise SettingsError(f"--from must be {' or '.join(get_args(Start))}, not {self.start!r}")

    def tables_of(self, feed: Feed) -> Tables:
        return Tables.of(replace(self.ingest, feed=feed))

    def checkpoint_of(self, feed: Feed) -> str:
        place = self.checkpoint.rstrip("/")
        return f"{place if '://' in place else Path(place).absolute()}/{feed.table_prefix}"
