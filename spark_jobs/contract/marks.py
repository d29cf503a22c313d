"""The accepted mark: what the function writes on an object that passed, and what the job trusts it for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.validation_results import ValidationResult

MARK_KEY = "order-tracking-accepted"
ARRIVAL_KEY = "order-tracking-arrival"
REPLAY_FOLDER = "replay/"
"""Below the source prefix; replays put their copies here, each in a folder of its own, where no upload goes."""


@dataclass(frozen=True)
class AcceptedMark:
    """Names its generation: copied, moved or carried along by an overwrite, it is void.

    ``rows`` and ``bad_rows`` are what the function counted; with ``partial`` only so far as it got in its time.
    ``splittable`` is a hint (the job checks it): every record is one line. ``arrival`` (ISO, aware) stays readable after
    the file was archived, for a replay.
    """

    generation: int
    contract_version: int
    rows: int
    bad_rows: int
    partial: bool
    splittable: bool
    arrival: str = ""

    @classmethod
    def of(cls, result: ValidationResult, generation: int, arrival: datetime | None = None) -> AcceptedMark:
        return cls(
            generation,
            CONTRACT_VERSION,
            result.rows,
            result.bad_rows,
            result.partial,
            result.splittable,
            arrival.isoformat() if arrival else "",
        )

    def as_metadata(self) -> dict[str, str]:
        # One value: a mark is there whole or not at all.
        return {MARK_KEY: json.dumps(asdict(self), separators=(",", ":"))}

    @classmethod
    def valid_on(cls, generation: int, metadata: Mapping[str, str] | None) -> AcceptedMark | None:
        """The mark in an object's custom metadata if it is whole and names this very generation, whatever its version."""
        try:
            mark = cls(**json.loads((metadata or {})[MARK_KEY]))
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        numbers = (mark.generation, mark.contract_version, mark.rows, mark.bad_rows)
        whole = all(type(n) is int and n >= 0 for n in numbers) and type(mark.partial) is type(mark.splittable) is bool
        whole = whole and type(mark.arrival) is str
        return mark if whole and mark.generation == generation else None


def arrival_of(name: str, source_prefix: str, created: datetime, metadata: Mapping[str, str] | None) -> datetime:
    """When the file arrived: the object's creation, or for a replayed copy the arrival it carries along (aware).

    Only copies in the replay folder are believed: elsewhere the key may have come along from another object.
    """
    if name.startswith(source_prefix + REPLAY_FOLDER):
        return carried_arrival((metadata or {}).get(ARRIVAL_KEY), created)
    return created


def carried_arrival(text: str | None, created: datetime) -> datetime:
    """An arrival noted in metadata or a report, where it can be one: aware and before ``created``; else ``created``."""
    try:
        carried = datetime.fromisoformat(text or "")
    except ValueError:
        return created
    return carried if carried.tzinfo is not None and carried < created else created
