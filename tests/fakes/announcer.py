"""Announcer in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spark_jobs.contract.outcomes import Outcome


@dataclass
class FakeAnnouncer:
    """Keeps what was announced, in order. ``trouble`` is called first and may raise."""

    outcomes: list[Outcome] = field(default_factory=list)
    trouble: Callable[[], None] = lambda: None

    def announce(self, outcomes: list[Outcome]) -> None:
        self.trouble()
        for outcome in outcomes:
            outcome.as_message()  # what can't be sent fails here as it would there
        self.outcomes.extend(outcomes)
