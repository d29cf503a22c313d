"""Console output: tables and JSON on stdout, progress on stderr. Control characters in names never reach the terminal."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from spark_jobs.contract.file_ids import FileId
from spark_jobs.store import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Print a table, or nothing without rows. Off a terminal it is as wide as its text, so nothing is wrapped or cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table()
    for cell in header:
        table.add_column(Text(printable(cell)))
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def printable(text: str) -> str:
    """The text with escape sequences instead of control characters: names come from senders and may be hostile."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def wait_progress(total: int) -> Iterator[Callable[[int, str], None]]:
    """Yields a function that shows how many files are done and the states of the others, on stderr: a progress bar on a
    terminal, otherwise one line per change.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        last_line = ""

        def show(done: int, text: str) -> None:
            nonlocal last_line
            line = printable(f"{done}/{total} {text}")
            if line != last_line:
                click.echo(line, err=True)
            last_line = line

        yield show
        return
    text_column = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), text_column)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda done, text: progress.update(task, completed=done, description=printable(text))


def print_json(answer: Any) -> None:
    """Print dataclasses, times and file ids as indented JSON."""
    click.echo(json.dumps(answer, default=_as_json, ensure_ascii=False, indent=2))


def _as_json(value: Any) -> Any:
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    if isinstance(value, FileId):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        # One level only, unlike `asdict`, which would take a file id apart.
        return vars(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def format_time(time: datetime) -> str:
    """An aware time, to the second, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def shown(number: int | None) -> str:
    """A count in a table; nothing if it is unknown."""
    return "" if number is None else str(number)


@contextmanager
def spark_session(doing: str) -> Iterator[SparkSession]:
    """A session for the block; stderr says what the command is ``doing`` meanwhile. Raises SessionError."""
    from rich.console import Console

    logging.getLogger("py4j").setLevel(logging.ERROR)
    with Console(stderr=True).status(f"{doing} (Spark takes a few seconds to start)"):
        yield session.open_session()
