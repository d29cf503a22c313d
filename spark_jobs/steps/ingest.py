"""A run: batch after batch until nothing is left, feed by feed. Every step may be repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, WaitingFile
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import MAX_WAIT_SECONDS, IngestSettings
from spark_jobs.steps.archive import finish, finish_logged
from spark_jobs.steps.failures import excuse, isolate
from spark_jobs.steps.merge import merge
from spark_jobs.steps.record import merged_entries, rejected_entries, superseded_entries
from spark_jobs.steps.run import FilesFailed, Run, timed
from spark_jobs.steps.settle import settle
from spark_jobs.steps.stage import stage
from spark_jobs.steps.take import choose, look_up, take, waiting_files
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import create_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OpenSpark = Callable[[], "SparkSession"]
SUMMED = ("rows", "inserted", "updated", "outranked", "rejected_rows")
"""The counts in the run's last line."""
_log = logging.getLogger(__name__)


def ingest(
    settings: IngestSettings, deps: Dependencies, open_spark: OpenSpark, feeds: Collection[str] = ()
) -> list[LogEntry]:
    """Process all accepted files (only of these ``feeds``, if named) and return their log lines. Spark starts only when a
    file waits. A feed that fails does not stop the others.

    Raises FilesFailed at the end, when all others are done; or the one feed's error. Either way the run failed, and the
    next one continues where it stopped.
    """
    this = Round(settings, deps, feeds)
    spark = _wait_for_window(this, open_spark)
    started = deps.elapsed()
    while waiting := this.waiting():
        spark = spark or open_session(open_spark, deps)
        this.one_batch_each(spark, waiting)
    return this.end(deps.elapsed() - started)


def _wait_for_window(this: Round, open_spark: OpenSpark) -> SparkSession | None:
    """Wait until the launch window has ended, so that the listing after it has every file marked in the window.

    If files wait already, as they usually do, Spark starts meanwhile and what a feed's run begins with is done.
    """
    settings, deps = this.settings, this.deps
    left = (settings.not_before - deps.now()).total_seconds() if settings.not_before else 0
    if left <= 0:
        return None
    feeds = {waiting.mark.feed for waiting in this.waiting()}

    def prepare() -> SparkSession:
        spark = open_session(open_spark, deps)
        for name in feeds:
            this.begin(spark, name)
        return spark

    with ThreadPoolExecutor(1) as pool:
        prepared: Future[SparkSession] | None = pool.submit(prepare) if feeds else None
        deps.sleep(min(left, MAX_WAIT_SECONDS))
        return prepared.result() if prepared else None


def open_session(open_spark: OpenSpark, deps: Dependencies) -> SparkSession:
    """The session, with a log line that says how long it took."""
    with timed("session", deps):
        return open_spark()


class Round:
    """All feeds' files, batch by batch: a run does this once, a continuous run again and again in one session.

    ``listed``: the files of the last listing, None before. ``handled``: files that are done, or not tried again in this
    round. ``runs``: by feed. ``failed``: the errors of feeds that are left alone for the rest of the round. ``outdated``:
    files wait that were accepted under a newer contract version than this wheel has.
    """

    def __init__(self, settings: IngestSettings, deps: Dependencies, feeds: Collection[str] = ()) -> None:
        self.settings, self.deps, self.feeds = settings, deps, feeds or FEEDS
        self.listed: set[FileId] | None = None
        self.handled: set[FileId] = set()
        self.runs: dict[str, Run] = {}
        self.failed: dict[str, Exception] = {}
        self.outdated = False

    @property
    def entries(self) -> list[LogEntry]:
        return [entry for run in self.runs.values() for entry in run.entries]

    @property
    def problems(self) -> dict[FileId, str]:
        return {file: problem for run in self.runs.values() for file, problem in run.problems.items()}

    @property
    def unfinished(self) -> bool:
        """Whether parts of a batch that failed are still to be tried: together they are one attempt."""
        groups = (group for feed, run in self.runs.items() if feed not in self.failed for group in run.groups)
        left = (self.listed or set()) - self.handled
        return any(file in left for group in groups for file in group)

    def soon_again(self) -> bool:
        """Whether a feed failed in a way that counts as an attempt for no file."""
        return any(not self.runs[feed].failures for feed in self.failed)

    def waiting(self) -> list[WaitingFile]:
        """The accepted files that are still to be done. Raises TransientError."""
        with timed("list", self.deps) as fields:
            marked = waiting_files(self.deps.store, self.settings)
            accepted = [w for w in marked if w.mark.contract_version == CONTRACT_VERSION and w.mark.feed in self.feeds]
            fields["files"] = len(accepted)
        self.listed = {w.file for w in accepted}
        self.outdated = any(w.mark.contract_version > CONTRACT_VERSION for w in marked)
        return [w for w in accepted if w.file not in self.handled and w.mark.feed not in self.failed]

    def begin(self, spark: SparkSession, feed: str) -> None:
        """What is done once for each feed: its tables are checked, and what other runs left open is settled."""
        with self._failing_alone(feed):
            run = self.runs[feed] = Run(replace(self.settings, feed=FEEDS[feed]), self.deps, spark)
            with timed("tables", self.deps):
                create_tables(spark, run.tables, run.settings.feed)
            with timed("settle", self.deps):
                settle(run)

    def one_batch_each(self, spark: SparkSession, waiting: Sequence[WaitingFile]) -> None:
        """One batch of each feed that has files."""
        for feed in {w.mark.feed: None for w in waiting}:
            if feed not in self.runs:
                self.begin(spark, feed)
            if feed not in self.failed:
                with self._failing_alone(feed):
                    self.handled |= next_batch(self.runs[feed], [w for w in waiting if w.mark.feed == feed])

    @contextmanager
    def _failing_alone(self, feed: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised at the end, when the other feeds are done
            _log.error("step=run feed %s failed: %s", feed, error)
            self.failed[feed] = error

    def end(self, seconds: float) -> list[LogEntry]:
        """The log lines. Raises what failed, as `ingest` does."""
        entries, problems, failed = self.entries, self.problems, self.failed
        sums = " ".join(f"{name}={sum(getattr(entry, name) or 0 for entry in entries)}" for name in SUMMED)
        _log.info("step=run seconds=%.3f files=%d %s", seconds, len(entries), sums)
        others = {feed: error for feed, error in failed.items() if not isinstance(error, FilesFailed)}
        if len(others) == 1 and not problems and not entries:
            ((feed, error),) = others.items()
            error.add_note(f"feed {feed}")
            raise error
        raise_problems(problems, others, entries)
        return entries


def raise_problems(problems: Mapping[FileId, str], failed: Mapping[str, Exception], entries: Sequence[LogEntry]) -> None:
    """Raises FilesFailed if there are any problems with files, or feeds that failed."""
    feeds = [f"feed {feed}: {type(error).__name__}: {shorten(str(error))}" for feed, error in failed.items()]
    if problems or feeds:
        raise FilesFailed([*problems.values(), *feeds], entries) from next(iter(failed.values()), None)


def next_batch(run: Run, waiting: list[WaitingFile]) -> set[FileId]:
    """Finish files that only have to be moved, then process one batch. Returns the files that are done for this run."""
    with timed("look", run.deps):
        known = look_up(run, [w.file for w in waiting])
    if known.done:
        finish_logged(run, known)
    fresh = [w for w in waiting if w.file not in known.done]
    chosen = _next_group(run, fresh) or choose(fresh, known, run.settings, run.deps.now())
    if not chosen:
        if fresh:
            _log.info("step=run parked=%d files wait for their next retry", len(fresh))
        return {w.file for w in waiting}
    try:
        with timed("take", run.deps) as fields:
            batch = take(run, chosen, known)
            fields["files"] = len(chosen)
        work(run, batch)
    except TransientError:
        excuse(run, chosen, known)
        raise
    except Exception as error:  # noqa: BLE001 - whatever Spark raises; reported at the end, or raised by `isolate`
        return known.done | isolate(run, chosen, known, error)
    run.failures = 0
    return {*known.done, *(w.file for w in chosen)}


def _next_group(run: Run, waiting: Sequence[WaitingFile]) -> list[WaitingFile]:
    by_file = {w.file: w for w in waiting}
    while run.groups:
        if group := [by_file[file] for file in run.groups.popleft() if file in by_file]:
            return group
    return []


def work(run: Run, batch: Batch) -> None:
    """The steps after taking."""
    deps = run.deps
    deps.checkpoint("taken")
    with timed("stage", deps):
        staged = stage(run, batch)
    deps.checkpoint("staging done")
    with timed("merge", deps):
        target_version, changed = merge(run, batch, staged)
    deps.checkpoint("merged")
    with timed("count", deps):
        entries = merged_entries(run, batch, staged, target_version, changed)
        entries += rejected_entries(run, batch, staged)
        entries += superseded_entries(run, batch, staged)
    finish(run, entries, staged.version)
