"""Announcer in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spark_jobs.contract.outcomes import Outcome


@dataclass
class FakeAnnouncer:
    """Records the announced outcomes in order. ``before_call`` is called first and may raise."""

    outcomes: list[Outcome] = field(default_factory=list)
    before_call: Callable[[], None] = lambda: None

    def announce(self, outcomes: list[Outcome]) -> None:
        self.before_call()
        for outcome in outcomes:
            outcome.as_message()  # an outcome that can't be serialized fails as with the real adapter
        self.outcomes.extend(outcomes)
