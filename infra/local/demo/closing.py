"""The demo's last screen."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from infra.local.demo.verdict import KeyHistory

COUNTS = ("rows", "inserted", "updated", "outranked", "rejected_rows")
QUERY = """python -c "from deltalake import DeltaTable as D, QueryBuilder as Q; \\
  print(Q().register('t', D('{table}')).execute('select status, count(*) n from t group by 1 order by 2').read_all())\""""


def show_files(console: Console, verdict: KeyHistory) -> None:
    table = Table(title="uploads and their outcomes", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("upload", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    for heading in ("rows", "inserted", "updated", "outranked", "bad"):
        table.add_column(heading, justify="right", no_wrap=True)
    for ending in verdict.endings:
        colour = {"merged": "green", "rejected": "red"}.get(ending.outcome, "yellow")
        counts = [f"{ending.counts[name]:,}" if ending.counts.get(name) is not None else "" for name in COUNTS]
        upload = ending.sent.upload
        name = f"{upload.name}\n  [dim]{upload.about}[/dim]"
        table.add_row(name, f"[{colour}]{ending.outcome}[/{colour}]", *counts)
    console.print(table)
    for ending in verdict.endings:
        if ending.reason:
            _print(console, f"{ending.sent.upload.name} was {ending.outcome}: {ending.reason}")
            _print(console, f"    it is now {ending.where}, its report beside it")
    console.print()


def show_target(console: Console, verdict: KeyHistory) -> None:
    table = Table(title="orders_target by status", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("status")
    table.add_column("rows", justify="right")
    for status, count in sorted(verdict.statuses.items(), key=lambda item: -item[1]):
        table.add_row(status, f"{count:,}")
    table.add_section()
    table.add_row("all", f"{sum(verdict.statuses.values()):,}")
    console.print(table)


def show_where_to_look(console: Console, folder: str) -> None:
    lines = [
        "where to look further (the stack has stopped, its data stays):",
        f"  tables      {folder}/warehouse/  (plain Delta folders: orders_target, orders_ingest_log, …)",
        f"  logs        {folder}/logs/",
        f"  again       python -m infra.local up --data-dir {folder}   # bucket and runs' pages at the addresses it prints",
        "  a query     " + QUERY.format(table=f"{folder}/warehouse/orders_target"),
    ]
    _print(console, "\n".join(lines))


def show_verdict(console: Console, verdict: KeyHistory, seconds: float) -> None:
    merged = sum(ending.outcome == "merged" for ending in verdict.endings)
    _print(
        console,
        f"\n{verdict.matching:,} of {verdict.expected:,} rows match an independent reading of the {merged} merged files; "
        f"{verdict.bad_rows:,} bad rows set aside; {seconds:.0f} s",
    )
    for fault in verdict.faults:
        _print(console, f"WRONG: {fault}", "red")


def _print(console: Console, text: str, style: str = "") -> None:
    """As it is: names and reasons are other people's, brackets in them are no mark-up, and lines stay whole."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)
