"""The simulation's inputs: measured times (docs/performance.json), assumptions and list prices (inputs.toml)."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from infra.simulate.times import Times, Work

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT / "docs" / "performance.json"
ASSUMED = Path(__file__).with_name("inputs.toml")


@dataclass(frozen=True)
class Prices:
    """List prices in US dollars; see inputs.toml."""

    serverless_dbu: float
    classic_dbu: float
    vm_hour: float
    vcpu_second: float
    gib_second: float
    million_requests: float
    thousand_writes: float
    thousand_reads: float
    pubsub_tib: float


@dataclass(frozen=True)
class Assumptions:
    """What has neither a list price nor a measurement."""

    serverless_dbu_hour: float
    classic_dbu_hour: float
    nodes: int


@dataclass(frozen=True)
class Inputs:
    """``times`` of a run that the function starts, ``warm_times`` of the continuous run. ``measured``: date and command of
    the steps' times."""

    times: Times
    warm_times: Times
    prices: Prices
    assumptions: Assumptions
    measured: str


def read_inputs(platform: str, measured: Path = MEASURED, assumed: Path = ASSUMED) -> Inputs:
    """``platform``: `local`, as measured; or `databricks`, where start, event and function are assumptions and only the
    steps of a run are those measured locally. Raises ValueError."""
    if platform not in {"local", "databricks"}:
        raise ValueError(f"PLATFORM must be local or databricks, not {platform!r}")
    found = json.loads(measured.read_text()).get("simulate")
    if not found:
        raise ValueError(f"{measured} has no measured times: run `make simulate CHECK=1 KEEP=1`")
    given = tomllib.loads(assumed.read_text())
    times = warm = Times.of(found["times"])
    if platform == "databricks":
        cloud = given["databricks"]
        validation = Work(cloud["function_seconds"], 0.0, times.validation.per_row)
        times = replace(times, event=cloud["event"], instances=cloud["instances"], validation=validation)
        times, warm = replace(times, start=cloud["start"]), replace(times, start=cloud["cluster_start"])
    return Inputs(
        times,
        warm,
        Prices(**given["prices"]),
        Assumptions(**given["assumptions"]),
        f"{found['measured']}, {found['command']}",
    )
