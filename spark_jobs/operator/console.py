"""What an operator sees: tables on stdout, JSON for machines. No name, however odd, may play with the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

import click

from spark_jobs.contract.file_ids import FileId


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """On a terminal as wide as it is; elsewhere as wide as the text, so that nothing is folded or cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(*header)
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def _printable(text: str) -> str:
    """Names are hostile: nothing may move the cursor or change a terminal's mind."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def waiting_bar(total: int) -> Iterator[Callable[[int, str], None]]:
    """Tell it how many are done, and what the others wait for: a bar on a terminal, elsewhere a line where that changed.
    On stderr: stdout is for the answer.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        said = ""

        def say(done: int, text: str) -> None:
            nonlocal said
            line = _printable(f"{done}/{total} {text}")
            if line != said:
                click.echo(line, err=True)
            said = line

        yield say
        return
    text_column = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), text_column)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda done, text: progress.update(task, completed=done, description=_printable(text))


def print_json(answer: Any) -> None:
    click.echo(json.dumps(answer, default=_plain, ensure_ascii=False, indent=2))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, FileId):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        # Not asdict as a whole: a file id is one text.
        return {name: getattr(value, name) for name in asdict(value)}
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
