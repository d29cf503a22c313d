"""The steps of a run with their times, from the lines that the job logs: ``… INFO step=merge seconds=1.234 files=2``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) INFO step=(?P<step>\w+) seconds=(?P<seconds>\d+\.\d+)(?P<more>.*)"
)
WHOLE_RUN = "run"
"""The last line of a run sums it up; it is no step."""
LATEST_STEPS = 60
"""A continuous run goes on for hours."""


@dataclass(frozen=True)
class Step:
    """``start`` and ``end`` are aware; ``counts`` is what the line says besides, such as ``files=2``."""

    name: str
    start: datetime
    end: datetime
    counts: str = ""

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Bar:
    """A step as a share of the run, in percent."""

    step: Step
    left: float
    width: float


def steps_in(log: str) -> list[Step]:
    """The latest steps in a log, in the order in which they ended. Its times are in this machine's time zone."""
    found = []
    for line in log.splitlines():
        if (match := _LINE.fullmatch(line.rstrip())) and match["step"] != WHOLE_RUN:
            end = datetime.strptime(match["at"], "%Y-%m-%d %H:%M:%S,%f").astimezone()
            start = end - timedelta(seconds=float(match["seconds"]))
            found.append(Step(match["step"], start, end, match["more"].strip()))
    return found[-LATEST_STEPS:]


def bars(steps: Iterable[Step], start: datetime, end: datetime) -> list[Bar]:
    """The steps drawn on a line from ``start`` to ``end``."""
    whole = max((end - start).total_seconds(), 0.001)

    def percent(at: datetime) -> float:
        return min(max((at - start).total_seconds() / whole * 100, 0.0), 100.0)

    return [Bar(step, round(percent(step.start), 2), round(percent(step.end) - percent(step.start), 2)) for step in steps]
