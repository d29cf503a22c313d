"""python -m infra.simulate: which mode at which size (`make simulate`, docs/scale.md)."""

from __future__ import annotations

import click
from rich.console import Console

from infra.simulate.inputs import read_inputs
from infra.simulate.outcome import outcome_of
from infra.simulate.pipeline import Continuous, Mode, Windows
from infra.simulate.report import show
from infra.simulate.uploads import Load

MODES: tuple[Mode, ...] = (*map(Windows, (5, 15, 30, 45, 55)), Continuous())


@click.command(context_settings={"show_default": True})
@click.option("--files-a-day", default=500, help="Files uploaded in a day.")
@click.option("--rows", default=20_000, help="Rows in each file.")
@click.option("--bursts", default=50, help="Groups of files in a day, at random times; 0: each file arrives alone.")
@click.option("--platform", default="databricks", type=click.Choice(["databricks", "local"]), help="Whose start times.")
@click.option("--seed", default=1, help="Of the uploads' times.")
def main(files_a_day: int, rows: int, bursts: int, platform: str, seed: int) -> None:
    """Simulate windows of 5 to 55 s and the live mode under one load: latency from upload to queryable, runs, and cost at
    list prices."""
    try:
        load, inputs = Load(files_a_day, rows, bursts), read_inputs(platform)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    console = Console()
    how = f"in {bursts:,} bursts" if bursts else "each alone"
    console.print(f"{files_a_day:,} files a day {how}, {rows:,} rows each; {platform}", highlight=False)
    console.print(
        f"steps of a run: measured locally ({inputs.measured}); prices and assumptions: infra/simulate/inputs.toml\n"
    )
    show(console, [outcome_of(load, mode, inputs, seed) for mode in MODES])


if __name__ == "__main__":
    main()
