"""`order-tracking retry`: have the next run take a file first."""

from __future__ import annotations

import click

from spark_jobs.operator.commands.options import TableOptions, json_option, layout_options, table_options
from spark_jobs.operator.commands.spark import spark_session
from spark_jobs.operator.console import print_json, printable
from spark_jobs.settings import BucketLayout


@click.command()
@layout_options
@table_options
@click.argument("file")
@json_option
def retry(layout: BucketLayout, tables: TableOptions, file: str, as_json: bool) -> None:
    """Retry a parked file: the next run takes it first, and its earlier attempts no longer count.

    FILE is a name, an object name in source/, or a file id.
    """
    from spark_jobs.bootstrap import build_dependencies
    from spark_jobs.operator.retry import request_retry
    from spark_jobs.operator.waiting_file import find_waiting

    settings = tables.settings(layout)
    deps = build_dependencies(settings)
    # Before Spark starts, since this check is quick.
    find_waiting(deps.store, layout, file)
    with spark_session("Requesting the retry") as spark:
        requested = request_retry(spark, settings, deps, file)
    if as_json:
        print_json({"file": requested, "retry_requested": True})
        return
    click.echo(printable(f"the next run takes {requested} first"))
