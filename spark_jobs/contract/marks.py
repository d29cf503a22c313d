"""The accepted mark: metadata that the function writes on an object that passed validation, and that the job relies on."""

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
"""Below the source prefix. A replay copies each file into its own folder here, where senders don't upload."""


@dataclass(frozen=True)
class AcceptedMark:
    """Names its generation. A copy, move or overwrite keeps the metadata but creates a new generation: the mark is void.

    ``rows`` and ``bad_rows`` are the function's counts; if ``partial``, of the part that it validated within its time
    limit. ``splittable`` is a hint (the job checks it): every record is one line. ``arrival`` (ISO, aware) can still be
    read after the file was archived, for a replay.
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
        # A single value, so that a mark is either complete or absent.
        return {MARK_KEY: json.dumps(asdict(self), separators=(",", ":"))}

    @classmethod
    def valid_on(cls, generation: int, metadata: Mapping[str, str] | None) -> AcceptedMark | None:
        """The mark in an object's custom metadata if it is well-formed and names this generation, of any version."""
        try:
            mark = cls(**json.loads((metadata or {})[MARK_KEY]))
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        numbers = (mark.generation, mark.contract_version, mark.rows, mark.bad_rows)
        whole = all(type(n) is int and n >= 0 for n in numbers) and type(mark.partial) is type(mark.splittable) is bool
        whole = whole and type(mark.arrival) is str
        return mark if whole and mark.generation == generation else None


def arrival_of(name: str, source_prefix: str, created: datetime, metadata: Mapping[str, str] | None) -> datetime:
    """When the file arrived (aware): the object's creation time or, for a replayed copy, the arrival in its metadata.

    Only copies in the replay folder are trusted: elsewhere the key may come from a copy of another object.
    """
    if name.startswith(source_prefix + REPLAY_FOLDER):
        return carried_arrival((metadata or {}).get(ARRIVAL_KEY), created)
    return created


def carried_arrival(text: str | None, created: datetime) -> datetime:
    """The arrival from metadata or a report if it is plausible: aware and before ``created``. Otherwise ``created``."""
    try:
        carried = datetime.fromisoformat(text or "")
    except ValueError:
        return created
    return carried if carried.tzinfo is not None and carried < created else created
