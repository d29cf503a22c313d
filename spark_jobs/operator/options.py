"""Options that several commands share, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import click

from spark_jobs.contract.feeds import feed_named
from spark_jobs.settings import BucketLayout, IngestSettings

Command = Callable[..., Any]
SettingsOf = Callable[..., IngestSettings]

WAIT_SECONDS = 1800
"""Longer than the sweep needs to recover a lost event (its grace period and interval), plus one run."""
_DEFAULT = BucketLayout("default")
_LOCATIONS = (
    click.option("--bucket", default="", help="Required: the bucket that files are uploaded to, without gs://."),
    click.option("--source-prefix", default=_DEFAULT.source_prefix, show_default=True, help="Where files arrive."),
    click.option("--archive-prefix", default=_DEFAULT.archive_prefix, show_default=True, help="Where merged files go."),
    click.option("--rejected-prefix", default=_DEFAULT.rejected_prefix, show_default=True, help="Where rejected files go."),
    click.option("--catalog", default="", help="Unity Catalog catalog of the tables."),
    click.option("--schema", default="", help="Schema of the tables in that catalog."),
    click.option("--warehouse", default="", help="Folder of Delta tables, instead of --catalog and --schema."),
)


def _known_feed(_: click.Context, __: click.Parameter, name: str) -> str:
    try:
        return feed_named(name).name if name else ""
    except LookupError as error:
        raise click.BadParameter(str(error)) from None


def location_options(command: Command) -> Command:
    """Adds the bucket, its prefixes and the tables. An empty prefix means the default.

    The command gets ``layout`` and ``settings_of``, which makes the settings and raises SettingsError without any tables.
    """

    @wraps(command)
    def with_location(
        *,
        bucket: str,
        source_prefix: str,
        archive_prefix: str,
        rejected_prefix: str,
        catalog: str,
        schema: str,
        warehouse: str,
        **others: Any,
    ) -> Any:
        layout = BucketLayout(
            bucket,
            source_prefix or _DEFAULT.source_prefix,
            archive_prefix or _DEFAULT.archive_prefix,
            rejected_prefix or _DEFAULT.rejected_prefix,
        )
        settings_of = partial(IngestSettings, layout, catalog=catalog, schema=schema, warehouse=warehouse)
        return command(layout=layout, settings_of=settings_of, **others)

    decorated: Command = with_location
    for option in reversed(_LOCATIONS):
        decorated = option(decorated)
    return decorated


feed_option = click.option("--feed", default="", callback=_known_feed, help="Only this feed. If empty: all feeds.")
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long --wait waits.",
)
utc_option = click.option("--utc", is_flag=True, help="Show times in UTC, not in your time zone.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
sql_warehouse_option = click.option(
    "--sql-warehouse",
    default="",
    envvar="DATABRICKS_WAREHOUSE_ID",
    help="With --catalog: id of the SQL warehouse that reads the tables (login from the environment).",
)
outcome_topic_option = click.option(
    "--outcome-topic", default="", help="Topic for outcomes, projects/P/topics/T. If empty, outcomes are only logged."
)
