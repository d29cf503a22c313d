"""`order-tracking status`: the backlog, recent outcomes and runs, or the history of one file; once, or again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from spark_jobs import bootstrap
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.file_ids import FileId
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator import file_view, overview
from spark_jobs.operator.backlog import backlog, wait_for
from spark_jobs.operator.console import print_json, printable, stdout
from spark_jobs.operator.file_history import find
from spark_jobs.operator.missing import STORAGE_RETRY_SECONDS
from spark_jobs.operator.moved_files import settings_for
from spark_jobs.operator.options import (
    SettingsOf,
    feed_option,
    json_option,
    location_options,
    sql_warehouse_option,
    timeout_option,
    utc_option,
)
from spark_jobs.operator.times import Times
from spark_jobs.settings import BucketLayout, Explained, IngestSettings

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESH_SECONDS = 5.0
View = overview.Overview | file_view.FileView


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
@click.option("--watch", "should_watch", is_flag=True, help=f"Refresh every {REFRESH_SECONDS:g} s until Ctrl-C.")
@utc_option
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
    should_watch: bool,
    utc: bool,
    as_json: bool,
) -> None:
    """Show the backlog, parked files, recent outcomes and the latest runs, or the history of one file.

    Times are in your time zone; JSON has them in UTC.
    """
    if (key or show_ties) and not name:
        raise click.UsageError("--key and --ties need --file")
    console = stdout()
    if should_watch and (as_json or not console.is_terminal):
        raise click.UsageError("--watch draws on a terminal; a script repeats status --json")
    settings = settings_of()
    retry_seconds = None if should_wait else STORAGE_RETRY_SECONDS
    deps = bootstrap.build_dependencies(settings, storage_retry_seconds=retry_seconds)
    engine = bootstrap.build_engine(settings, sql_warehouse)
    if should_wait:
        wait_for(_files_to_wait_for(settings, deps, name), deps, layout, timeout)
    job = bootstrap.build_job(job_id) if job_id else None
    gather: Callable[[], View]
    if name:
        question = file_view.Question(name, key, show_ties)
        gather = partial(file_view.gather, settings_for(settings, name), deps, engine, job, question)
    else:
        feeds = [FEEDS[feed]] if feed else list(FEEDS.values())
        gather = partial(overview.gather, settings, deps, engine, job, feeds)
    if should_watch:
        watch(console, lambda: _shown(gather(), deps, utc), deps, utc)
        return
    view = gather()
    if isinstance(view, overview.Overview) and view.totals is None:
        place = settings.warehouse or f"{settings.catalog}.{settings.schema}"
        click.echo(f"no tables in {place}: no run has created them yet, or you may not read them", err=True)
    if as_json:
        print_json(view.as_json())
    else:
        console.print(_shown(view, deps, utc))


def _shown(view: View, deps: Dependencies, utc: bool) -> RenderableType:
    times = Times(deps.now(), utc)
    return overview.show(view, times) if isinstance(view, overview.Overview) else file_view.show(view, times)


def watch(console: Console, show: Callable[[], RenderableType], deps: Dependencies, utc: bool) -> None:
    """Show it again and again, until Ctrl-C, which is no error. If a later refresh fails, the last view stays, with the
    error above it: an outage may end. The first one raises what it raises.
    """
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    def now() -> str:
        return Times(deps.now(), utc).second(deps.now())

    try:
        shown, at = show(), now()
        line = Text(f"{at}, every {REFRESH_SECONDS:g} s until Ctrl-C", "dim")
        # What doesn't fit is cut at the bottom, so the line about the refresh is at the top.
        with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
            while True:
                live.update(Group(line, shown), refresh=True)
                deps.sleep(REFRESH_SECONDS)
                try:
                    shown, at = show(), now()
                    line = Text(f"{at}, every {REFRESH_SECONDS:g} s until Ctrl-C", "dim")
                except (Explained, TransientError) as error:
                    line = Text(printable(f"not refreshed since {at}: {error}"), "red")
    except KeyboardInterrupt:
        return


def _files_to_wait_for(settings: IngestSettings, deps: Dependencies, name: str | None) -> list[FileId]:
    """Empty objects are left out: they never leave the source folder, so the wait would never end."""
    waiting = backlog(deps.store, settings.layout)
    if name:
        named = {one.stored.file for one in find(deps.store, settings, name)}
        waiting = [stored for stored in waiting if stored.file in named]
    return [stored.file for stored in waiting if stored.size]
