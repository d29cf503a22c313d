"""`python -m infra.local.demo`, `make demo`: starts a stack of its own, uploads some days, checks every row, stops it."""

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
from infra.local.demo.verdict import KeyHistory, Sent, judge
from infra.local.folder import AlreadyRunning, NotAStackFolder, StackFolder
from infra.local.services.definitions import PREFERRED_PORTS, Settings, port_wishes
from infra.local.services.ports import PortTaken
from infra.local.services.prerequisites import Missing
from infra.local.services.process import ServerFailed
from infra.local.services.pubsub import pull_outcomes
from infra.local.services.stack import Interrupted, Stack
from infra.local.uploads import connect, upload_bytes

if TYPE_CHECKING:
    from google.cloud import storage

WAVE_SECONDS = 300.0
LOG_WIDTH = 110
"""Of tables where nobody has a window: rich would take 80."""
ANY_PORTS = dict.fromkeys(vars(PREFERRED_PORTS), 0)
"""So that the demo also runs beside a stack that is up."""


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), default=Path(".data/demo"), show_default=True)
@click.option("--rows", default=2500, show_default=True, help="New parcels a day.")
def main(data_dir: Path, rows: int) -> None:
    """Upload some days of order tracking to a fresh stack and compare the target row by row with a second reading.

    Exit status 0 when every row matches and every file ended as it should, 1 otherwise.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    # No sweep on the way: what the demo shows, it shows without its help.
    settings = Settings(sweep_every_seconds=60, sweep_grace_seconds=60)
    reporter = ProgressReporter(console)
    stack = Stack(
        StackFolder(data_dir.resolve()),
        settings,
        port_wishes(ANY_PORTS),
        fresh=True,
        tell=lambda line: reporter.say("stack", line),
    )
    stack.stop_on_signals()
    try:
        reporter.say("stack", f"starting on {data_dir}, fresh (the first time Spark is installed, which takes minutes)")
        with stack:
            verdict = _play(stack, waves(rows), reporter)
    except (Interrupted, KeyboardInterrupt):
        sys.exit(130)
    except (Missing, PortTaken, AlreadyRunning, NotAStackFolder, ServerFailed, NotSettled) as trouble:
        click.echo(f"error: {trouble}", err=True)
        sys.exit(1)
    sys.exit(_close(console, verdict, data_dir, reporter.seconds))


def _play(stack: Stack, plan: list[list[Upload]], reporter: ProgressReporter) -> KeyHistory:
    at = stack.addresses
    client = connect(at.storage)
    progress = Progress(stack, client, reporter)
    sent: list[Sent] = []
    for number, uploads in enumerate(plan, 1):
        reporter.say("demo", f"wave {number} of {len(plan)}: {len(uploads)} uploads")
        for upload in uploads:
            sent.append(_send(client, at.storage, at.bucket, upload, reporter))
        progress.wait_until_settled(WAVE_SECONDS)
    verdict = judge(sent, client, at.bucket, Path(at.warehouse))
    if at.pubsub:
        told = pull_outcomes(at.pubsub, at_least=sum(e.outcome in ("merged", "rejected") for e in verdict.endings))
        reporter.say("demo", f"{len(told)} outcome messages came by Pub/Sub")
    return verdict


def _send(client: storage.Client, storage_url: str, bucket: str, upload: Upload, reporter: ProgressReporter) -> Sent:
    if upload.events > 1:
        _repeat_events(storage_url, upload.events - 1)
    done = upload_bytes(client, bucket, upload.name, upload.content)
    if upload.events > 1:
        _repeat_events(storage_url, 0)
    reporter.say("upload", f"{upload.name} ({done.size:,} bytes): {upload.about}")
    return Sent(upload, done, done.created)


def _repeat_events(storage_url: str, times: int) -> None:
    """Have the storage server deliver each event this many times more, as Eventarc may."""
    body = json.dumps({"repeat": times}).encode()
    request = urllib.request.Request(f"{storage_url}/_local/events", body, method="PUT")  # noqa: S310 - ours, local
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


def _close(console: Console, verdict: KeyHistory, data_dir: Path, seconds: float) -> int:
    """The last screen; the exit status."""
    console.print()
    closing.show_files(console, verdict)
    closing.show_target(console, verdict)
    closing.show_where_to_look(console, str(data_dir))
    closing.show_verdict(console, verdict, seconds)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    main()
