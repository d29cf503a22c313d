"""Simulated runs, as `run_logs.read_run` would have read them from real ones."""

from __future__ import annotations

from collections.abc import Sequence

from infra.simulate.pipeline import Windows, simulate
from infra.simulate.times import Times
from infra.simulate.uploads import Upload
from tests.bench.run_logs import BatchTimes, RunTimes


def logged_runs(plan: Sequence[Upload], times: Times, mode: Windows, begin: float = 0.0) -> list[RunTimes]:
    """``begin``: the moment at which the plan begins, a multiple of the window's length."""
    result = simulate(plan, times, mode)
    files = sorted(result.files, key=lambda file: file.queryable)
    logged = []
    for run in result.runs:
        process = begin + run.process
        batches: list[BatchTimes] = []
        for earlier, size in enumerate(run.batches):
            taken, files = files[:size], files[size:]
            rows = sum(file.upload.rows for file in taken)
            queryable = begin + taken[0].queryable
            ready = queryable - times.load_seconds(earlier, size, rows)
            done = queryable + times.finish_seconds(earlier, size, rows)
            arrivals = tuple(begin + file.upload.at for file in taken)
            batches.append(BatchTimes(earlier, size, ready, queryable, done, arrivals, rows))
        opening = None
        if batches:
            waited = times.opens_early and (run.not_before or 0.0) > run.process
            opened = process + times.listing.seconds(1) if waited else batches[0].ready - times.open
            opening = (opened, opened + times.open)
        listings = tuple((size, times.listing.seconds(size)) for size in (*run.batches, 0))
        ended = begin + run.ended
        logged.append(RunTimes(begin + run.launched, process, ended - times.end, ended, listings, opening, tuple(batches)))
    return logged
