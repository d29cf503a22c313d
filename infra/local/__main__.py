"""`python -m infra.local`: the local stack. `up` runs it, `upload` sends files to it, `status` shows its addresses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click

from infra.local import uploads
from infra.local.folder import Addresses, AlreadyRunning, NotAStackFolder, StackFolder
from infra.local.services.definitions import BUCKET, Settings
from infra.local.services.ports import PREFERRED_PORTS, PortTaken
from infra.local.services.process import ServerFailed
from infra.local.services.stack import Interrupted, Stack
from spark_jobs.store.java import JavaError

DEFAULT_FOLDER = Path(".data/local")

_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_FOLDER,
    help="Folder for all data of the stack.",
)


def _port_options(command: Callable[..., None]) -> Callable[..., None]:
    for service, preferred in reversed(vars(PREFERRED_PORTS).items()):
        default = f"{preferred}; 0: any free port" if service == "storage" else f"{preferred}, or any free port"
        command = click.option(f"--{service}-port", type=int, help=f"[default: {default}]")(command)
    return command


@click.group(context_settings={"show_default": True})
def cli() -> None:
    """Run the pipeline on this machine: storage, function, jobs, Pub/Sub and Spark."""


@cli.command()
@_data_dir
@_port_options
@click.option("--bucket", default=BUCKET, help="Bucket for uploads; it is created.")
@click.option("--window", type=click.IntRange(1, 55), default=2, help="Seconds in which uploads share a run.")
@click.option("--sweep-every", default=30.0, help="Seconds between sweeps.")
@click.option("--sweep-grace", default=30, help="Minimum age in seconds of the files that a sweep handles.")
@click.option(
    "--max-bad-row-ratio",
    type=click.FloatRange(0, 1),
    default=0.1,
    help="Share of bad rows above which a file is rejected.",
)
@click.option("--live", is_flag=True, help="A continuous run loads the files, and publishes the changes of rows.")
@click.option(
    "--changes", is_flag=True, help="Publish the changes of rows after each run, which takes it some seconds longer."
)
@click.option("--fresh", is_flag=True, help="Delete all data of the stack first.")
def up(
    data_dir: Path,
    bucket: str,
    window: int,
    sweep_every: float,
    sweep_grace: int,
    max_bad_row_ratio: float,
    live: bool,
    changes: bool,
    fresh: bool,
    **ports: int | None,
) -> None:
    """Run the stack until Ctrl-C or SIGTERM. The data is kept, and the next `up` continues with it.

    Prints a line that starts with "ready" when the stack accepts uploads.
    """
    folder = StackFolder(data_dir.resolve())
    try:
        chosen = {option.removesuffix("_port"): port for option, port in ports.items()}
        settings = Settings(bucket, window, sweep_every, sweep_grace, max_bad_row_ratio, live, changes)
        stack = Stack(folder, settings, chosen, fresh=fresh, report=_note)
        stack.stop_on_signals()
        _note(f"starting in {data_dir} (the first start installs Spark: a few minutes)")
        with stack:
            if sys.stdout.isatty():
                _show(stack.addresses, data_dir)
            click.echo(f"console={stack.addresses.console}")
            click.echo(_ready_line(stack.addresses))
            stack.run_until_stopped()
            _note("stopping; the data is kept")
    except Interrupted:
        _note("stopped before the stack was ready")
    except (JavaError, PortTaken, AlreadyRunning, NotAStackFolder, ServerFailed) as error:
        _fail(str(error))


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--as", "name", help="Object name below source/; only with a single file.  [default: the file's name]")
@click.option("--bucket", help="[default: the stack's bucket]")
@_data_dir
def upload(files: tuple[Path, ...], name: str | None, bucket: str | None, data_dir: Path) -> None:
    """Upload files to source/ of the running stack, with the official client."""
    if name and len(files) > 1:
        raise click.UsageError("--as requires exactly one file")
    addresses = _running(data_dir)
    client = uploads.connect(addresses.storage)
    for path in files:
        try:
            new = uploads.upload_object(client, bucket or addresses.bucket, name or path.name, path)
        except OSError as error:
            _fail(f"{path} can't be read: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - the message is the same for every exception
            _fail(f"{path} was not uploaded: {error}")
        click.echo(f"uploaded {path} as gs://{new.bucket}/{new.name} (generation {new.generation}, {new.size:,} bytes)")


@cli.command()
@_data_dir
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def status(data_dir: Path, output: str) -> None:
    """Show the addresses of the running stack. Exit status 1 if no stack is running on this folder."""
    addresses = _running(data_dir)
    if output == "json":
        click.echo(json.dumps(asdict(addresses), indent=2))
    else:
        _show(addresses, data_dir)


def _running(data_dir: Path) -> Addresses:
    addresses = StackFolder(data_dir.resolve()).running()
    if addresses is None:
        _fail(f"no stack is running on {data_dir}; start it with `python -m infra.local up --data-dir {data_dir}`")
    return addresses


def _note(line: str) -> None:
    click.echo(line, err=True)


def _ready_line(addresses: Addresses) -> str:
    """The line that scripts wait for."""
    values = {
        "console": addresses.console,
        "bucket": addresses.bucket,
        "function": addresses.function,
        "sweep": addresses.sweep_function,
        "jobs": addresses.jobs,
        "job_id": addresses.job_id,
        "pubsub": addresses.pubsub or "none",
        "changes": addresses.changes_topic or "none",
        "warehouse": addresses.warehouse,
    }
    return f"ready {addresses.storage} " + " ".join(f"{name}={value}" for name, value in values.items())


def _show(addresses: Addresses, data_dir: Path) -> None:
    no_pubsub = "gcloud's emulator is not installed: outcomes go only to the logs"
    lines = {
        "console": f"{addresses.console}  files, runs and orders; upload a file here",
        "storage": f"{addresses.storage}  gs://{addresses.bucket}",
        "function": addresses.function,
        "sweep": addresses.sweep_function,
        "jobs": f"{addresses.jobs}/  job {addresses.job_id}, its runs and their logs",
        "Pub/Sub": f"{addresses.pubsub}  {addresses.outcome_subscription}" if addresses.pubsub else no_pubsub,
        **({"changes": addresses.changes_topic} if addresses.changes_topic else {}),
        "tables": addresses.warehouse,
        "logs": addresses.logs,
        "data": f"{data_dir}  (kept when the stack stops)",
        "upload": f"python -m infra.local upload FILE… --data-dir {data_dir}",
        "or": f"export STORAGE_EMULATOR_HOST={addresses.storage}   # then use any Cloud Storage client",
        "wipe": f"python -m infra.local up --fresh --data-dir {data_dir}",
        "stop": "Ctrl-C",
    }
    click.echo("\nthe pipeline on this machine\n")
    for name, value in lines.items():
        click.echo(f"  {name:<10}{value}")
    click.echo()


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    cli()
