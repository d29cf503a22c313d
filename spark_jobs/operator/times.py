"""Times for people: in the reader's time zone, and how long ago they were. JSON and messages have them in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_UNITS = ((timedelta(days=2), timedelta(days=1), "days"), (timedelta(hours=2), timedelta(hours=1), "h"))
"""From which age on a unit is used, its length and its name. Two of a unit at least: "1 days" would be wrong."""
_MINUTES = (timedelta(minutes=1), timedelta(minutes=1), "min")
_SECONDS = (timedelta(0), timedelta(seconds=1), "s")


@dataclass(frozen=True)
class Times:
    """``now`` and all other times are aware. The reader's time zone is the system's, or the one that ``TZ`` names."""

    now: datetime
    utc: bool = False

    def minute(self, time: datetime) -> str:
        """For tables: 2026-01-31 11:00 CET."""
        return f"{self._local(time):%Y-%m-%d %H:%M %Z}"

    def second(self, time: datetime) -> str:
        """2026-01-31 11:00:59 CET."""
        return f"{self._local(time):%Y-%m-%d %H:%M:%S %Z}"

    def exact(self, time: datetime) -> str:
        """2026-01-31 11:00:59 CET (3 min ago)."""
        return f"{self.second(time)} ({self.ago(time)})"

    def age(self, time: datetime) -> str:
        """How long ago a time was: 40 s, 3 min, 5 h, 12 days. A time in the future, as of a clock that is ahead: 0 s."""
        return _duration(max(self.now - time, timedelta(0)))

    def ago(self, time: datetime) -> str:
        """3 min ago, or in 3 min."""
        return f"in {_duration(time - self.now)}" if time > self.now else f"{self.age(time)} ago"

    def _local(self, time: datetime) -> datetime:
        return time.astimezone(UTC if self.utc else None)


def _duration(length: timedelta) -> str:
    _, unit, name = next(one for one in (*_UNITS, _MINUTES, _SECONDS) if length >= one[0])
    return f"{length // unit} {name}"
