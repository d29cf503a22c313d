"""`python -m infra.local.demo`, `make demo`: start a stack, upload several days, check every row, stop the stack."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from infra.local.demo import closing
from infra.local.demo.days import Upload, waves
from infra.local.demo.progress import NotSettled, Progress, ProgressReporter
from infra.local.demo.verdict import Sent, Verdict, check_outcomes
from infra.local.folder import AlreadyRunning, NotAStackFolder, StackFolder
from infra.local.services.definitions import Settings
from infra.local.services.ports import ANY_PORTS, PortTaken
from infra.local.services.process import ServerFailed
from infra.local.services.pubsub import pull_outcomes
from infra.local.services.stack import Interrupted, Stack
from infra.local.uploads import connect, upload_object
from spark_jobs.store.java import JavaError

if TYPE_CHECKING:
    from google.cloud import storage

WAVE_SECONDS = 300.0
LOG_WIDTH = 110
"""Width of tables without a terminal; rich's default is 80."""


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default=Path(".data/demo"), show_default=True,
              help="Folder for the data; it is wiped first.")  # fmt: skip
@click.option("--rows", default=2500, show_default=True, help="New parcels per day.")
def main(data_dir: Path, rows: int) -> None:
    """Upload several days of order tracking to a fresh stack and compare every row of the target with an independent
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
        with stack:
            verdict = _play(stack, waves(rows), reporter)
    except (Interrupted, KeyboardInterrupt):
        sys.exit(130)
    except (JavaError, PortTaken, AlreadyRunning, NotAStackFolder, ServerFailed, NotSettled) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    sys.exit(_close(console, verdict, data_dir, reporter.seconds))


def _play(stack: Stack, plan: list[list[Upload]], reporter: ProgressReporter) -> Verdict:
    addresses = stack.addresses
    client = connect(addresses.storage)
    progress = Progress(stack, client, reporter)
    sent: list[Sent] = []
    for number, uploads in enumerate(plan, 1):
        reporter.say("demo", f"wave {number} of {len(plan)}: {len(uploads)} uploads")
        for upload in uploads:
            sent.append(_send(client, addresses.storage, addresses.bucket, upload, reporter))
        progress.wait_until_settled(WAVE_SECONDS)
    verdict = check_outcomes(sent, client, addresses.bucket, Path(addresses.warehouse))
    if addresses.pubsub:
        messages = pull_outcomes(
            addresses.pubsub, at_least=sum(e.outcome in ("merged", "rejected") for e in verdict.outcomes)
        )
        reporter.say("demo", f"{len(messages)} outcome messages received from Pub/Sub")
    return verdict


def _send(client: storage.Client, storage_url: str, bucket: str, upload: Upload, reporter: ProgressReporter) -> Sent:
    if upload.events > 1:
        _repeat_events(storage_url, upload.events - 1)
    uploaded = upload_object(client, bucket, upload.name, upload.content)
    if upload.events > 1:
        _repeat_events(storage_url, 0)
    reporter.say("upload", f"{upload.name} ({uploaded.size:,} bytes): {upload.about}")
    return Sent(upload, uploaded, uploaded.created)


def _repeat_events(storage_url: str, times: int) -> None:
    """Make the storage server deliver each event this many extra times, as Eventarc may."""
    body = json.dumps({"repeat": times}).encode()
    request = urllib.request.Request(f"{storage_url}/_local/events", body, method="PUT")  # noqa: S310 - ours, local
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


def _close(console: Console, verdict: Verdict, data_dir: Path, seconds: float) -> int:
    """Show the results and return the exit status."""
    console.print()
    closing.show_files(console, verdict)
    closing.show_target(console, verdict)
    closing.show_where_to_look(console, str(data_dir))
    closing.show_verdict(console, verdict, seconds)
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    main()
