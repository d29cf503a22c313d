"""Console output: answers on stdout, progress on stderr. Control characters in names never reach the terminal.

Tables are in tables.py, bars in shares.py, times in times.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from spark_jobs.contract.file_ids import FileId
from spark_jobs.store import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from rich.console import Console


def stdout() -> Console:
    """Standard output. Off a terminal it is as wide as its text: nothing is wrapped, shortened or decorated there, so that
    a line can be searched for. Scripts read JSON.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    return console


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


@contextmanager
def spark_session(doing: str) -> Iterator[SparkSession]:
    """A session for the block; stderr says what the command is ``doing`` meanwhile. Raises SessionError."""
    from rich.console import Console

    logging.getLogger("py4j").setLevel(logging.ERROR)
    with Console(stderr=True).status(f"{doing} (Spark takes a few seconds to start)"):
        yield session.open_session()
