"""`order-tracking status`: the backlog, recent outcomes and runs, or the history of one file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import click

from spark_jobs import bootstrap
from spark_jobs.cloud.ports import Job
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS, feed_of
from spark_jobs.contract.file_ids import FileId
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.backlog import backlog, rejected_since, state_of, wait_for
from spark_jobs.operator.console import format_time, print_json, print_table, shown
from spark_jobs.operator.file_history import FileHistory, explain_key, file_history, find, find_ties, identify
from spark_jobs.operator.lookups import has_log, recent_entries
from spark_jobs.operator.moved_files import feed_in, settings_for
from spark_jobs.operator.options import (
    SettingsOf,
    feed_option,
    json_option,
    location_options,
    sql_warehouse_option,
    timeout_option,
)
from spark_jobs.operator.parked import ParkedFile, parked_files
from spark_jobs.queries.engine import Engine
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.store.ingest_log import LogEntry

RECENT_FILES = 10
RECENT_RUNS = 5


@click.command()
@location_options
@sql_warehouse_option
@click.option(
    "--job-id", type=int, help="Show this Databricks job's latest runs and their errors (login from the environment)."
)
@feed_option
@click.option("--file", "name", help="Show one file: its name, object name or file id.")
@click.option("--key", help="With --file: explain what happened to its row with this key (several columns: as in CSV).")
@click.option("--ties", "show_ties", is_flag=True, help="With --file: list rows that conflict with the target.")
@click.option(
    "--wait", "should_wait", is_flag=True, help="First wait until the current backlog (with --file: that file) is done."
)
@timeout_option
@json_option
def status(
    layout: BucketLayout,
    settings_of: SettingsOf,
    sql_warehouse: str,
    job_id: int | None,
    feed: str,
    name: str | None,
    key: str | None,
    show_ties: bool,
    should_wait: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Show the backlog, parked files, recent outcomes and the latest runs, or the history of one file."""
    if (key or show_ties) and not name:
        raise click.UsageError("--key and --ties need --file")
    settings = settings_of()
    deps = bootstrap.build_dependencies(settings)
    engine = bootstrap.build_engine(settings, sql_warehouse)
    if should_wait:
        wait_for(_files_to_wait_for(settings, deps, name), deps, layout, timeout)
    job = bootstrap.build_job(job_id) if job_id else None
    if name:
        _show_file(settings_for(settings, name), deps, engine, job, name, key, show_ties, as_json)
    else:
        _show_overview(settings, deps, engine, job, [FEEDS[feed]] if feed else list(FEEDS.values()), as_json)


def _files_to_wait_for(settings: IngestSettings, deps: Dependencies, name: str | None) -> list[FileId]:
    """Empty objects are left out: they never leave the source folder, so the wait would never end."""
    waiting = backlog(deps.store, settings.layout)
    if name:
        named = {one.stored.file for one in find(deps.store, settings, name)}
        waiting = [stored for stored in waiting if stored.file in named]
    return [stored.file for stored in waiting if stored.size]


def _show_file(
    settings: IngestSettings,
    deps: Dependencies,
    engine: Engine,
    job: Job | None,
    name: str,
    key: str | None,
    show_ties: bool,
    as_json: bool,
) -> None:
    feed, store = settings.feed, deps.store
    found = identify(engine, store, settings, name)
    histories = file_history(engine, store, settings, found, job.failed_runs if job else None)
    key_histories = explain_key(engine, store, feed, found, key) if key else []
    ties = list(find_ties(engine, store, feed, found)) if show_ties else []
    if as_json:
        print_json({"file": histories, "key": key_histories, "ties": ties})
        return
    for history in histories:
        print_table(["", history.file], _history_rows(history))
    for key_history in key_histories:
        click.echo(key_history.sentence)
    print_table(
        ["key", "time", "row", "of file", "row in the target", "of file"],
        [[t.key, format_time(t.stamp), str(t.row), t.file, str(t.kept_row), t.kept_file] for t in ties],
    )
    if show_ties and not ties:
        click.echo("no row conflicts with the target at the same timestamp")


def _history_rows(history: FileHistory) -> list[list[str]]:
    rows = [["seen", format_time(history.seen)], ["location", history.place], ["state", history.state]]
    rows += [["validated", format_time(history.validated)]] if history.validated else []
    rows += [["taken", format_time(taken)] for taken in history.taken]
    if parked := history.parked:
        rows.append(["parked", f"{parked.attempts} failed attempts; decide with order-tracking reject or retry"])
        rows += [["next try", format_time(parked.next_try)], ["last error", parked.last_error]]
    if entry := history.entry:
        rows.append([entry.outcome, format_time(entry.logged_at)])
        if entry.reason:
            rows.append(["reason", entry.reason])
        if entry.rows is not None:
            equation = f"{entry.rows} = {entry.inserted} inserted + {entry.updated} updated"
            rows.append(["rows", f"{equation} + {entry.outranked} outranked + {entry.rejected_rows} rejected"])
            rows.append(["balanced", {True: "yes", False: "NO", None: "unknown"}[entry.balanced]])
    rows += [["moved", format_time(history.moved)]] if history.moved else []
    return rows


def _show_overview(
    settings: IngestSettings,
    deps: Dependencies,
    engine: Engine,
    job: Job | None,
    feeds: Sequence[Feed],
    as_json: bool,
) -> None:
    def is_shown(name: str) -> bool:
        """Without --feed, also files whose names no feed has."""
        return len(feeds) == len(FEEDS) or feed_in(name) in feeds

    waiting = [(stored, state_of(stored)) for stored in backlog(deps.store, settings.layout) if is_shown(stored.file.name)]
    since = deps.now() - timedelta(hours=24)
    rejected = [one for one in rejected_since(deps.store, settings.layout, since) if is_shown(one.name)]
    runs = job.recent_runs(RECENT_RUNS) if job else []
    accepted = [stored.file for stored, state in waiting if state == "accepted"]
    entries: list[LogEntry] = []
    parked: list[ParkedFile] = []
    for feed in feeds:
        entries += recent_entries(engine, feed, RECENT_FILES)
        of_feed = [file for file in accepted if feed_of(file.name) is feed]
        parked += parked_files(engine, feed, of_feed, job.failed_runs if job else None)
    if not entries and not any(has_log(engine, feed) for feed in feeds):
        place = settings.warehouse or f"{settings.catalog}.{settings.schema}"
        click.echo(f"no tables in {place}: no run has created them yet, or you may not read them", err=True)
    entries = sorted(entries, key=lambda entry: entry.logged_at, reverse=True)[:RECENT_FILES]
    if as_json:
        lines = [
            {"name": one.file.name, "generation": one.file.generation, "since": one.created, "state": state}
            for one, state in waiting
        ]
        print_json({"waiting": lines, "parked": parked, "rejected_24h": rejected, "runs": runs, "files": entries})
        return
    oldest = f" (oldest: {str(deps.now() - waiting[0][0].created).partition('.')[0]})" if waiting else ""
    merged = max((e.logged_at for e in entries if e.outcome == "merged"), default=None)
    click.echo(
        f"{len(waiting)} waiting{oldest}; {len(parked)} parked; {len(rejected)} rejected in 24 h; "
        f"last merge: {format_time(merged) if merged else 'never'}"
    )
    parked_rows = [[p.file.name, str(p.attempts), format_time(p.next_try), p.last_error] for p in parked[:RECENT_FILES]]
    print_table(["parked", "failed attempts", "next try", "last error"], parked_rows)
    print_table(["rejected", "when", "reason"], [[r.name, format_time(r.at), r.reason] for r in rejected[:RECENT_FILES]])
    waiting_rows = [[one.file.name, format_time(one.created), state] for one, state in waiting[:RECENT_FILES]]
    print_table(["waiting", "since", "state"], waiting_rows)
    run_rows = [[str(run.run_id), format_time(run.started), run.state, run.page] for run in runs]
    print_table(["run", "started", "state", "page"], run_rows)
    header = ["file", "when", "outcome", "rows", "inserted", "updated", "outranked", "rejected"]
    print_table(header, [_entry_row(e) for e in entries])


def _entry_row(entry: LogEntry) -> list[str]:
    counts = map(shown, (entry.rows, entry.inserted, entry.updated, entry.outranked, entry.rejected_rows))
    return [entry.file.name, format_time(entry.logged_at), entry.outcome, *counts]
