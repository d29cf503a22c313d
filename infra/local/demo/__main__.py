"""`python -m infra.local.demo`, `make demo`: start a stack, upload several days, check every row, stop the stack."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from infra.local.demo.days import Upload, waves
from infra.local.demo.expected import READINGS
from infra.local.demo.progress import NotSettled, Progress, ProgressReporter
from infra.local.demo.report import write_report
from infra.local.demo.verdict import Verdict, check_outcomes
from infra.local.folder import AlreadyRunning, NotAStackFolder, StackFolder
from infra.local.services.definitions import Settings
from infra.local.services.ports import ANY_PORTS, PortTaken
from infra.local.services.process import ServerFailed
from infra.local.services.pubsub import pull_outcomes
from infra.local.services.stack import Interrupted, Stack
from infra.local.uploads import Uploaded, connect, upload_object
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.store.java import JavaError

WAVE_SECONDS = 300.0
LOG_WIDTH = 110
"""Width of tables without a terminal; rich's default is 80."""
COUNTS = {"rows": "rows", "inserted": "inserted", "updated": "updated", "outranked": "outranked", "bad": "rejected_rows"}
"""Columns of the ingest log by their headings."""
WHERE_TO_LOOK = """\
where to look further (the stack has stopped, its data is kept):
  tables      {folder}/warehouse/  (plain Delta folders: {targets}, …)
  logs        {folder}/logs/
  again       python -m infra.local up --data-dir {folder}   # shows the bucket's and the runs' addresses
  a query     python -c "from deltalake import DeltaTable as D, QueryBuilder as Q; \\
  print(Q().register('t', D('{target}')).execute('select status, count(*) n from t group by 1 order by 2').read_all())"
"""


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default=Path(".data/demo"), show_default=True,
              help="Folder for the data; it is wiped first.")  # fmt: skip
@click.option("--rows", default=2500, show_default=True, help="New parcels per day.")
def main(data_dir: Path, rows: int) -> None:
    """Upload several days of two feeds to a fresh stack and compare every row of their targets with an independent
    reading of the files.

    Exit status 0 if every row matches and every file has the expected outcome, otherwise 1.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    # Long sweep intervals: the demo works without the sweep's help.
    settings = Settings(sweep_every_seconds=60, sweep_grace_seconds=60)
    reporter = ProgressReporter(console)
    stack = Stack(
        StackFolder(data_dir.resolve()),
        settings,
        ANY_PORTS,
        fresh=True,
        report=lambda line: reporter.say("stack", line),
    )
    stack.stop_on_signals()
    try:
        reporter.say("stack", f"starting a fresh stack in {data_dir} (the first start installs Spark: a few minutes)")
        folder = StackFolder(data_dir.resolve())
        with stack:
            verdicts = _play(stack, waves(rows), reporter)
            write_report(stack.addresses, folder.report)
    except (Interrupted, KeyboardInterrupt):
        sys.exit(130)
    except (JavaError, PortTaken, AlreadyRunning, NotAStackFolder, ServerFailed, NotSettled) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    _show(console, verdicts, str(data_dir), reporter.seconds)
    _print(console, f"the report, with charts of this data: {data_dir / folder.report.name}")
    sys.exit(1 if any(verdict.problems for verdict in verdicts) else 0)


def _play(stack: Stack, plan: list[list[Upload]], reporter: ProgressReporter) -> list[Verdict]:
    addresses = stack.addresses
    client = connect(addresses.storage)
    progress = Progress(stack, client, reporter)
    sent: list[tuple[Upload, Uploaded]] = []
    for number, uploads in enumerate(plan, 1):
        reporter.say("demo", f"wave {number} of {len(plan)}: {len(uploads)} uploads")
        for upload in uploads:
            _repeat_events(addresses.storage, upload.events - 1)
            uploaded = upload_object(client, addresses.bucket, upload.name, upload.content)
            reporter.say("upload", f"{upload.name} ({uploaded.size:,} bytes): {upload.about}")
            sent.append((upload, uploaded))
        progress.wait_until_settled(WAVE_SECONDS)
    warehouse = Path(addresses.warehouse)
    verdicts = [check_outcomes(FEEDS[name], sent, client, addresses.bucket, warehouse) for name in READINGS]
    if addresses.pubsub:
        told = sum(result.outcome in ("merged", "rejected") for verdict in verdicts for result in verdict.results)
        messages = pull_outcomes(addresses.pubsub, at_least=told)
        reporter.say("demo", f"{len(messages)} outcome messages received from Pub/Sub")
    return verdicts


def _repeat_events(storage_url: str, times: int) -> None:
    """Make the storage server deliver each event this many extra times, as Eventarc may."""
    body = json.dumps({"repeat": times}).encode()
    request = urllib.request.Request(f"{storage_url}/_local/events", body, method="PUT")  # noqa: S310 - ours, local
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


def _show(console: Console, verdicts: list[Verdict], folder: str, seconds: float) -> None:
    console.print()
    _show_files(console, verdicts)
    _show_targets(console, verdicts)
    targets = [_target(verdict) for verdict in verdicts]
    target = f"{folder}/warehouse/{targets[0]}"
    _print(console, WHERE_TO_LOOK.format(folder=folder, targets=", ".join(targets), target=target))
    for verdict, target in zip(verdicts, targets, strict=True):
        merged = sum(result.outcome == "merged" for result in verdict.results)
        _print(
            console,
            f"{target}: {verdict.matching:,} of {verdict.expected:,} rows match an independent reading of the {merged} "
            f"merged files; {verdict.bad_rows:,} bad rows quarantined",
        )
        for problem in verdict.problems:
            _print(console, f"WRONG: {problem}", "red")
    _print(console, f"{seconds:.0f} s in all")


def _target(verdict: Verdict) -> str:
    return f"{verdict.feed.table_prefix}_target"


def _show_files(console: Console, verdicts: list[Verdict]) -> None:
    table = Table(title="uploads and their outcomes", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("upload", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    for heading in COUNTS:
        table.add_column(heading, justify="right", no_wrap=True)
    for verdict in verdicts:
        table.add_row(f"[bold]{verdict.feed.file_pattern}[/bold]")
        for result in verdict.results:
            color = {"merged": "green", "rejected": "red"}.get(result.outcome, "yellow")
            counts = [f"{count:,}" if (count := result.counts.get(name)) is not None else "" for name in COUNTS.values()]
            upload = f"  {verdict.feed.file_date(result.upload.name)}  [dim]{result.upload.about}[/dim]"
            table.add_row(upload, f"[{color}]{result.outcome}[/{color}]", *counts)
    console.print(table)
    for result in (result for verdict in verdicts for result in verdict.results if result.reason):
        _print(console, f"{result.upload.name} was {result.outcome}: {result.reason}")
        _print(console, f"    moved to {result.where}; the report is next to it")
    console.print()


def _show_targets(console: Console, verdicts: list[Verdict]) -> None:
    table = Table(title="rows by status", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("status")
    for verdict in verdicts:
        table.add_column(_target(verdict), justify="right")
    counters = [Counter(row["status"] for row in verdict.rows) for verdict in verdicts]
    for status, _ in sum(counters, Counter()).most_common():
        table.add_row(status, *(f"{counter[status]:,}" if counter[status] else "" for counter in counters))
    table.add_section()
    table.add_row("all", *(f"{counter.total():,}" for counter in counters))
    console.print(table)


def _print(console: Console, text: str, style: str = "") -> None:
    """Print literally: names and reasons come from outside, brackets in them are not markup, and lines are not wrapped."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)


if __name__ == "__main__":
    main()
