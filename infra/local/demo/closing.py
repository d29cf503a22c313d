"""The results that the demo shows at the end."""

from __future__ import annotations

from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from infra.local.demo.verdict import Verdict

COUNTS = {"rows": "rows", "inserted": "inserted", "updated": "updated", "outranked": "outranked", "bad": "rejected_rows"}
"""Columns of the ingest log by their headings."""
WHERE_TO_LOOK = """\
where to look further (the stack has stopped, its data is kept):
  tables      {folder}/warehouse/  (plain Delta folders: orders_target, orders_ingest_log, …)
  logs        {folder}/logs/
  again       python -m infra.local up --data-dir {folder}   # shows the bucket's and the runs' addresses
  a query     python -c "from deltalake import DeltaTable as D, QueryBuilder as Q; \\
  print(Q().register('t', D('{target}')).execute('select status, count(*) n from t group by 1 order by 2').read_all())"
"""


def show(console: Console, verdict: Verdict, folder: str, seconds: float) -> None:
    console.print()
    _show_files(console, verdict)
    _show_target(console, verdict)
    _print(console, WHERE_TO_LOOK.format(folder=folder, target=f"{folder}/warehouse/orders_target"))
    merged = sum(result.outcome == "merged" for result in verdict.results)
    _print(
        console,
        f"{verdict.matching:,} of {verdict.expected:,} rows match an independent reading of the {merged} merged files; "
        f"{verdict.bad_rows:,} bad rows quarantined; {seconds:.0f} s",
    )
    for problem in verdict.problems:
        _print(console, f"WRONG: {problem}", "red")


def _show_files(console: Console, verdict: Verdict) -> None:
    table = Table(title="uploads and their outcomes", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("upload", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    for heading in COUNTS:
        table.add_column(heading, justify="right", no_wrap=True)
    for result in verdict.results:
        color = {"merged": "green", "rejected": "red"}.get(result.outcome, "yellow")
        counts = [f"{result.counts[name]:,}" if result.counts.get(name) is not None else "" for name in COUNTS.values()]
        name = f"{result.upload.name}\n  [dim]{result.upload.about}[/dim]"
        table.add_row(name, f"[{color}]{result.outcome}[/{color}]", *counts)
    console.print(table)
    for result in verdict.results:
        if result.reason:
            _print(console, f"{result.upload.name} was {result.outcome}: {result.reason}")
            _print(console, f"    moved to {result.where}; the report is next to it")
    console.print()


def _show_target(console: Console, verdict: Verdict) -> None:
    table = Table(title="orders_target by status", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("status")
    table.add_column("rows", justify="right")
    for status, count in Counter(row[4] for row in verdict.rows).most_common():
        table.add_row(status, f"{count:,}")
    table.add_section()
    table.add_row("all", f"{len(verdict.rows):,}")
    console.print(table)


def _print(console: Console, text: str, style: str = "") -> None:
    """Print literally: names and reasons come from outside, brackets in them are not markup, and lines are not wrapped."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)
