"""How long the parts of the pipeline take: what the simulation is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Work:
    """Seconds that grow with the number of files and rows."""

    fixed: float = 0.0
    per_file: float = 0.0
    per_row: float = 0.0

    def seconds(self, files: int, rows: int = 0) -> float:
        return self.fixed + self.per_file * files + self.per_row * rows


@dataclass(frozen=True)
class Times:
    """Seconds, unless stated otherwise.

    ``event``: from the upload to the function. ``instances``: how many files the function validates at the same time.
    ``start``: from a free slot to the run's process. ``listing``: one pass over source/. ``open``: what a run does once:
    session, tables, settle; ``opens_early``: while it waits for its window. ``load``: look, take, stage, merge: until the
    rows of a batch can be queried. ``finish``: the rest of a batch. ``cold_load``, ``cold_finish``: how much longer a run's
    first batch takes, since code is loaded and compiled; from batch to batch, ``warming`` (a factor) of that is left.
    ``end``: from the last listing to a free slot.
    """

    event: float
    validation: Work
    instances: int
    start: float
    listing: Work
    open: float
    opens_early: bool
    load: Work
    cold_load: float
    finish: Work
    cold_finish: float
    warming: float
    end: float

    def __post_init__(self) -> None:
        if self.instances < 1:
            raise ValueError("at least one instance of the function is needed")

    def load_seconds(self, earlier: int, files: int, rows: int) -> float:
        """``earlier``: batches of the same run."""
        return self.load.seconds(files, rows) + self.cold_load * self.warming**earlier

    def finish_seconds(self, earlier: int, files: int, rows: int) -> float:
        """``earlier``: batches of the same run."""
        return self.finish.seconds(files, rows) + self.cold_finish * self.warming**earlier

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From numbers and objects as in JSON. Raises TypeError if a name is missing or unknown."""
        given: dict[str, Any] = {}
        for name, value in values.items():
            given[name] = Work(**value) if isinstance(value, Mapping) else value
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """The reverse of `of`."""
        return asdict(self)
