"""What an operator types: `status` and `replay`. Answers on stdout (tables, or JSON), everything else on stderr."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spark_jobs.operator.console import moment, print_json, print_table, waiting_bar
from spark_jobs.settings import BucketLayout, IngestSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_jobs.contract.file_ids import FileId
    from spark_jobs.dependencies import Dependencies
    from spark_jobs.operator.backlog import Waiting
    from spark_jobs.operator.file_history import FileHistory
    from spark_jobs.operator.replay import Copy, Replay
    from spark_jobs.operator.replay_result import Change

F = TypeVar("F", bound=Callable[..., Any])
RECENT_FILES = 10
RECENT_RUNS = 5
PATIENCE_SECONDS = 1800
"""Longer than the sweep takes to make up for a lost event (its grace and its interval), and a run after it."""
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


def table_options(command: F) -> F:
    options = [
        click.option("--catalog", default="", help="Unity Catalog catalog of the tables."),
        click.option("--schema", default="", help="Schema of the tables in that catalog."),
        click.option("--warehouse", default="", help="A folder of Delta tables, instead of catalog and schema."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=PATIENCE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long --wait waits.",
)


@click.command()
@place_options
@table_options
@click.option("--job-id", type=int, help="Show this Databricks job's latest runs; login from the environment.")
@click.option("--file", "name", help="Where is this file: its name, object name or file id.")
@click.option("--key", help="With --file: what became of its row with this tracking_num.")
@click.option("--ties", "shows_ties", is_flag=True, help="With --file: its rows that differ from the target at one moment.")
@click.option("--wait", "waits", is_flag=True, help="First wait until what waits now (with --file: that file) has left.")
@_timeout_option
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
    shows_ties: bool,
    waits: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """What waits, what was merged or rejected, and the last runs; or one file's way."""
    from spark_jobs.bootstrap import build_dependencies

    if (key or shows_ties) and not name:
        raise click.UsageError("--key and --ties go with --file")
    layout = BucketLayout(bucket, source_prefix, archive_prefix, rejected_prefix)
    settings = IngestSettings(layout, catalog=catalog, schema=schema, warehouse=warehouse)
    deps = build_dependencies(settings)
    if waits:
        _wait(_waiting_now(settings, deps, name), settings, deps, timeout)
    if name:
        _show_file(settings, deps, name, key, shows_ties, as_json)
    else:
        _show_overview(settings, deps, job_id, as_json)


@click.command()
@place_options
@click.argument("files", nargs=-1)
@click.option("--from", "first", type=_DAY, help="Files whose name has this date or a later one.")
@click.option("--to", "last", type=_DAY, help="Files whose name has this date or an earlier one.")
@click.option("--dry-run", is_flag=True, help="Say what would be copied back, and copy nothing.")
@click.option("--wait", "waits", is_flag=True, help="Wait for the copies and say what they changed; needs the tables.")
@_timeout_option
@table_options
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
    waits: bool,
    timeout: float,
    catalog: str,
    schema: str,
    warehouse: str,
    as_json: bool,
) -> None:
    """Copy archived or rejected files back, to go through again.

    FILES are names they were uploaded under (every generation), object names in archive/ or rejected/, or file ids.
    """
    from spark_jobs.bootstrap import build_dependencies, build_file_store
    from spark_jobs.contract.feeds import ORDER_TRACKING
    from spark_jobs.operator.replay import Wanted, carry_out, plan

    if waits and dry_run:
        raise click.UsageError("--dry-run copies nothing, so there is nothing to --wait for")
    layout = BucketLayout(bucket, source_prefix, archive_prefix, rejected_prefix)
    # Before anything is copied: whoever forgot the tables is told so while nothing has happened.
    settings = IngestSettings(layout, catalog=catalog, schema=schema, warehouse=warehouse) if waits else None
    deps = build_dependencies(settings) if settings else None
    store = deps.store if deps else build_file_store()
    wanted = Wanted(files, first.date() if first else None, last.date() if last else None)
    planned = plan(store, ORDER_TRACKING, layout, wanted)
    copies = [(one, None if dry_run else carry_out(store, one)) for one in planned]
    if settings and deps:
        _show_changes([(one, copy) for one, copy in copies if copy], settings, deps, timeout, as_json)
        return
    lines = [_copy_line(one, copy) for one, copy in copies]
    if as_json:
        print_json(lines)
        return
    print_table(["from", "to", "arrived", ""], [[str(v) for v in _shown(line).values()] for line in lines])
    learn = "what they change: replay --wait, or status --file with the name in `to` after the next run"
    click.echo(f"{len(lines)} files; {learn}", err=True)


def _waiting_now(settings: IngestSettings, deps: Dependencies, name: str | None) -> list[FileId]:
    """What `status --wait` waits for. Nothing takes an empty object, so waiting for one would never end."""
    from spark_jobs.contract.file_ids import FileId
    from spark_jobs.operator.backlog import waiting
    from spark_jobs.operator.file_history import find

    layout = settings.layout
    if name:
        there = [stored for _, stored, _ in find(deps.store, settings, name)]
        return [s.file for s in there if s.size and s.file.name.startswith(layout.source_prefix)]
    lines = waiting(deps.store, layout)
    return [FileId(layout.bucket, line.name, line.generation) for line in lines if line.state != "empty"]


def _wait(files: Collection[FileId], settings: IngestSettings, deps: Dependencies, patience: float) -> None:
    from spark_jobs.operator.backlog import wait_for

    with waiting_bar(len(files)) as say:

        def tell(left: list[Waiting]) -> None:
            states = ", ".join(f"{count} {state}" for state, count in Counter(w.state for w in left).items())
            say(len(files) - len(left), f"left {settings.layout.source_prefix}" + (f", {states}" if states else ""))

        wait_for(files, deps, settings.layout, patience, tell)


def _copy_line(replay: Replay, copy: Copy | None) -> dict[str, Any]:
    answer = copy.answer if copy else "would be copied"
    return {"from": replay.stored.file.name, "to": replay.to, "arrival": replay.arrival, "answer": answer}


def _show_changes(
    copies: Sequence[tuple[Replay, Copy]], settings: IngestSettings, deps: Dependencies, patience: float, as_json: bool
) -> None:
    from spark_jobs.operator.replay_result import changes_of, in_a_sentence
    from spark_jobs.store.ingest_log import LogEntry, logged
    from spark_jobs.store.tables import Tables

    def read_log(files: Sequence[FileId]) -> list[LogEntry]:
        with _session() as spark:
            return logged(spark, Tables.of(settings), files)

    files = [copy.file for _, copy in copies if copy.file]
    _wait(files, settings, deps, patience)
    changes = changes_of(files, deps.store, settings.layout, read_log)
    if as_json:
        print_json([{**_copy_line(replay, copy), **_changed(copy, changes)} for replay, copy in copies])
        return
    header = ["copy", "", "outcome", "rows", "inserted", "updated", "outranked", "rejected", "why"]
    print_table(header, [_change_line(replay, copy, changes) for replay, copy in copies])
    click.echo(in_a_sentence(list(changes.values())))


_FACTS = ("outcome", "rows", "inserted", "updated", "outranked", "rejected_rows", "reason")


def _changed(copy: Copy, changes: dict[FileId, Change]) -> dict[str, Any]:
    """Every line has every field, whatever became of its file."""
    change = changes[copy.file] if copy.file else None
    return {"file": copy.file, **{name: getattr(change, name, None) for name in _FACTS}}


def _change_line(replay: Replay, copy: Copy, changes: dict[FileId, Change]) -> list[str]:
    facts = _changed(copy, changes)
    return [replay.to, copy.answer, *("" if facts[name] is None else str(facts[name]) for name in _FACTS)]


def _show_file(
    settings: IngestSettings, deps: Dependencies, name: str, key: str | None, shows_ties: bool, as_json: bool
) -> None:
    from spark_jobs.operator.file_history import explain_key, file_history, identify
    from spark_jobs.operator.ties import ties

    with _session() as spark:
        found = identify(spark, deps.store, settings, name)
        histories = file_history(spark, deps.store, settings, found)
        key_histories = explain_key(spark, deps.store, settings, found, key) if key else []
        tied = list(ties(spark, deps.store, settings, found)) if shows_ties else []
    if as_json:
        print_json({"file": histories, "key": key_histories, "ties": tied})
        return
    for one in histories:
        print_table(["", one.file], _way(one))
    for verdict in key_histories:
        click.echo(verdict.sentence)
    print_table(
        ["key", "moment", "row", "of", "the target has row", "of"],
        [[t.key, moment(t.stamp), str(t.row), t.file, str(t.kept_row), t.kept_file] for t in tied],
    )
    if shows_ties and not tied:
        click.echo("no row of it differs from the target at the same moment")


def _way(one: FileHistory) -> list[list[str]]:
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


def _show_overview(settings: IngestSettings, deps: Dependencies, job_id: int | None, as_json: bool) -> None:
    from spark_jobs.bootstrap import build_job
    from spark_jobs.operator.backlog import oldest_age, rejected_since, waiting
    from spark_jobs.store.ingest_log import recent
    from spark_jobs.store.tables import Tables

    waits = waiting(deps.store, settings.layout)
    rejected = rejected_since(deps.store, settings.layout, deps.now() - timedelta(hours=24))
    runs = build_job(job_id).recent_runs(RECENT_RUNS) if job_id else []
    with _session() as spark:
        entries = recent(spark, Tables.of(settings), RECENT_FILES)
    if as_json:
        print_json({"waiting": waits, "rejected_24h": rejected, "runs": runs, "files": entries})
        return
    oldest = oldest_age(waits, deps.now())
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

    from spark_jobs.store.session import open_session

    logging.getLogger("py4j").setLevel(logging.ERROR)
    with Console(stderr=True).status("reading the log (starting Spark takes a few seconds)"):
        spark = open_session()
        yield spark


def _shown(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "arrival": moment(line["arrival"])}
