"""The first screen of `status`: what waits, what failed, what was merged. Gathered first, then shown or printed as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from spark_jobs.cloud.ports import FileRefused, Job, JobRun, StoredFile, TransientError
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS, feed_of
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.backlog import RejectedFile, State, backlog, rejected_since, state_of
from spark_jobs.operator.console import printable
from spark_jobs.operator.lookups import LogTotals, log_totals, recent_entries, unlogged_attempts, waiting_attempts
from spark_jobs.operator.missing import failed_runs_of, without_bucket, without_job
from spark_jobs.operator.moved_files import feed_in, name_at_upload
from spark_jobs.operator.parked import ParkedFile, parked_files
from spark_jobs.operator.shares import Shares
from spark_jobs.operator.tables import Cell, Column, Table
from spark_jobs.operator.times import Times
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.ingest_log import LogEntry

RECENT_FILES = 10
RECENT_RUNS = 5
_DAY = timedelta(hours=24)
_COUNTS = ("rows", "inserted", "updated", "outranked", "rejected")


@dataclass(frozen=True)
class Overview:
    """``waiting`` (oldest first) and ``rejected`` (in 24 h, latest first) are None if the bucket can't be read; ``missing``
    then says so. ``entries``: the latest log lines, unbalanced ones first. ``totals`` is None if there are no tables.
    """

    layout: BucketLayout
    waiting: list[tuple[StoredFile, State]] | None
    parked: list[ParkedFile]
    rejected: list[RejectedFile] | None
    runs: list[JobRun]
    entries: list[LogEntry]
    totals: LogTotals | None
    missing: list[str]

    def as_json(self) -> dict[str, Any]:
        """For `print_json`. ``waiting`` and ``rejected_24h`` are null if they are unknown."""
        waiting = [
            {"name": one.file.name, "generation": one.file.generation, "since": one.created, "state": state}
            for one, state in self.waiting or []
        ]
        lists = {
            "waiting": None if self.waiting is None else waiting,
            "parked": self.parked,
            "rejected_24h": self.rejected,
            "runs": self.runs,
        }
        return lists | {"files": self.entries, "log_24h": self.totals, "missing": self.missing}


def gather(
    settings: IngestSettings, deps: Dependencies, engine: Engine, job: Job | None, feeds: Sequence[Feed]
) -> Overview:
    """All that the overview shows. Without the bucket or the job's runs, everything else."""

    def is_shown(name: str) -> bool:
        """Without --feed, also files whose names no feed has."""
        return len(feeds) == len(FEEDS) or feed_in(name) in feeds

    missing: list[str] = []
    layout, since = settings.layout, deps.now() - _DAY
    waiting: list[tuple[StoredFile, State]] | None = None
    rejected: list[RejectedFile] | None = None
    try:
        waiting = [(one, state_of(one)) for one in backlog(deps.store, layout) if is_shown(one.file.name)]
        rejected = [one for one in rejected_since(deps.store, layout, since) if is_shown(one.name)]
    except (TransientError, FileRefused) as error:
        missing.append(without_bucket("waiting and rejected files", layout.bucket, error))
    failed_runs = failed_runs_of(job, missing)
    entries: list[LogEntry] = []
    parked: list[ParkedFile] = []
    totals = []
    for feed in feeds:
        entries += recent_entries(engine, feed, RECENT_FILES)
        if of_feed := log_totals(engine, feed, since):
            totals.append(of_feed)
        if waiting is None:
            attempts = unlogged_attempts(engine, feed)
        else:
            accepted = [one.file for one, state in waiting if state == "accepted" and feed_of(one.file.name) is feed]
            attempts = waiting_attempts(engine, feed, accepted)
        parked += parked_files(attempts, failed_runs)
    runs: list[JobRun] = []
    if job:
        try:
            runs = job.recent_runs(RECENT_RUNS)
        except TransientError as error:
            missing.append(without_job("the latest runs", error))
    latest = sorted(entries, key=lambda entry: entry.logged_at, reverse=True)[:RECENT_FILES]
    latest.sort(key=lambda entry: entry.balanced is not False)
    return Overview(layout, waiting, parked, rejected, runs, latest, LogTotals.sum(totals) if totals else None, missing)


def show(overview: Overview, times: Times) -> RenderableType:
    """The overview as tables, failures on top."""
    return Group(*_parts(overview, times))


def _parts(overview: Overview, times: Times) -> Iterator[RenderableType]:
    yield Text(_headline(overview, times), "bold")
    for sentence in overview.missing:
        yield Text(printable(sentence), "yellow")
    totals = overview.totals
    if totals and totals.rows:
        yield Text("")
        yield Text(f"last 24 h: {_count(totals.rows, 'row')} of {_count(totals.merged, 'merged file')}")
        yield Shares(totals.shares)
    for table in _tables(overview, times):
        if table.has_rows:
            yield Text("")
            yield table


def _headline(overview: Overview, times: Times) -> str:
    waiting, totals = overview.waiting, overview.totals
    oldest = f" (oldest: {times.age(waiting[0][0].created)})" if waiting else ""
    queued, rejected = ("?" if known is None else f"{len(known):,}" for known in (waiting, overview.rejected))
    parked = f"{len(overview.parked):,} parked"
    merged = times.ago(totals.last_merge) if totals and totals.last_merge else "never"
    return f"{queued} waiting{oldest}; {parked}; {rejected} rejected in 24 h; last merge: {merged}"


def _tables(overview: Overview, times: Times) -> Iterator[Table]:
    layout = overview.layout
    yield Table(
        [
            Column("parked", "path"),
            Column("failed attempts", "count"),
            Column("next try"),
            Column("last error", folds=True),
        ],
        [
            [_below(layout.source_prefix, one.file.name), one.attempts, times.ago(one.next_try), one.last_error]
            for one in overview.parked[:RECENT_FILES]
        ],
    )
    yield Table(
        [Column("rejected", "path"), Column("when"), Column("age", "count"), Column("reason", folds=True)],
        [
            [name_at_upload(layout, one.name)[0], times.minute(one.at), times.age(one.at), one.reason]
            for one in (overview.rejected or [])[:RECENT_FILES]
        ],
    )
    yield Table(
        [Column("waiting", "path"), Column("since"), Column("age", "count"), Column("state", folds=True)],
        [
            [_below(layout.source_prefix, one.file.name), times.minute(one.created), times.age(one.created), state]
            for one, state in (overview.waiting or [])[:RECENT_FILES]
        ],
    )
    yield Table(
        [Column("run"), Column("started"), Column("age", "count"), Column("state"), Column("page", folds=True)],
        [
            [str(run.run_id), times.minute(run.started), times.age(run.started), run.state, run.page]
            for run in overview.runs
        ],
    )
    counts = [Column(name, "count") for name in _COUNTS]
    about = [Column("outcome", folds=True), Column("when", folds=True), Column("age", folds=True)]
    yield Table([Column("file", "path"), *about, *counts], [_entry_row(entry, layout, times) for entry in overview.entries])


def _entry_row(entry: LogEntry, layout: BucketLayout, times: Times) -> list[Cell]:
    name = _below(layout.source_prefix, entry.file.name)
    outcome = f"{entry.outcome}, NOT BALANCED" if entry.balanced is False else entry.outcome
    counts = (entry.rows, entry.inserted, entry.updated, entry.outranked, entry.rejected_rows)
    return [name, outcome, times.minute(entry.logged_at), times.age(entry.logged_at), *counts]


def _below(prefix: str, name: str) -> str:
    return name.removeprefix(prefix)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
