"""`order-tracking report`: all questions about the pipeline and the orders, on one page or in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spark_jobs import bootstrap
from spark_jobs.cloud.ports import FileRefused, TransientError
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.violations import shorten
from spark_jobs.operator.bucket_answers import with_bucket
from spark_jobs.operator.console import print_json, printable
from spark_jobs.operator.options import SettingsOf, feed_option, json_option, location_options, sql_warehouse_option
from spark_jobs.report.cards import Card, sections_of
from spark_jobs.report.charts import words
from spark_jobs.report.gather import Gathered, gather
from spark_jobs.report.values import as_text
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

INSTALL = "pip install 'order-tracking[report]', or pip install jinja2==3.1.6 vl-convert-python==1.9.0.post1"
SHOWN_ROWS = 10
WIDTH = 160
"""Off a terminal."""
_ALL_ROWS = 1_000_000


@click.command()
@location_options
@sql_warehouse_option
@feed_option
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Write one self-contained page with charts to this file.",
)
@json_option
def report(
    layout: BucketLayout, settings_of: SettingsOf, sql_warehouse: str, feed: str, html: Path | None, as_json: bool
) -> None:
    """Answer all questions about the orders and the pipeline: in the terminal, as JSON, or with charts on one page."""
    settings = settings_of()
    gathered = gather_all(settings, sql_warehouse, [FEEDS[feed]] if feed else list(FEEDS.values()))
    if html:
        write_page(gathered, html)
    if as_json:
        print_json(answers_as_json(gathered))
    elif html:
        click.echo(f"wrote {html} ({html.stat().st_size / 1000:,.0f} kB): open {html.resolve().as_uri()}")
    else:
        _show(gathered)
    for sentence in gathered.missing:
        click.echo(f"incomplete: {sentence}", err=True)


def gather_all(settings: IngestSettings, sql_warehouse: str, feeds: Sequence[Feed]) -> Gathered:
    """The answers of the tables, and of the bucket as far as it can be read. Raises SettingsError."""
    deps = bootstrap.build_dependencies(settings)
    engine = bootstrap.build_engine(settings, sql_warehouse)
    place = settings.warehouse or f"{settings.catalog}.{settings.schema}"
    gathered = gather(engine, feeds, deps.now(), place)
    try:
        return with_bucket(gathered, deps.store, settings.layout)
    except (TransientError, FileRefused) as error:
        return replace(gathered, missing=[_without_bucket(settings.layout.bucket, error)])


def _without_bucket(bucket: str, error: Exception) -> str:
    return (
        f"files that wait for the function and files that it rejected are missing, because bucket {bucket} can't be read "
        f"({shorten(' '.join(str(error).split()))}); log in with: gcloud auth application-default login"
    )


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


def _show(gathered: Gathered) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    for feed in gathered.feeds:
        for section in sections_of(feed, _ALL_ROWS):
            console.print(Text(f"\n{feed.feed.title}: {section.title.lower()}", "bold underline"))
            for card in section.all:
                _show_card(console, card)


def _show_card(console: Console, card: Card) -> None:
    from rich.table import Table
    from rich.text import Text

    question = card.answer.question
    said = card.answer.missing or (f"{card.answer.total:,} rows" if card.rows else "none")
    console.print(Text.assemble("\n", (question.title, "bold"), f"  {question.unit}; {printable(said)}"))
    if not card.rows:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for _, column, kind in card.columns:
        number = kind == "number"
        table.add_column(words(column), justify="right" if number else "left", no_wrap=number, overflow="fold")
    latest = card.rows[-SHOWN_ROWS:] if card.latest_last else card.rows[:SHOWN_ROWS]
    for row in latest:
        table.add_row(*(Text(printable(as_text(row[at]))) for at, _, _ in card.columns))
    console.print(table)
    if len(latest) < card.answer.total:
        console.print(Text(f"… {len(latest)} of {card.answer.total:,} rows", "dim"))
