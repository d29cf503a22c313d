"""A load, and the uploads that it consists of. The same load and seed give the same uploads."""

from __future__ import annotations

import random
from dataclasses import dataclass

DAY = 24 * 3600
ENOUGH_FILES = 2_000
"""A small load is simulated for more days, so that p95 does not depend on a few files."""
MOST_DAYS = 30
MOST_FILES = 50_000
"""A large load is simulated for a part of the day."""


@dataclass(frozen=True)
class Upload:
    """``at``: when the object was finalized, in seconds. ``rows``: in the file."""

    at: float
    rows: int


@dataclass(frozen=True)
class Load:
    """``bursts``: how many groups of files arrive in a day, at random times; 0 means that each file arrives alone. The
    files of a burst arrive within ``burst_seconds``. Raises ValueError."""

    files_a_day: int
    rows: int
    bursts: int = 0
    burst_seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.files_a_day < 0 or self.rows < 0 or self.burst_seconds < 0:
            raise ValueError("FILES_A_DAY, ROWS and the seconds of a burst must not be negative")
        if not 0 <= self.bursts <= max(self.files_a_day, 0):
            raise ValueError(f"BURSTS must be from 0 to FILES_A_DAY ({self.files_a_day}), not {self.bursts}")

    @property
    def simulated_seconds(self) -> float:
        """From a part of a day to a month."""
        if not self.files_a_day:
            return DAY
        days = max(1, min(MOST_DAYS, ENOUGH_FILES / self.files_a_day))
        return DAY * min(days, MOST_FILES / self.files_a_day)


def uploads_of(load: Load, seed: int) -> list[Upload]:
    """The uploads of the simulated time, in order."""
    dice = random.Random(seed)  # noqa: S311 - a reproducible load, not a secret
    seconds = load.simulated_seconds
    files = round(load.files_a_day * seconds / DAY)
    groups = max(1, round(load.bursts * seconds / DAY)) if load.bursts else files
    starts = [dice.uniform(0, seconds) for _ in range(groups)]
    spread = load.burst_seconds if load.bursts else 0.0
    # Dealt out in turn: bursts of equal size, as far as the numbers allow.
    moments = [starts[number % groups] + dice.uniform(0, spread) for number in range(files)]
    return [Upload(at, load.rows) for at in sorted(moments)]
