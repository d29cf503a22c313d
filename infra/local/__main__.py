"""`python -m infra.local`: order tracking on one machine. `up` runs it, `upload` feeds it, `status` finds it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click

from infra.local import console as screen
from infra.local import uploads
from infra.local.folder import Addresses, AlreadyRunning, NotAStackFolder, StackFolder
from infra.local.services.definitions import BUCKET, Settings, port_wishes
from infra.local.services.ports import PortTaken
from infra.local.services.prerequisites import Missing
from infra.local.services.process import ServerFailed
from infra.local.services.stack import Interrupted, Stack

DEFAULT_FOLDER = Path(".data/local")

_data_dir = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_FOLDER, show_default=True,
    help="Everything the stack keeps lies in this folder.",
)  # fmt: skip


@click.group()
def cli() -> None:
    """Order tracking on one machine: storage, function, jobs, Pub/Sub, Spark."""


@cli.command()
@_data_dir
@click.option("--storage-port", type=int, help="Cloud Storage's address for clients.  [default: 9000; 0: any]")
@click.option("--function-port", type=int, help="[default: 9002, or a free one]")
@click.option("--sweep-port", type=int, help="[default: 9003, or a free one]")
@click.option("--jobs-port", type=int, help="[default: 9001, or a free one]")
@click.option("--pubsub-port", type=int, help="[default: 8085, or a free one]")
@click.option("--bucket", default=BUCKET, show_default=True)
@click.option(
    "--window", type=click.IntRange(1, 55), default=2, show_default=True, help="Seconds in which uploads share a run."
)
@click.option("--sweep-every", type=float, default=30.0, show_default=True, help="Seconds between two sweeps.")
@click.option("--sweep-grace", type=int, default=30, show_default=True, help="Seconds before a sweep looks at a file.")
@click.option("--max-bad-row-ratio", type=click.FloatRange(0, 1), default=0.1, show_default=True)
@click.option("--fresh", is_flag=True, help="Wipe the data folder first.")
def up(
    data_dir: Path,
    storage_port: int | None,
    function_port: int | None,
    sweep_port: int | None,
    jobs_port: int | None,
    pubsub_port: int | None,
    bucket: str,
    window: int,
    sweep_every: float,
    sweep_grace: int,
    max_bad_row_ratio: float,
    fresh: bool,
) -> None:
    """Run the stack until Ctrl-C or SIGTERM; the data stays, and the next `up` goes on with it.

    Prints one line beginning with "ready" when uploads may begin.
    """
    asked = {
        "storage": storage_port,
        "jobs": jobs_port,
        "function": function_port,
        "sweep": sweep_port,
        "pubsub": pubsub_port,
    }
    folder = StackFolder(data_dir.resolve())
    try:
        settings = Settings(bucket, window, sweep_every, sweep_grace, max_bad_row_ratio)
        stack = Stack(folder, settings, port_wishes(asked), fresh=fresh, tell=screen.note)
        stack.stop_on_signals()
        screen.note(f"starting in {data_dir} (the first time Spark is installed, which takes minutes)")
        with stack:
            screen.show_addresses(stack.addresses, data_dir)
            stack.run_until_stopped()
            screen.note("stopping; the data stays")
    except Interrupted:
        screen.note("stopped before it was up")
    except (Missing, PortTaken, AlreadyRunning, NotAStackFolder, ServerFailed) as trouble:
        _fail(str(trouble))


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--as", "name", help="Object name below source/, for a single file.  [default: the file's own name]")
@click.option("--bucket", help="[default: the stack's bucket]")
@_data_dir
def upload(files: tuple[Path, ...], name: str | None, bucket: str | None, data_dir: Path) -> None:
    """Upload files to source/ of the running stack with the official client."""
    if name and len(files) > 1:
        raise click.UsageError("--as names one object, so it goes with one file")
    addresses = _running(data_dir)
    client = uploads.connect(addresses.storage)
    for path in files:
        try:
            done = uploads.upload(client, bucket or addresses.bucket, path, name)
        except OSError as error:
            _fail(f"{path} can't be read: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the sentence is the same
            _fail(f"{path} was not uploaded: {error}")
        click.echo(f"uploaded {path} as gs://{done.bucket}/{done.name} (generation {done.generation}, {done.size:,} bytes)")


@cli.command()
@_data_dir
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(data_dir: Path, output: str) -> None:
    """Addresses of the running stack; exit status 1 where none runs on this folder."""
    addresses = _running(data_dir)
    if output == "json":
        click.echo(json.dumps(asdict(addresses), indent=2))
    else:
        screen.show_table(addresses, data_dir)


def _running(data_dir: Path) -> Addresses:
    addresses = StackFolder(data_dir.resolve()).running()
    if addresses is None:
        _fail(f"no stack is running on {data_dir}: start it with `python -m infra.local up --data-dir {data_dir}`")
    return addresses


def _fail(sentence: str) -> NoReturn:
    click.echo(f"error: {sentence}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    cli()
