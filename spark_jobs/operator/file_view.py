"""One file in `status --file`: its history, its row for a key, its ties. Gathered first, then shown or printed as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from spark_jobs.cloud.ports import FileRefused, Job, TransientError
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.console import printable
from spark_jobs.operator.file_history import FileHistory, file_history, identify, logged_history
from spark_jobs.operator.file_rows import KeyHistory, Tie, explain_key, explain_target, find_ties, utc_text
from spark_jobs.operator.missing import failed_runs_of, without_bucket
from spark_jobs.operator.shares import Shares
from spark_jobs.operator.tables import Column, Details, Table
from spark_jobs.operator.times import Times
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import IngestSettings, SettingsError
from spark_jobs.store.ingest_log import LogEntry


@dataclass(frozen=True)
class Question:
    """``name``: of the file, its object, or its file id. ``key``: explain its row with this key."""

    name: str
    key: str | None = None
    ties: bool = False


@dataclass(frozen=True)
class FileView:
    """One history per generation. ``ties`` is empty if they weren't asked for, and None if they can't be known; ``missing``
    says what the answer lacks.
    """

    histories: list[FileHistory]
    keys: list[KeyHistory]
    ties: list[Tie] | None
    missing: list[str]
    ties_asked: bool = False

    def as_json(self) -> dict[str, Any]:
        """For `print_json`."""
        return {"file": self.histories, "key": self.keys, "ties": self.ties, "missing": self.missing}


def gather(settings: IngestSettings, deps: Dependencies, engine: Engine, job: Job | None, question: Question) -> FileView:
    """The answer, or as much of it as the tables have if the bucket can't be read. Raises SettingsError if the file can't
    be found.
    """
    missing: list[str] = []
    ties: list[Tie] | None
    failed_runs = failed_runs_of(job, missing)
    feed, store, key = settings.feed, deps.store, question.key
    try:
        found = identify(engine, store, settings, question.name)
        histories = file_history(engine, store, settings, found, failed_runs)
        keys = explain_key(engine, store, feed, found, key) if key else []
        ties = list(find_ties(engine, store, feed, found)) if question.ties else []
    except (TransientError, FileRefused) as error:
        what = "the file's location and rows, and generations that aren't logged"
        sentence = without_bucket(what, settings.layout.bucket, error)
        histories = logged_history(engine, settings, question.name, failed_runs)
        if not histories:
            raise SettingsError(f"no run has taken {question.name!r} yet; {sentence}") from None
        keys = [explain_target(engine, feed, key)] if key else []
        ties = None if question.ties else []
        missing.append(sentence)
    return FileView(histories, keys, ties, missing, question.ties)


def show(view: FileView, times: Times) -> RenderableType:
    """The answer as text."""
    return Group(*_parts(view, times))


def _parts(view: FileView, times: Times) -> Iterator[RenderableType]:
    for sentence in view.missing:
        yield Text(printable(sentence), "yellow")
    for number, history in enumerate(view.histories):
        if number or view.missing:
            yield Text("")
        yield Details(history.file, list(_history_rows(history, times)))
    for key in view.keys:
        yield Text("")
        yield Text(printable(key.sentence), overflow="fold")
    if view.ties_asked and view.ties is not None:
        yield Text("")
        yield _ties(view.ties) if view.ties else Text("no row conflicts with the target at the same timestamp")


def _history_rows(history: FileHistory, times: Times) -> Iterator[tuple[str, RenderableType]]:
    if history.seen:
        yield "seen", times.exact(history.seen)
    if history.place:
        yield "location", history.place
    yield "state", history.state
    for taken in history.taken:
        yield "taken", times.exact(taken)
    if parked := history.parked:
        yield "parked", f"{parked.attempts} failed attempts; decide with order-tracking reject or retry"
        yield "next try", times.exact(parked.next_try)
        yield "last error", parked.last_error
    if entry := history.entry:
        yield from _entry_rows(entry, times)


def _entry_rows(entry: LogEntry, times: Times) -> Iterator[tuple[str, RenderableType]]:
    yield entry.outcome, times.exact(entry.logged_at)
    if entry.reason:
        yield "reason", entry.reason
    if entry.note:
        yield "note", entry.note
    if entry.rows is None:
        return
    counts = {"inserted": entry.inserted, "updated": entry.updated, "outranked": entry.outranked}
    parts = {name: count for name, count in (counts | {"rejected": entry.rejected_rows}).items() if count is not None}
    equation = " + ".join(f"{count:,} {name}" for name, count in parts.items())
    yield "rows", f"{entry.rows:,} = {equation}" if len(parts) == 4 else f"{entry.rows:,}"
    if entry.rows and len(parts) == 4:
        yield "", Shares(parts)
    yield "balanced", {True: "yes", False: "NO", None: "unknown"}[entry.balanced]


def _ties(ties: list[Tie]) -> Table:
    columns = [Column("key", "path"), Column("timestamp"), Column("conflict", folds=True)]
    return Table(
        columns,
        [
            [
                t.key,
                utc_text(t.stamp),
                f"row {t.row} of {t.file} differs from the target's, row {t.kept_row} of {t.kept_file}",
            ]
            for t in ties
        ],
    )
