"""Options that several commands share, each block declared once. A decorator turns its block into one argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from spark_jobs.settings import BucketLayout, IngestSettings

Command = Callable[..., Any]

WAIT_SECONDS = 1800
"""Longer than the sweep needs to recover a lost event (its grace period and interval), plus one run."""
_DEFAULT = BucketLayout("default")


@dataclass(frozen=True)
class TableOptions:
    """Where the tables are."""

    catalog: str
    schema: str
    warehouse: str

    def settings(self, layout: BucketLayout, **others: Any) -> IngestSettings:
        """Settings with these tables. Raises SettingsError."""
        return IngestSettings(layout, catalog=self.catalog, schema=self.schema, warehouse=self.warehouse, **others)


def layout_options(command: Command) -> Command:
    """Adds the bucket and its prefixes, passed as ``layout``. An empty prefix means the default."""

    @wraps(command)
    def with_layout(*, bucket: str, source_prefix: str, archive_prefix: str, rejected_prefix: str, **others: Any) -> Any:
        layout = BucketLayout(
            bucket,
            source_prefix or _DEFAULT.source_prefix,
            archive_prefix or _DEFAULT.archive_prefix,
            rejected_prefix or _DEFAULT.rejected_prefix,
        )
        return command(layout=layout, **others)

    return _add(
        with_layout,
        click.option("--bucket", default="", help="Required: the bucket that files are uploaded to, without gs://."),
        click.option("--source-prefix", default=_DEFAULT.source_prefix, show_default=True, help="Where files arrive."),
        click.option("--archive-prefix", default=_DEFAULT.archive_prefix, show_default=True, help="Where merged files go."),
        click.option(
            "--rejected-prefix", default=_DEFAULT.rejected_prefix, show_default=True, help="Where rejected files go."
        ),
    )


def table_options(command: Command) -> Command:
    """Adds the location of the tables, passed as ``tables``."""

    @wraps(command)
    def with_tables(*, catalog: str, schema: str, warehouse: str, **others: Any) -> Any:
        return command(tables=TableOptions(catalog, schema, warehouse), **others)

    return _add(
        with_tables,
        click.option("--catalog", default="", help="Unity Catalog catalog of the tables."),
        click.option("--schema", default="", help="Schema of the tables in that catalog."),
        click.option("--warehouse", default="", help="Folder of Delta tables, instead of --catalog and --schema."),
    )


timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long --wait waits.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
outcome_topic_option = click.option(
    "--outcome-topic", default="", help="Topic for outcomes, projects/P/topics/T. If empty, outcomes are only logged."
)


def _add(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
