"""`order-tracking replay`: copy archived or rejected files back to the source folder and show what they changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from spark_jobs.operator.commands.options import TableOptions, json_option, layout_options, table_options, timeout_option
from spark_jobs.operator.commands.spark import spark_session
from spark_jobs.operator.console import format_time, print_json, print_table
from spark_jobs.settings import BucketLayout, IngestSettings

if TYPE_CHECKING:
    from spark_jobs.contract.file_ids import FileId
    from spark_jobs.dependencies import Dependencies
    from spark_jobs.operator.replay import Copy, Replay
    from spark_jobs.operator.replay_result import ReplayResult
    from spark_jobs.store.ingest_log import LogEntry

_DAY = click.DateTime(["%Y-%m-%d"])
_RESULT_FIELDS = ("outcome", "rows", "inserted", "updated", "outranked", "rejected_rows", "reason")


@click.command()
@layout_options
@click.argument("files", nargs=-1)
@click.option("--from", "first", type=_DAY, help="Replay files with this date or a later one in their name.")
@click.option("--to", "last", type=_DAY, help="Replay files with this date or an earlier one in their name.")
@click.option("--dry-run", is_flag=True, help="Show what would be copied, but copy nothing.")
@click.option("--wait", "should_wait", is_flag=True, help="Wait for the copies and show their results (needs the tables).")
@timeout_option
@table_options
@json_option
def replay(
    layout: BucketLayout,
    files: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    dry_run: bool,
    should_wait: bool,
    timeout: float,
    tables: TableOptions,
    as_json: bool,
) -> None:
    """Copy archived or rejected files back to the source folder, to be ingested again.

    Each of FILES is the name a file was uploaded under (every generation), an object name in archive/ or rejected/, or a
    file id.
    """
    from spark_jobs.bootstrap import build_dependencies, build_file_store
    from spark_jobs.contract.feeds import ORDER_TRACKING
    from spark_jobs.operator.replay import Selection, carry_out, plan

    if should_wait and dry_run:
        raise click.UsageError("--dry-run copies nothing, so --wait has nothing to wait for")
    # Checked before anything is copied, so that a missing option leaves the bucket unchanged.
    settings = tables.settings(layout) if should_wait else None
    deps = build_dependencies(settings) if settings else None
    store = deps.store if deps else build_file_store()
    selection = Selection(files, first.date() if first else None, last.date() if last else None)
    planned = plan(store, ORDER_TRACKING, layout, selection)
    copies = [(one, None if dry_run else carry_out(store, one)) for one in planned]
    if settings and deps:
        _show_results([(one, copy) for one, copy in copies if copy], settings, deps, timeout, as_json)
        return
    lines = [_copy_fields(one, copy) for one, copy in copies]
    if as_json:
        print_json(lines)
        return
    rows = [[line["from"], line["to"], format_time(line["arrival"]), line["answer"]] for line in lines]
    print_table(["from", "to", "arrived", ""], rows)
    hint = "to see what they change, use replay --wait, or status --file with a name from `to` after the next run"
    click.echo(f"{len(lines)} files; {hint}", err=True)


def _show_results(
    copies: Sequence[tuple[Replay, Copy]], settings: IngestSettings, deps: Dependencies, timeout: float, as_json: bool
) -> None:
    from spark_jobs.operator.commands.waiting import wait
    from spark_jobs.operator.replay_result import replay_results, summary
    from spark_jobs.store.ingest_log import logged
    from spark_jobs.store.tables import Tables

    def read_log(files: Sequence[FileId]) -> list[LogEntry]:
        with spark_session() as spark:
            return logged(spark, Tables.of(settings), files)

    files = [copy.file for _, copy in copies if copy.file]
    wait(files, settings.layout, deps, timeout)
    results = replay_results(files, deps.store, settings.layout, read_log)
    if as_json:
        print_json([{**_copy_fields(one, copy), **_result_fields(copy, results)} for one, copy in copies])
        return
    header = ["copy", "", "outcome", "rows", "inserted", "updated", "outranked", "rejected", "reason"]
    print_table(header, [_result_row(one, copy, results) for one, copy in copies])
    click.echo(summary(list(results.values())))


def _copy_fields(replay: Replay, copy: Copy | None) -> dict[str, Any]:
    answer = copy.answer if copy else "would be copied"
    return {"from": replay.stored.file.name, "to": replay.to, "arrival": replay.arrival, "answer": answer}


def _result_fields(copy: Copy, results: dict[FileId, ReplayResult]) -> dict[str, Any]:
    """Every line has every field, whatever happened to its file."""
    result = results[copy.file] if copy.file else None
    return {"file": copy.file, **{name: getattr(result, name, None) for name in _RESULT_FIELDS}}


def _result_row(replay: Replay, copy: Copy, results: dict[FileId, ReplayResult]) -> list[str]:
    fields = _result_fields(copy, results)
    return [replay.to, copy.answer, *("" if fields[name] is None else str(fields[name]) for name in _RESULT_FIELDS)]
