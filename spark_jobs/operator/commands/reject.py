"""`order-tracking reject`: reject a waiting file by hand."""

from __future__ import annotations

import click

from spark_jobs.operator.commands.options import (
    TableOptions,
    json_option,
    layout_options,
    outcome_topic_option,
    table_options,
)
from spark_jobs.operator.commands.spark import spark_session
from spark_jobs.operator.console import print_json, print_table
from spark_jobs.settings import BucketLayout


@click.command()
@layout_options
@table_options
@outcome_topic_option
@click.argument("file")
@click.option("--reason", required=True, help="Why; shown to the sender in the report and to consumers in the outcome.")
@click.option("--job-id", type=int, help="Refuse while this Databricks job has an active run, which could merge the file.")
@json_option
def reject(
    layout: BucketLayout,
    tables: TableOptions,
    outcome_topic: str,
    file: str,
    reason: str,
    job_id: int | None,
    as_json: bool,
) -> None:
    """Reject a waiting file: write a report, log and publish the outcome, and move the file to rejected/.

    FILE is a name, an object name in source/, or a file id. A file with rows in orders_target can't be rejected.
    """
    from spark_jobs.bootstrap import build_dependencies, build_job
    from spark_jobs.operator.reject import check_reason, reject_file
    from spark_jobs.operator.waiting_file import Refused, find_waiting

    settings = tables.settings(layout, outcome_topic=outcome_topic)
    deps = build_dependencies(settings)
    # Before Spark starts, since these checks are quick.
    check_reason(reason)
    find_waiting(deps.store, layout, file)
    if job_id and build_job(job_id).has_active_run():
        raise Refused(f"job {job_id} has an active run, which could merge the file: wait until it ends, or cancel it")
    if not outcome_topic:
        click.echo("no --outcome-topic: the outcome is only logged, not published", err=True)
    with spark_session("Rejecting the file") as spark:
        rejected = reject_file(spark, settings, deps, file, reason)
    if as_json:
        print_json(rejected)
        return
    rows = [["reason", rejected.reason], ["moved to", rejected.place], ["report", rejected.report]]
    print_table(["rejected", str(rejected.file)], rows)
