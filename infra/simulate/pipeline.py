"""The pipeline as a discrete-event simulation: function, launch windows, runs one at a time, batches.

It models the code as it is, without failures (functions/launch.py, functions/handler.py, spark_jobs/steps/ingest.py), and
uses its constants. It leaves out the sweep, which starts no run while one is queued or active: without failures, there is
one as long as an accepted file waits.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from functions.launch import MARGIN_SECONDS
from infra.simulate.times import Times
from infra.simulate.uploads import Upload
from spark_jobs.settings import MAX_WAIT_SECONDS, IngestSettings

BYTES_A_ROW = 100
"""Order tracking; decides only how many very large files fit into one batch."""

Events = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Windows:
    """The function starts one run per window of so many seconds."""

    seconds: int


@dataclass(frozen=True)
class Continuous:
    """One run lists source/ every so many seconds, and is replaced after so many hours."""

    poll_seconds: float = 2.0
    max_hours: float = 24.0


Mode = Windows | Continuous


@dataclass
class File:
    """Moments in seconds: marked by the function, listed by the batch that took it, rows queryable."""

    upload: Upload
    marked: float
    listed: float = 0.0
    queryable: float = 0.0

    @property
    def latency(self) -> float:
        """From the upload to queryable rows."""
        return self.queryable - self.upload.at


@dataclass
class RunRecord:
    """``not_before``: None for a continuous run. ``launched``: it was created, and waits for the slot. ``started``: it got
    the slot. ``process``: the platform has started its process."""

    not_before: float | None
    launched: float
    started: float
    process: float = 0.0
    ended: float = 0.0
    batches: list[int] = field(default_factory=list)
    """Files per batch."""
    listings: int = 0
    idle: float = 0.0
    """Seconds between the polls of a continuous run that found nothing."""

    @property
    def seconds(self) -> float:
        """Of the process, which is what serverless bills; of the slot without the platform's start."""
        return self.ended - self.process


@dataclass(frozen=True)
class Result:
    """All files, in the order of their marks, and all runs, in the order of their starts."""

    files: list[File]
    runs: list[RunRecord]


def simulate(uploads: Sequence[Upload], times: Times, mode: Mode) -> Result:
    """Simulate until every file is queryable and archived. Times are counted from 0, when a window begins."""
    return _Pipeline(times, mode, marks_of(uploads, times)).result()


def marks_of(uploads: Sequence[Upload], times: Times) -> list[File]:
    """The files with the moments of their marks. Instances of the function take events in the order of their arrival."""
    free = [0.0] * times.instances
    files = []
    for upload in sorted(uploads, key=lambda upload: upload.at):
        begins = max(upload.at + times.event, heapq.heappop(free))
        marked = begins + times.validation.seconds(1, upload.rows)
        heapq.heappush(free, marked)
        files.append(File(upload, marked))
    return sorted(files, key=lambda file: file.marked)


class _Pipeline:
    def __init__(self, times: Times, mode: Mode, files: list[File]) -> None:
        self._times = times
        self._files = files
        self._env = simpy.Environment()
        self._slot = simpy.Resource(self._env, capacity=1)
        self._waiting: list[File] = []
        self._marked = self._env.event()
        self._unfinished = len(files)
        self._runs: list[RunRecord] = []
        self._env.process(self._function(mode))
        if isinstance(mode, Continuous):
            self._env.process(self._continuous(mode))

    def result(self) -> Result:
        self._env.run()
        return Result(self._files, self._runs)

    def _function(self, mode: Mode) -> Events:
        """Marks files. With windows, it also launches the window's run; the token makes it one per window."""
        launched = -1
        for file in self._files:
            # Sums of seconds are rounded: the clock may be at a mark already, by less than a nanosecond.
            yield self._env.timeout(max(0.0, file.marked - self._env.now))
            file.marked = self._env.now
            self._waiting.append(file)
            announced, self._marked = self._marked, self._env.event()
            announced.succeed()
            if isinstance(mode, Windows) and (window := int(self._env.now // mode.seconds)) > launched:
                launched = window
                self._env.process(self._run((window + 1) * mode.seconds + MARGIN_SECONDS))

    def _run(self, not_before: float) -> Events:
        launched = self._env.now
        with self._slot.request() as slot:
            yield slot
            run = yield from self._process(not_before, launched)
            opened = yield from self._wait(run, not_before)
            while found := (yield from self._list(run)):
                if not opened:
                    yield self._env.timeout(self._times.open)
                    opened = True
                yield from self._batch(run, found)
            yield from self._end(run)

    def _wait(self, run: RunRecord, not_before: float) -> Generator[simpy.Event, Any, bool]:
        """For the window's end. Returns whether the run has opened its session meanwhile, since files wait already."""
        left = min(not_before - self._env.now, MAX_WAIT_SECONDS)
        if left <= 0:
            return False
        opens = self._times.opens_early and bool((yield from self._list(run)))
        yield self._env.timeout(max(left, self._times.open) if opens else left)
        return opens

    def _continuous(self, mode: Continuous) -> Events:
        """The first run is ready at 0, since the mode has been on for long; its first batch is cold nevertheless."""
        while self._unfinished:
            if self._runs:
                run = yield from self._process(None, self._env.now)
                yield self._env.timeout(self._times.open)
            else:
                self._runs.append(run := RunRecord(None, 0.0, 0.0))
            deadline = run.process + mode.max_hours * 3600
            while self._unfinished and self._env.now < deadline:
                if found := (yield from self._list(run)):
                    yield from self._batch(run, found)
                    continue
                # Nothing happens at the polls before the next mark, so they are counted rather than simulated.
                idle = self._env.now
                if not self._waiting:
                    yield self._marked | self._env.timeout(max(0.0, deadline - idle))
                polls = max(1, -int(-(self._env.now - idle) // mode.poll_seconds))
                run.listings += polls - 1
                yield self._env.timeout(max(0.0, idle + polls * mode.poll_seconds - self._env.now))
                run.idle += polls * mode.poll_seconds
            yield from self._end(run)

    def _process(self, not_before: float | None, launched: float) -> Generator[simpy.Event, Any, RunRecord]:
        run = RunRecord(not_before, launched, self._env.now)
        self._runs.append(run)
        yield self._env.timeout(self._times.start)
        run.process = self._env.now
        return run

    def _list(self, run: RunRecord) -> Generator[simpy.Event, Any, list[File]]:
        """What has a mark when the listing begins."""
        found = list(self._waiting)
        listed = self._env.now
        for file in found:
            file.listed = listed
        run.listings += 1
        yield self._env.timeout(self._times.listing.seconds(len(found)))
        return found

    def _batch(self, run: RunRecord, found: list[File]) -> Events:
        times, earlier = self._times, len(run.batches)
        chosen = _bounded(found)
        files, rows = len(chosen), sum(file.upload.rows for file in chosen)
        run.batches.append(files)
        yield self._env.timeout(times.load_seconds(earlier, files, rows))
        for file in chosen:
            file.queryable = self._env.now
        yield self._env.timeout(times.finish_seconds(earlier, files, rows))
        del self._waiting[:files]
        self._unfinished -= files

    def _end(self, run: RunRecord) -> Events:
        yield self._env.timeout(self._times.end)
        run.ended = self._env.now


def _bounded(found: Sequence[File]) -> list[File]:
    """As `spark_jobs.steps.take.bounded` does: at least one file."""
    chosen: list[File] = []
    size = 0
    for file in found[: IngestSettings.max_batch_files]:
        size += file.upload.rows * BYTES_A_ROW
        if chosen and size > IngestSettings.max_batch_bytes:
            break
        chosen.append(file)
    return chosen
