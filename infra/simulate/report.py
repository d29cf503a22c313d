"""Outcomes as a table and a chart on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from infra.simulate.outcome import Outcome
from infra.simulate.pipeline import Mode, Windows

BAR = 50
MANY_QUEUED = 100
TIMEOUT_HOURS = 2
"""`timeout_seconds` of the job (infra/databricks/resources/order_tracking_job.yml)."""


def show(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print table, chart and warnings. A mode that can't keep up has no latency to show: it grows as long as the load
    lasts."""
    console.print(Group(_table(outcomes), _chart(outcomes), _warnings(outcomes)))


def seconds(value: float) -> str:
    """Two significant digits at least."""
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min" if value < 6000 else f"{value / 3600:.1f} h"


def _warnings(outcomes: Sequence[Outcome]) -> Text:
    """What ends badly although the rows arrive in time."""
    windows = [outcome for outcome in outcomes if isinstance(outcome.mode, Windows)]
    found = Text(style="yellow")
    if (queued := max((outcome.queued for outcome in windows), default=0)) > MANY_QUEUED:
        found.append(f"up to {queued:,} runs wait for the only slot, most of which will find nothing: use the live mode\n")
    if (hours := max((outcome.longest_run for outcome in windows), default=0.0)) > TIMEOUT_HOURS:
        found.append(
            f"a run goes on for {hours:.1f} h, since it always finds files; the job's limit is {TIMEOUT_HOURS} h\n"
        )
    return found


def _name(mode: Mode) -> str:
    return f"window {mode.seconds} s" if isinstance(mode, Windows) else "live"


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("mode", no_wrap=True)
    for heading in ("p50", "p95", "longest", "runs/day", "queued", "busy", "$/month", "compute"):
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        waits = ["grows"] * 3 if outcome.growing else map(seconds, (outcome.p50, outcome.p95, outcome.longest))
        runs = (f"{outcome.runs_a_day:,.0f}", f"{outcome.queued:,}", f"{outcome.busy:.0%}")
        table.add_row(_name(outcome.mode), *waits, *runs, f"{outcome.cost.total:,.0f}", f"{outcome.cost.compute:,.0f}")
    return table


def _chart(outcomes: Sequence[Outcome]) -> Text:
    """A bar per mode: solid to p50, shaded to p95, and the costs behind it."""
    longest = max((outcome.p95 for outcome in outcomes if not outcome.growing), default=0.0)
    chart = Text(f"\nfrom upload to queryable: █ p50  ░ p95, up to {seconds(longest)}\n")
    for outcome in outcomes:
        chart.append(f"{_name(outcome.mode):12}")
        if outcome.growing:
            chart.append("can't keep up: files wait longer and longer", style="red")
        else:
            half, nearly = (round(BAR * value / longest) if longest else 0 for value in (outcome.p50, outcome.p95))
            chart.append("█" * half, style="cyan").append("░" * (nearly - half), style="cyan")
            chart.append(f" ${outcome.cost.total:,.0f}")
        chart.append("\n")
    return chart
