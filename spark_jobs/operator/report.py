"""`order-tracking report`: all questions about the pipeline and the orders, on one page or in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spark_jobs import bootstrap
from spark_jobs.cloud.ports import FileRefused, TransientError
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.operator.bucket_answers import with_bucket
from spark_jobs.operator.console import print_json, printable, stdout
from spark_jobs.operator.missing import STORAGE_RETRY_SECONDS, without_bucket
from spark_jobs.operator.options import (
    SettingsOf,
    feed_option,
    json_option,
    location_options,
    sql_warehouse_option,
    utc_option,
)
from spark_jobs.operator.tables import Column, Table
from spark_jobs.operator.times import Times
from spark_jobs.questions.catalog import ColumnType
from spark_jobs.report.cards import Card, sections_of
from spark_jobs.report.charts import words
from spark_jobs.report.gather import Gathered, gather
from spark_jobs.report.values import as_text
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

INSTALL = "pip install 'order-tracking[report]', or pip install jinja2==3.1.6 vl-convert-python==1.9.0.post1"
SHOWN_ROWS = 10
_ALL_ROWS = 1_000_000
_FOLDED = ("reason", "note", "example")
"""Columns with texts of any length."""
_FROM_BUCKET = "files that wait for the function, and files that it rejected"


@click.command()
@location_options
@sql_warehouse_option
@feed_option
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Write one self-contained page with charts to this file.",
)
@utc_option
@json_option
def report(
    layout: BucketLayout,
    settings_of: SettingsOf,
    sql_warehouse: str,
    feed: str,
    html: Path | None,
    utc: bool,
    as_json: bool,
) -> None:
    """Answer all questions about the orders and the pipeline: in the terminal, as JSON, or with charts on one page.

    Times in the terminal are in your time zone, those of the page and of JSON in UTC.
    """
    settings = settings_of()
    gathered = gather_all(settings, sql_warehouse, [FEEDS[feed]] if feed else list(FEEDS.values()))
    if html:
        write_page(gathered, html)
    if as_json:
        print_json(answers_as_json(gathered))
    elif html:
        click.echo(f"wrote {html} ({html.stat().st_size / 1000:,.0f} kB): open {html.resolve().as_uri()}")
    else:
        _show(gathered, Times(gathered.at, utc))
    for sentence in gathered.missing:
        click.echo(sentence, err=True)


def gather_all(settings: IngestSettings, sql_warehouse: str, feeds: Sequence[Feed]) -> Gathered:
    """The answers of the tables, and of the bucket as far as it can be read. Raises SettingsError."""
    deps = bootstrap.build_dependencies(settings, storage_retry_seconds=STORAGE_RETRY_SECONDS)
    engine = bootstrap.build_engine(settings, sql_warehouse)
    place = settings.warehouse or f"{settings.catalog}.{settings.schema}"
    gathered = gather(engine, feeds, deps.now(), place)
    try:
        return with_bucket(gathered, deps.store, settings.layout)
    except (TransientError, FileRefused) as error:
        return replace(gathered, missing=[without_bucket(_FROM_BUCKET, settings.layout.bucket, error)])


def write_page(gathered: Gathered, file: Path) -> None:
    """Raises SettingsError with the command that installs what the page needs."""
    try:
        from spark_jobs.report.page import render
    except ImportError as error:
        raise SettingsError(f"--html needs the package {error.name}: {INSTALL}") from None
    content = render(gathered).encode("utf-8", "replace")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"--html: {file} can't be written: {error.strerror}") from None


def answers_as_json(gathered: Gathered) -> dict[str, Any]:
    """By name, as the page has them."""
    return {card.name: card.as_json() for card in _cards(gathered)}


def _cards(gathered: Gathered) -> list[Card]:
    return [card for feed in gathered.feeds for section in sections_of(feed, _ALL_ROWS) for card in section.all]


def _show(gathered: Gathered, times: Times) -> None:
    from rich.text import Text

    console = stdout()
    for feed in gathered.feeds:
        for section in sections_of(feed, _ALL_ROWS):
            console.print(Text(f"\n{feed.feed.title}: {section.title.lower()}", "bold underline"))
            for card in section.all:
                _show_card(console, card, times)


def _show_card(console: Console, card: Card, times: Times) -> None:
    from rich.text import Text

    question = card.answer.question
    total = card.answer.total
    said = card.answer.missing or (f"{total:,} row{'s' * (total > 1)}" if card.rows else "none")
    console.print(Text.assemble("\n", (question.title, "bold"), f"  {question.unit}; {printable(said)}"))
    if not card.rows:
        return
    rows = card.rows[-SHOWN_ROWS:] if card.latest_last else card.rows[:SHOWN_ROWS]
    columns = [_column(name, kind) for _, name, kind in card.columns]
    console.print(Table(columns, [[_cell(row[at], times) for at, _, _ in card.columns] for row in rows]))
    if len(rows) < total:
        console.print(Text(f"… {len(rows)} of {total:,} rows", "dim"))


def _column(name: str, kind: ColumnType) -> Column:
    if kind == "number":
        return Column(words(name), "count")
    return Column(words(name), "path") if name == "file" else Column(words(name), folds=name in _FOLDED)


def _cell(value: Any, times: Times) -> str:
    return times.minute(value) if isinstance(value, datetime) else as_text(value)
