"""Output of `python -m infra.local`: messages to stderr, the ready line to stdout, and a table on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from infra.local.folder import Addresses


def note(line: str) -> None:
    click.echo(line, err=True)


def show_addresses(addresses: Addresses, data_dir: Path) -> None:
    """Show the table on a terminal, then always print the line that scripts wait for."""
    if sys.stdout.isatty():
        show_table(addresses, data_dir)
    click.echo(ready_line(addresses))


def ready_line(addresses: Addresses) -> str:
    values = {
        "bucket": addresses.bucket,
        "function": addresses.function,
        "sweep": addresses.sweep_function,
        "jobs": addresses.jobs,
        "job_id": addresses.job_id,
        "pubsub": addresses.pubsub or "none",
        "warehouse": addresses.warehouse,
    }
    return f"ready {addresses.storage} " + " ".join(f"{name}={value}" for name, value in values.items())


def show_table(addresses: Addresses, data_dir: Path) -> None:
    table = Table(title="order tracking on this machine", title_justify="left", show_edge=False)
    for heading in ("service", "address", "log"):
        table.add_column(heading, overflow="fold")
    logs = Path(addresses.logs)
    rows = {
        "storage": (f"{addresses.storage}  gs://{addresses.bucket}", "storage"),
        "function": (addresses.function, "function"),
        "sweep": (addresses.sweep_function, "sweep"),
        "jobs": (f"{addresses.jobs}  job {addresses.job_id}", "jobs"),
        "Pub/Sub": (
            f"{addresses.pubsub}  {addresses.outcome_subscription}"
            if addresses.pubsub
            else "gcloud's emulator is not installed: outcomes go only to the logs",
            "pubsub" if addresses.pubsub else "",
        ),
        "tables": (addresses.warehouse, ""),
    }
    for service, (address, log) in rows.items():
        table.add_row(service, address, _short(logs / f"{log}.log") if log else "")
    click.echo(f"\nruns and their logs: {addresses.jobs}/\n")
    Console().print(table)
    option = f" --data-dir {data_dir}"
    click.echo(
        f"\n  next:    python -m infra.local upload FILE…{option}\n"
        f"  or:      export STORAGE_EMULATOR_HOST={addresses.storage}   # then use any Cloud Storage client\n"
        f"  data:    {data_dir} (kept when the stack stops)\n"
        f"  wipe:    python -m infra.local up --fresh{option}\n"
        "  stop:    Ctrl-C\n"
    )


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
