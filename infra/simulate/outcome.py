"""What a simulated load comes to: latencies, runs and costs of one mode."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from infra.simulate.inputs import Inputs
from infra.simulate.pipeline import Continuous, Mode, Result, RunRecord, simulate
from infra.simulate.uploads import DAY, Load, uploads_of

HOURS_A_MONTH = 730
DAYS_A_MONTH = HOURS_A_MONTH / 24
BUSY = 0.9
GROWTH = 1.5
"""A queue grows if the last quarter of the files waits this many times as long as the second, and a run is always busy."""

WRITES_A_FILE = 3
"""Class A operations: upload, mark, move to the archive."""
READS_A_FILE = 6
"""Class B operations of function and run: metadata and content, twice each; the generation after staging; the header."""
MESSAGES_A_FILE = 4
"""The upload's event and its delivery, the outcome and its delivery; 1 KB each, the least that is billed."""


@dataclass(frozen=True)
class Cost:
    """US dollars a month."""

    compute: float
    function: float
    storage: float
    messages: float

    @property
    def total(self) -> float:
        return self.compute + self.function + self.storage + self.messages


@dataclass(frozen=True)
class Outcome:
    """``p50``, ``p95``, ``longest``: seconds from upload to queryable rows. ``busy``: share of time in which a run has the
    slot, except between polls. ``queued``: the most runs that waited for the slot at once. ``longest_run``: hours.
    ``growing``: the mode can't keep up with the load."""

    mode: Mode
    p50: float
    p95: float
    longest: float
    runs_a_day: float
    busy: float
    queued: int
    longest_run: float
    growing: bool
    cost: Cost


def outcome_of(load: Load, mode: Mode, inputs: Inputs, seed: int) -> Outcome:
    """Simulate the load in this mode."""
    times = inputs.warm_times if isinstance(mode, Continuous) else inputs.times
    result = simulate(uploads_of(load, seed), times, mode)
    latencies = [file.latency for file in result.files]
    seconds = max(load.simulated_seconds, max((run.ended for run in result.runs), default=0.0))
    busy = sum(run.ended - run.started - run.idle for run in result.runs) / seconds
    return Outcome(
        mode,
        percentile(latencies, 50),
        percentile(latencies, 95),
        max(latencies, default=0.0),
        24 / mode.max_hours if isinstance(mode, Continuous) else len(result.runs) * DAY / load.simulated_seconds,
        busy,
        _longest_queue(result.runs),
        max((run.ended - run.started for run in result.runs), default=0.0) / 3600,
        busy > BUSY and _grows(latencies),
        _monthly(load, mode, result, inputs),
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """By nearest rank: one of the values; 0 if there are none."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1] if values else 0.0


def _longest_queue(runs: Sequence[RunRecord]) -> int:
    """Runs start in the order of their launches."""
    launched = [run.launched for run in runs]
    return max((bisect_right(launched, run.started) - number for number, run in enumerate(runs)), default=1) - 1


def _grows(latencies: Sequence[float]) -> bool:
    quarter = len(latencies) // 4
    if not quarter:
        return False
    return statistics.fmean(latencies[-quarter:]) > GROWTH * statistics.fmean(latencies[quarter : 2 * quarter])


def _monthly(load: Load, mode: Mode, result: Result, inputs: Inputs) -> Cost:
    prices, assumed = inputs.prices, inputs.assumptions
    months = load.simulated_seconds / DAY / DAYS_A_MONTH
    files = load.files_a_day * DAYS_A_MONTH
    if isinstance(mode, Continuous):
        node_hour = assumed.classic_dbu_hour * prices.classic_dbu + prices.vm_hour
        compute = HOURS_A_MONTH * assumed.nodes * node_hour
        listings = HOURS_A_MONTH * 3600 / mode.poll_seconds
    else:
        hours = sum(run.seconds for run in result.runs) / 3600 / months
        compute = hours * assumed.serverless_dbu_hour * prices.serverless_dbu
        listings = sum(run.listings for run in result.runs) / months
    # Billed in steps of 0.1 s.
    validation = math.ceil(inputs.times.validation.seconds(1, load.rows) * 10) / 10
    function = files * (validation * (prices.vcpu_second + prices.gib_second) + prices.million_requests / 1e6)
    storage = (files * WRITES_A_FILE + listings) / 1e3 * prices.thousand_writes
    storage += files * READS_A_FILE / 1e3 * prices.thousand_reads
    messages = files * MESSAGES_A_FILE * 1e3 / 1024**4 * prices.pubsub_tib
    return Cost(compute, function, storage, messages)
