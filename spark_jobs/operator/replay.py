"""`order-tracking replay`: copy archived or rejected files into the replay folder below source/, where they are ingested
like uploads, and show what they changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

import click

from spark_jobs import bootstrap
from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract.feeds import FEEDS, feed_of, file_date
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import ARRIVAL_KEY
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.backlog import wait_for
from spark_jobs.operator.console import print_json, stdout
from spark_jobs.operator.lookups import entries_of
from spark_jobs.operator.moved_files import MovedFile, moved_file, moved_files, relative_name
from spark_jobs.operator.options import (
    SettingsOf,
    feed_option,
    json_option,
    location_options,
    sql_warehouse_option,
    timeout_option,
    utc_option,
)
from spark_jobs.operator.replay_result import RESULT_FIELDS, replay_results, summary
from spark_jobs.operator.tables import Column, Table
from spark_jobs.operator.times import Times
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError
from spark_jobs.store.ingest_log import LogEntry

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@location_options
@sql_warehouse_option
@click.argument("files", nargs=-1)
@click.option("--from", "first", type=_DAY, help="Replay files with this date or a later one in their name.")
@click.option("--to", "last", type=_DAY, help="Replay files with this date or an earlier one in their name.")
@feed_option
@click.option("--dry-run", is_flag=True, help="Show what would be copied, but copy nothing.")
@click.option("--wait", "should_wait", is_flag=True, help="Wait for the copies and show their results (needs the tables).")
@timeout_option
@utc_option
@json_option
def replay(
    layout: BucketLayout,
    settings_of: SettingsOf,
    sql_warehouse: str,
    files: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    feed: str,
    dry_run: bool,
    should_wait: bool,
    timeout: float,
    utc: bool,
    as_json: bool,
) -> None:
    """Copy archived or rejected files back to the source folder, to be ingested again.

    Each of FILES is the name a file was uploaded under (every generation), an object name in archive/ or rejected/, or a
    file id.
    """
    if should_wait and dry_run:
        raise click.UsageError("--dry-run copies nothing, so --wait has nothing to wait for")
    # Checked before anything is copied, so that a missing option leaves the bucket unchanged.
    settings = settings_of() if should_wait else None
    engine = bootstrap.build_engine(settings, sql_warehouse) if settings else None
    deps = bootstrap.build_dependencies(settings)
    selection = Selection(files, first.date() if first else None, last.date() if last else None, feed)
    planned = plan(deps.store, layout, selection)
    copies = [(one, Copy("would be copied") if dry_run else carry_out(deps.store, one)) for one in planned]
    if settings and engine:
        _show_results(copies, settings, deps, engine, timeout, as_json)
        return
    if as_json:
        print_json([_copy_fields(one, copy) for one, copy in copies])
        return
    times = Times(deps.now(), utc)
    columns = [Column("from", "path"), Column("to", folds=True), Column("arrived"), Column("answer")]
    rows = [[one.stored.file.name, one.to, times.minute(one.arrival), copy.answer] for one, copy in copies]
    stdout().print(Table(columns, rows))
    hint = "to see what they change, use replay --wait, or status --file with a name from `to` after the next run"
    click.echo(f"{len(copies)} files; {hint}", err=True)


@dataclass(frozen=True)
class Selection:
    """Which files to replay: by name or id, or all with a date between two days (inclusive) in their name."""

    files: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    feed: str = ""
    """With days: only files of this feed; empty means all."""

    def __post_init__(self) -> None:
        if bool(self.files) == bool(self.first or self.last):
            raise SettingsError("select files either by name or with --from and --to")
        if not self.files and not (self.first and self.last and self.first <= self.last):
            raise SettingsError("--from and --to must be given together, and --from must not be later than --to")


@dataclass(frozen=True)
class Copy:
    """``file`` is the copy that is now waiting; the log will contain its own id. None if there is no copy."""

    answer: Literal["copied", "already waiting", "gone", "would be copied"]
    file: FileId | None = None


def plan(store: FileStore, layout: BucketLayout, selection: Selection) -> list[MovedFile]:
    """The files to copy, older generations first. Raises SettingsError for a file that doesn't exist."""
    found = {moved.stored.file: moved for moved in _found(store, layout, selection)}
    return sorted(found.values(), key=lambda moved: moved.original)


def carry_out(store: FileStore, moved: MovedFile) -> Copy:
    """Copy one file back. Idempotent: the copy's name is derived from the generation."""
    copied = store.copy(moved.stored.file, moved.to, {ARRIVAL_KEY: moved.arrival.isoformat()})
    if copied:
        return Copy("copied", copied)
    existing = store.stat(moved.stored.file.bucket, moved.to)
    return Copy("already waiting", existing.file) if existing else Copy("gone")


def _found(store: FileStore, layout: BucketLayout, selection: Selection) -> Iterator[MovedFile]:
    if selection.first and selection.last:
        yield from _between(store, layout, selection)
    for file in selection.files:
        found = list(moved_files(store, layout, file))
        if not found:
            raise SettingsError(
                f"{file!r} is not in {layout.archive_prefix} or {layout.rejected_prefix} of bucket {layout.bucket}, "
                "or no feed accepts its name"
            )
        # If any object is known to come from the named folder, those without a folder belong to other files.
        relative = relative_name(layout, file)
        exact = [one for one in found if one.uploaded == relative]
        yield from exact if exact and "/" in relative else found


def _between(store: FileStore, layout: BucketLayout, selection: Selection) -> Iterator[MovedFile]:
    first, last = selection.first or date.min, selection.last or date.max
    days = (first + timedelta(n) for n in range((last - first).days + 1))
    for prefix in [*(f"{layout.archive_prefix}{day:%Y/%m/%d}/" for day in days), layout.rejected_prefix]:
        for stored in store.list_files(layout.bucket, prefix):
            moved = moved_file(store, layout, stored)
            feed, named = (feed_of(moved.uploaded), file_date(moved.uploaded)) if moved else (None, None)
            if moved and feed and named and first <= named <= last and selection.feed in ("", feed.name):
                yield moved


def _copy_fields(moved: MovedFile, copy: Copy) -> dict[str, Any]:
    return {"from": moved.stored.file.name, "to": moved.to, "arrival": moved.arrival, "answer": copy.answer}


def _show_results(
    copies: Sequence[tuple[MovedFile, Copy]],
    settings: IngestSettings,
    deps: Dependencies,
    engine: Engine,
    timeout: float,
    as_json: bool,
) -> None:
    def read_log(files: Sequence[FileId]) -> list[LogEntry]:
        entries: list[LogEntry] = []
        for feed in FEEDS.values():
            of_feed = {file for file in files if feed_of(file.name) is feed}
            lines = entries_of(engine, feed, [file.generation for file in of_feed])
            entries += [entry for entry in lines if entry.file in of_feed]
        return entries

    files = [copy.file for _, copy in copies if copy.file]
    wait_for(files, deps, settings.layout, timeout)
    results = replay_results(files, deps.store, settings.layout, read_log)
    # Every line has every field, whatever happened to its file.
    fields = [vars(results[copy.file]) if copy.file else dict.fromkeys(RESULT_FIELDS) for _, copy in copies]
    if as_json:
        print_json([_copy_fields(*copy) | result for copy, result in zip(copies, fields, strict=True)])
        return
    _, outcome, *counts, reason = RESULT_FIELDS  # the file is the copy, which is shown by its name
    columns = [
        Column("copy", "path"),
        Column("answer", folds=True),
        Column(outcome, folds=True),
        *(Column("rejected" if name == "rejected_rows" else name, "count") for name in counts),
        Column(reason, folds=True),
    ]
    rows = [
        [one.to, copy.answer, *(result[name] for name in (outcome, *counts, reason))]
        for (one, copy), result in zip(copies, fields, strict=True)
    ]
    stdout().print(Table(columns, rows))
    click.echo(summary(list(results.values())))
