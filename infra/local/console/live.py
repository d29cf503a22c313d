"""What the console shows live: waiting files, runs, recent outcomes and rejected files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from infra.local.console.runs import Runs, ShownRun
from spark_jobs.cloud.ports import FileStore, TransientError
from spark_jobs.contract.feeds import FEEDS, feed_of
from spark_jobs.operator.backlog import RejectedFile, backlog, rejected_since, state_of
from spark_jobs.operator.lookups import recent_entries, waiting_attempts
from spark_jobs.operator.parked import ParkedFile, parked_files
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import BucketLayout
from spark_jobs.store.ingest_log import LogEntry

RECENT_FILES = 15
REJECTED_HOURS = 24
CHANGING = ("target", "ingest_log")
"""Whenever a run has changed one of these tables, the answers are asked for again."""
T = TypeVar("T")


@dataclass(frozen=True)
class WaitingRow:
    """``since`` is aware; ``state`` is that of the object, or ``parked``."""

    name: str
    file: str
    since: datetime
    state: str


@dataclass
class Live:
    """``now`` is aware. ``versions``: of the tables that the answers are made from. ``problems``: what could not be read,
    each a sentence."""

    now: datetime
    waiting: list[WaitingRow] = field(default_factory=list)
    parked: list[ParkedFile] = field(default_factory=list)
    rejected: list[RejectedFile] = field(default_factory=list)
    recent: list[LogEntry] = field(default_factory=list)
    runs: list[ShownRun] = field(default_factory=list)
    versions: list[int | None] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def last_merge(self) -> datetime | None:
        return max((entry.logged_at for entry in self.recent if entry.outcome == "merged"), default=None)


def gather(store: FileStore, engine: Engine, runs: Runs, layout: BucketLayout, now: datetime) -> Live:
    """All of it. A server that does not answer leaves its part empty and is named in ``problems``."""
    live = Live(now)

    def read(what: str, part: Callable[[], list[T]]) -> list[T]:
        try:
            return part()
        except (TransientError, OSError) as error:
            live.problems.append(f"{what}: {error}")
            return []

    waiting = read("waiting files", lambda: backlog(store, layout))
    since = now - timedelta(hours=REJECTED_HOURS)
    live.rejected = read("rejected files", lambda: rejected_since(store, layout, since, RECENT_FILES))
    live.runs = read("runs", lambda: runs.latest(now))
    for feed in FEEDS.values():
        live.versions += [engine.version(f"{feed.table_prefix}_{table}") for table in CHANGING]
        live.recent += recent_entries(engine, feed, RECENT_FILES)
        accepted = [one.file for one in waiting if state_of(one) == "accepted" and feed_of(one.file.name) is feed]
        live.parked += parked_files(waiting_attempts(engine, feed, accepted), None)
    live.recent = sorted(live.recent, key=lambda entry: entry.logged_at, reverse=True)[:RECENT_FILES]
    parked = {one.file for one in live.parked}
    live.waiting = [
        WaitingRow(one.file.name, str(one.file), one.created, "parked" if one.file in parked else state_of(one))
        for one in waiting
    ]
    return live
