"""What an operator types: `status` and `replay`. Answers on stdout (tables, or JSON), everything else on stderr."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spark_jobs.screen import moment, print_json, print_table
from spark_jobs.settings import IngestSettings, Places

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_jobs.tracing import Trace
    from spark_jobs.world import World

F = TypeVar("F", bound=Callable[..., Any])
RECENT_FILES = 10
RECENT_RUNS = 5
_DAY = click.DateTime(["%Y-%m-%d"])


def place_options(command: F) -> F:
    """Where bucket and tables are; the job's own options."""
    options = [
        click.option("--bucket", required=True, help="Bucket that the files are uploaded to, without gs://."),
        click.option("--source-prefix", default="source/", show_default=True),
        click.option("--archive-prefix", default="archive/", show_default=True),
        click.option("--rejected-prefix", default="rejected/", show_default=True),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@place_options
@click.option("--catalog", default="", help="Unity Catalog catalog of the tables.")
@click.option("--schema", default="", help="Schema of the tables in that catalog.")
@click.option("--warehouse", default="", help="A folder of Delta tables, instead of catalog and schema.")
@click.option("--job-id", type=int, help="Show this Databricks job's latest runs; login from the environment.")
@click.option("--file", "name", help="Where is this file: its name, object name or file id.")
@click.option("--key", help="With --file: what became of its row with this tracking_num.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(
    bucket: str,
    source_prefix: str,
    archive_prefix: str,
    rejected_prefix: str,
    catalog: str,
    schema: str,
    warehouse: str,
    job_id: int | None,
    name: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """What waits, what was merged or rejected, and the last runs; or one file's way."""
    from spark_jobs.bootstrap import build_world

    if key and not name:
        raise click.UsageError("--key goes with --file")
    places = Places(bucket, source_prefix, archive_prefix, rejected_prefix)
    settings = IngestSettings(places, catalog=catalog, schema=schema, warehouse=warehouse)
    world = build_world(settings)
    if name:
        _show_file(settings, world, name, key, as_json)
    else:
        _show_overview(settings, world, job_id, as_json)


@click.command()
@place_options
@click.argument("files", nargs=-1)
@click.option("--from", "first", type=_DAY, help="Files whose name has this date or a later one.")
@click.option("--to", "last", type=_DAY, help="Files whose name has this date or an earlier one.")
@click.option("--dry-run", is_flag=True, help="Say what would be copied back, and copy nothing.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def replay(
    bucket: str,
    source_prefix: str,
    archive_prefix: str,
    rejected_prefix: str,
    files: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Copy archived or rejected files back, to go through again.

    FILES are names they were uploaded under (every generation), object names in archive/ or rejected/, or file ids.
    """
    from spark_jobs.bootstrap import build_store
    from spark_jobs.contract.feeds import ORDER_TRACKING
    from spark_jobs.replaying import Wanted, carry_out, plan

    places = Places(bucket, source_prefix, archive_prefix, rejected_prefix)
    store = build_store()
    wanted = Wanted(files, first.date() if first else None, last.date() if last else None)
    planned = plan(store, ORDER_TRACKING, places, wanted)
    lines = []
    for one in planned:
        answer = "would be copied" if dry_run else carry_out(store, one)
        lines.append({"from": one.stored.file.name, "to": one.to, "arrival": one.arrival, "answer": answer})
    if as_json:
        print_json(lines)
        return
    print_table(["from", "to", "arrived", ""], [[str(v) for v in _shown(line).values()] for line in lines])
    click.echo(f"{len(lines)} files; what they change: order-tracking status --file NAME, after the next run", err=True)


def _show_file(settings: IngestSettings, world: World, name: str, key: str | None, as_json: bool) -> None:
    from spark_jobs.tracing import explain_key, trace

    with _session() as spark:
        traces = trace(spark, world.store, settings, name)
        verdicts = explain_key(spark, world.store, settings, name, key) if key else []
    if as_json:
        print_json({"file": traces, "key": verdicts})
        return
    for one in traces:
        print_table(["", one.file], _way(one))
    for verdict in verdicts:
        click.echo(verdict.sentence)


def _way(one: Trace) -> list[list[str]]:
    lines = [["seen", moment(one.seen)], ["now", one.place], ["state", one.state]]
    lines += [["taken", moment(taken)] for taken in one.taken]
    if one.entry:
        entry = one.entry
        lines.append([entry.outcome, moment(entry.logged_at)])
        if entry.reason:
            lines.append(["reason", entry.reason])
        if entry.rows is not None:
            equation = f"{entry.rows} = {entry.inserted} inserted + {entry.updated} updated"
            lines.append(["rows", f"{equation} + {entry.outranked} outranked + {entry.rejected_rows} rejected"])
            lines.append(["balanced", {True: "yes", False: "NO", None: "can't be known"}[entry.balanced]])
    return lines


def _show_overview(settings: IngestSettings, world: World, job_id: int | None, as_json: bool) -> None:
    from spark_jobs.ingest_log import recent
    from spark_jobs.job_runs import DatabricksJobRuns
    from spark_jobs.tables import Tables
    from spark_jobs.waiting import oldest_age, rejected_since, waiting

    waits = waiting(world.store, settings.places)
    rejected = rejected_since(world.store, settings.places, world.now() - timedelta(hours=24))
    runs = DatabricksJobRuns(job_id).recent(RECENT_RUNS) if job_id else []
    with _session() as spark:
        entries = recent(spark, Tables.of(settings), RECENT_FILES)
    if as_json:
        print_json({"waiting": waits, "rejected_24h": rejected, "runs": runs, "files": entries})
        return
    oldest = oldest_age(waits, world.now())
    since = f", the oldest for {str(oldest).partition('.')[0]}" if oldest is not None else ""
    merged = max((e.logged_at for e in entries if e.outcome == "merged"), default=None)
    click.echo(
        f"{len(waits)} waiting{since}; {len(rejected)} rejected in 24 h; last merge {moment(merged) if merged else 'never'}"
    )
    print_table(["rejected", "when", "why"], [[r.name, moment(r.at), r.reason] for r in rejected[:RECENT_FILES]])
    print_table(["waiting", "since", "state"], [[w.name, moment(w.since), w.state] for w in waits[:RECENT_FILES]])
    print_table(["run", "started", "state", "page"], [[str(r.run_id), moment(r.started), r.state, r.page] for r in runs])
    header = ["file", "when", "outcome", "rows", "inserted", "updated", "outranked", "rejected"]
    print_table(header, [_log_line(e) for e in entries])


def _log_line(entry: Any) -> list[str]:
    counts = (entry.rows, entry.inserted, entry.updated, entry.outranked, entry.rejected_rows)
    return [entry.file.name, moment(entry.logged_at), entry.outcome, *("" if n is None else str(n) for n in counts)]


@contextmanager
def _session() -> Iterator[SparkSession]:
    from rich.console import Console

    from spark_jobs.session import open_session

    logging.getLogger("py4j").setLevel(logging.ERROR)
    with Console(stderr=True).status("reading the log (starting Spark takes a few seconds)"):
        spark = open_session()
        yield spark


def _shown(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "arrival": moment(line["arrival"])}
