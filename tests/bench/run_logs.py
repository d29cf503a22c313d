"""The `step=` lines of the runs' logs: when each batch was listed and queryable, and the simulation's times from them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from infra.simulate.times import Times, Work
from tests.bench.local_stack import moment_of

_STEP = re.compile(r"^.{23} .*step=(\w+) seconds=([\d.]+)(?: files=(\d+))?", re.MULTILINE)
OPENING = {"session", "tables", "settle"}
ROUNDS = 50
NEGLIGIBLE = 0.001
_FACTORS = [percent / 100 for percent in range(5, 100, 5)]


@dataclass(frozen=True)
class BatchTimes:
    """Moments in seconds of the epoch. ``earlier``: batches of the same run. ``taken``: files in the batch. ``ready``: they
    are listed and the session is open; ``queryable``: the merge has ended; ``done``: the next listing begins."""

    earlier: int
    taken: int
    ready: float
    queryable: float
    done: float
    arrivals: tuple[float, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class RunTimes:
    """Moments in seconds of the epoch. ``started``: it was created, maybe as queued. ``listing``: its first listing begins.
    ``listings``: number of files and seconds of each. ``opening``: begin and end of session, tables and settle."""

    started: float
    listing: float
    last_listed: float
    ended: float
    listings: tuple[tuple[int, float], ...]
    opening: tuple[float, float] | None
    batches: tuple[BatchTimes, ...]


def read_run(log: str, started: float, ended: float) -> RunTimes:
    """A run's log; ``started`` and ``ended`` are the jobs server's. Raises ValueError if the run listed nothing."""
    steps = [(m[1], moment_of(m[0]), float(m[2]), int(m[3] or 0)) for m in _STEP.finditer(log)]
    lists = [(at - took, at, files, took) for step, at, took, files in steps if step == "list"]
    if not lists:
        raise ValueError("a run without a line step=list: it failed, see its log")
    taken = [(at - took, files) for step, at, took, files in steps if step == "take"]
    merged = [at for step, at, _, _ in steps if step == "merge"]
    opening = None
    if taken:
        opened = [(at - took, at) for step, at, took, _ in steps if step in OPENING and at <= taken[0][0]]
        opening = (opened[0][0], opened[-1][1])
    batches: list[BatchTimes] = []
    for (begin, files), queryable in zip(taken, merged, strict=True):
        listed = max(end for _, end, _, _ in lists if end <= begin)
        done = min((begins for begins, _, _, _ in lists if begins >= queryable), default=ended)
        ready = listed if batches or opening is None else max(listed, opening[1])
        batches.append(BatchTimes(len(batches), files, ready, queryable, done))
    counted = tuple((files, took) for _, _, files, took in lists)
    return RunTimes(started, lists[0][0], lists[-1][1], ended, counted, opening, tuple(batches))


def calibrate(runs: Sequence[RunTimes], event: float, validations: Sequence[tuple[int, float]]) -> Times:
    """A robust fit over the batches of these runs (all that there were, in order), which must differ in files, rows and
    number of earlier batches. ``validations``: rows and seconds of files that the function accepted."""
    batches = [batch for run in runs for batch in run.batches]
    loads = [batch.queryable - batch.ready for batch in batches]
    finishes = [batch.done - batch.queryable for batch in batches]
    warming = min(_FACTORS, key=lambda factor: _fitted(_terms(batches, factor), loads)[1])
    (*load, cold_load), _ = _fitted(_terms(batches, warming), loads)
    (*finish, cold_finish), _ = _fitted(_terms(batches, warming), finishes)
    opened = [(run, *run.opening) for run in runs if run.opening]
    listing, _ = _fitted(
        [(1, files) for run in runs for files, _ in run.listings], [s for run in runs for _, s in run.listings]
    )
    validation, _ = _fitted([(1, rows) for rows, _ in validations], [seconds for _, seconds in validations])
    return Times(
        event=event,
        validation=Work(validation[0], 0.0, validation[1]),
        instances=1,
        # A run that was queued starts when the one before it ends. The smallest, since others wait for their window's end.
        start=min(run.listing - max(run.started, before.ended) for before, run in pairwise(runs)),
        listing=Work(*listing),
        open=statistics.median(end - begin for _, begin, end in opened),
        # Then a listing follows it, and the first batch is ready only after that.
        opens_early=any(run.batches[0].ready > end for run, _, end in opened),
        load=Work(*load),
        cold_load=cold_load,
        finish=Work(*finish),
        cold_finish=cold_finish,
        warming=warming,
        end=statistics.median(run.ended - run.last_listed for run in runs),
    )


def _terms(batches: Sequence[BatchTimes], warming: float) -> list[tuple[float, ...]]:
    return [(1, batch.taken, batch.rows, warming**batch.earlier) for batch in batches]


def _fitted(terms: Sequence[Sequence[float]], seconds: Sequence[float]) -> tuple[list[float], float]:
    """Coefficients, none negative, and the sum of the deviations that they leave. It is smallest by absolute value, not by
    square, since a batch that something else on the machine slowed down must not count more than others."""
    matrix, values = np.array(terms, float), np.array(seconds)
    weights = np.ones(len(values))
    for _ in range(ROUNDS):
        found = _least_squares(matrix * weights[:, None], values * weights)
        deviations = np.abs(matrix @ found - values)
        weights = 1 / np.sqrt(np.maximum(deviations, NEGLIGIBLE))
    return [float(value) for value in found], float(deviations.sum())


def _least_squares(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A coefficient that would be negative is 0."""
    whole = np.zeros(matrix.shape[1])
    kept = list(range(matrix.shape[1]))
    while kept:
        found = np.linalg.lstsq(matrix[:, kept], values, rcond=None)[0]
        if found.min() >= 0:
            whole[kept] = found
            break
        del kept[int(found.argmin())]
    return whole
