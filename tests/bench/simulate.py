"""The simulation (infra/simulate) against the local stack: two loads, latencies side by side.

python -m tests.bench.simulate        `make simulate CHECK=1`

A load for calibration comes before, between and after them, since the machine may be busier by then. From the `step=` lines
of its runs, the times are calibrated that the simulation is given; it then predicts the latencies of the two loads from
nothing but the times of their uploads. Exits 1 if p50 or p95 of a load deviates by more than 20 %. With KEEP=1, the
calibrated times become those of `make simulate`. Takes seven minutes on an idle machine.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from infra.local.demo.tables import read_table
from infra.simulate.outcome import percentile
from infra.simulate.pipeline import Windows, simulate
from infra.simulate.times import Times
from infra.simulate.uploads import Upload
from spark_jobs.contract.marks import MARK_KEY
from tests.bench.figures import Goal, keep, show_goals, work_folder
from tests.bench.local_stack import RunningStack, local_stack
from tests.bench.order_rows import RECENT, Pattern, write_updates
from tests.bench.run_logs import RunTimes, calibrate, read_run

PATIENCE_SECONDS = 600
LIMIT = 0.2
TABLE = 200_000
"""How many keys the files' rows are spread over."""


WINDOW = 10


@dataclass(frozen=True)
class Point:
    """A load: uploads by seconds from its start, at a window's beginning."""

    name: str
    plan: Sequence[Upload]


def points() -> list[Point]:
    dice = random.Random(16)
    alone = [Upload(1 + 9 * number + dice.uniform(0, 7), 1_000) for number in range(12)]
    bursts = [Upload(at + dice.uniform(0, 4), 5_000) for at in (2, 27, 61, 88) for _ in range(12)]
    return [Point("files alone", alone), Point("bursts of 12", sorted(bursts, key=lambda upload: upload.at))]


CALIBRATION: Sequence[Upload] = (
    Upload(0, 1_000),
    *(Upload(15 + 0.02 * number, 1_000) for number in range(20)),
    *(Upload(29 + 0.05 * number, 20_000) for number in range(4)),
    *(Upload(33 + 3.0 * number, 1_000) for number in range(7)),
)
"""One run of several batches: a cold one, many files, many rows, files alone."""


@dataclass(frozen=True)
class Observed:
    """What times are calibrated from. ``event``: seconds from an upload to its validation. ``validations``: rows and
    seconds."""

    event: float
    runs: Sequence[RunTimes]
    validations: Sequence[tuple[int, float]]

    def times(self) -> Times:
        return calibrate(self.runs, self.event, self.validations)


@dataclass(frozen=True)
class Measured:
    """``latencies``: seconds from upload to queryable of the point's files. ``observed``: of the calibrations before and
    after them."""

    point: Point
    latencies: Sequence[float]
    observed: Observed

    def predicted(self) -> list[float]:
        """The same latencies, simulated."""
        return [file.latency for file in simulate(self.point.plan, self.observed.times(), Windows(WINDOW)).files]


def main() -> int:
    with local_stack("simulate", WINDOW) as stack:
        measured, observed = measure(Sender(stack), points())
    goals: list[Goal] = []
    compared: dict[str, object] = {}
    for each in measured:
        print(f"calibrated for {each.point.name}: {each.observed.times()}")
        predicted = each.predicted()
        figures = {}
        for percent in (50, 95):
            real, simulated = percentile(each.latencies, percent), percentile(predicted, percent)
            figures[f"p{percent}"] = {"local stack": round(real, 1), "simulated": round(simulated, 1)}
            what = f"{each.point.name}, p{percent}: {real:.1f} s, simulated {simulated:.1f} s"
            goals.append(Goal(what, abs(simulated / real - 1), LIMIT))
        compared[each.point.name] = {"window": WINDOW, "files": len(each.latencies), **figures}
    times = observed.times().as_dict()
    keep("simulate", {"command": "make simulate CHECK=1", "times": times, "compared": compared})
    return show_goals(goals)


def measure(sender: Sender, loads: Sequence[Point]) -> tuple[list[Measured], Observed]:
    """Each load, and what was observed of all calibrations."""
    sender.send([Upload(0, 1_000)])  # the job creates its tables, the function imports its clients
    event = sender.event_seconds()

    def calibration() -> Observed:
        runs, validations = len(sender.runs()), len(sender.validations())
        sender.send(CALIBRATION)
        return Observed(event, sender.runs()[runs:], sender.validations()[validations:])

    seen = [calibration()]
    latencies = []
    for point in loads:
        latencies.append(sender.send(point.plan))
        print(f"{point.name}: sent and merged; load of the machine {os.getloadavg()[0]:.1f}", flush=True)
        seen.append(calibration())
    found = [
        Measured(point, took, _together([before, after]))
        for point, took, (before, after) in zip(loads, latencies, pairwise(seen), strict=True)
    ]
    return found, _together(seen)


def _together(seen: Sequence[Observed]) -> Observed:
    runs = [run for each in seen for run in each.runs]
    return Observed(seen[0].event, runs, [validation for each in seen for validation in each.validations])


class Sender:
    """Uploads files to a stack and waits until all of them are archived."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._sent = 0

    def send(self, plan: Sequence[Upload]) -> list[float]:
        """Upload by plan, from the beginning of a window. Returns the seconds from upload to queryable of each file."""
        before = sum(len(run.batches) for run in self.runs())
        contents = [self._content(upload.rows) for upload in plan]
        window = self._stack.stack.settings.window_seconds
        begin = (time.time() // window + 1) * window
        for upload, (name, content) in zip(plan, contents, strict=True):
            time.sleep(max(0.0, begin + upload.at - time.time()))
            self._stack.bucket.blob(name).upload_from_string(content, content_type="text/csv")
        self._stack.until(self._stack.settled, PATIENCE_SECONDS)
        new = [batch for run in self.runs() for batch in run.batches][before:]
        found = [batch.queryable - at for batch in new for at in batch.arrivals]
        if len(found) != len(plan):
            raise RuntimeError(f"{len(plan)} files uploaded, {len(found)} in the ingest log")
        return found

    def event_seconds(self) -> float:
        """From an upload to the beginning of its validation."""
        name, content = self._content(1_000)
        blob = self._stack.bucket.blob(name)
        blob.upload_from_string(content, content_type="text/csv")
        marks: list[float] = []

        def marked() -> bool:
            found = self._stack.bucket.get_blob(name)
            if found is not None and MARK_KEY in (found.metadata or {}):
                marks.append(found.updated.timestamp())
            return bool(marks)

        self._stack.until(marked, PATIENCE_SECONDS, pause=0.02)
        self._stack.until(self._stack.settled, PATIENCE_SECONDS)
        return max(0.0, marks[0] - blob.time_created.timestamp() - self.validations()[-1][1])

    def validations(self) -> list[tuple[int, float]]:
        """Rows and seconds of the accepted files, in the order of their validation."""
        log = (self._stack.stack.folder.logs / "function.log").read_text()
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        return [(line["rows"], line["seconds"]) for line in lines if line.get("message") == "accepted"]

    def runs(self) -> list[RunTimes]:
        """All runs so far, oldest first."""
        batches = iter(self._logged_batches())
        found = []
        for run in self._stack.runs():
            begun, ended = (run.start_time or 0) / 1000, (run.end_time or 0) / 1000
            times = read_run(self._stack.log_of(run.run_id or 0), begun, ended)
            files = tuple(replace(batch, **next(batches)) for batch in times.batches)
            found.append(replace(times, batches=files))
        return found

    def _logged_batches(self) -> list[dict[str, Any]]:
        """Arrivals and rows of each batch in the ingest log, in the order of the runs' logs. A batch id is the time of the
        run, something random, and the batch's number."""
        rows = read_table(self._stack.stack.folder.warehouse, "orders_ingest_log", 'batch_id, arrived_at, "rows"')
        by_batch: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in rows:
            run, _, batch = row["batch_id"].rpartition("-")
            by_batch.setdefault((run, int(batch)), []).append(row)
        return [
            {"arrivals": tuple(row["arrived_at"].timestamp() for row in rows), "rows": sum(row["rows"] for row in rows)}
            for _, rows in sorted(by_batch.items(), key=lambda item: item[0])
        ]

    def _content(self, rows: int) -> tuple[str, bytes]:
        """Name and content of the next file: as in `tests.bench.growth`, of a day of its own."""
        self._sent += 1
        path = work_folder("simulate-files") / "update.csv"
        write_updates(path, Pattern("daily", rows, RECENT.reach, RECENT.updates), TABLE, seed=self._sent, day=self._sent)
        day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self._sent % 28)
        return f"source/{self._sent:04d}/order_tracking_{day:%Y_%m_%d}.csv", path.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
