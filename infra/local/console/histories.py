"""One file: when it was seen, validated, taken, merged and archived; its report; its conflicts with the target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from spark_jobs.cloud.ports import FileStore
from spark_jobs.operator.backlog import read_report
from spark_jobs.operator.file_history import FileHistory, file_history, identify
from spark_jobs.operator.file_rows import Tie, explain_key, find_ties
from spark_jobs.operator.moved_files import settings_for
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import IngestSettings, SettingsError

SHOWN_TIES = 100


@dataclass(frozen=True)
class Event:
    """``at`` is aware."""

    what: str
    at: datetime


@dataclass(frozen=True)
class Generation:
    """One generation of a file. ``report`` is that of a rejected file, otherwise empty."""

    history: FileHistory
    events: list[Event]
    report: dict[str, Any]


@dataclass(frozen=True)
class ShownFile:
    """``sentences`` explain what happened to the row with the key that was asked for; ``ties`` is None unless asked for."""

    name: str
    generations: list[Generation]
    sentences: list[str]
    ties: list[Tie] | None
    report: dict[str, Any]


def shown_file(
    store: FileStore, engine: Engine, settings: IngestSettings, name: str, key: str = "", *, ties: bool = False
) -> ShownFile:
    """A file by its name, object name or file id. Raises SettingsError if there is none, or the key isn't valid."""
    settings = settings_for(settings, name)
    try:
        found = identify(engine, store, settings, name)
    except SettingsError:
        # A file whose name is of no feed has a report, but no history.
        rejected = store.stat(settings.layout.bucket, name) if name.startswith(settings.layout.rejected_prefix) else None
        if rejected is None:
            raise
        return ShownFile(name, [], [], None, read_report(store, rejected))
    histories = file_history(engine, store, settings, found, None)
    generations = []
    for one, history in zip(found, histories, strict=True):
        is_rejected = one.stored.file.name.startswith(settings.layout.rejected_prefix)
        report = read_report(store, one.stored) if is_rejected else {}
        generations.append(Generation(history, _events(history, settings), report))
    sentences = [one.sentence for one in explain_key(engine, store, settings.feed, found, key)] if key else []
    listed = list(islice(find_ties(engine, store, settings.feed, found), SHOWN_TIES)) if ties else None
    return ShownFile(name, generations, sentences, listed, {})


def _events(history: FileHistory, settings: IngestSettings) -> list[Event]:
    events = [Event("seen", history.seen)] if history.seen else []
    if history.validated:
        events.append(Event("validated", history.validated))
    events += [Event("taken", at) for at in history.taken]
    if history.entry:
        events.append(Event(history.entry.outcome, history.entry.logged_at))
    if history.moved:
        archived = (history.place or "").startswith(settings.layout.archive_prefix)
        events.append(Event("archived" if archived else "moved to rejected", history.moved))
    return events
