"""The job's own log lines, read back: how long each step of a run took."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

_STEP = re.compile(r"step=(\w+) seconds=([\d.]+)")


@contextmanager
def steps() -> Iterator[dict[str, float]]:
    """Fills in the seconds that the job logs for each step within the block, summed over batches."""
    seconds: dict[str, float] = {}
    keeper = _Keeper(seconds)
    logger = logging.getLogger("spark_jobs")
    before = logger.level
    logger.addHandler(keeper)
    logger.setLevel(logging.INFO)
    try:
        yield seconds
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(before)


def read_steps(log: str) -> dict[str, float]:
    """The same from the text of a run's log."""
    seconds: dict[str, float] = {}
    for step, took in _STEP.findall(log):
        seconds[step] = seconds.get(step, 0.0) + float(took)
    return seconds


class _Keeper(logging.Handler):
    def __init__(self, seconds: dict[str, float]) -> None:
        super().__init__()
        self._seconds = seconds

    def emit(self, record: logging.LogRecord) -> None:
        for step, took in read_steps(record.getMessage()).items():
            self._seconds[step] = self._seconds.get(step, 0.0) + took
