"""The accepted mark: metadata that the function writes on an object that passed validation, and that the job relies on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import Violation

MARK_KEY = "order-tracking-accepted"
ACCEPTED_AT_KEY = "order-tracking-accepted-at"
"""When the mark was written, for people. Not part of the mark, because older versions refuse a mark with unknown values."""
ARRIVAL_KEY = "order-tracking-arrival"
REPLAY_FOLDER = "replay/"
"""Below the source prefix. A replay copies each file into its own folder here, where senders don't upload."""

_EARLIEST_ARRIVAL = datetime(2000, 1, 1, tzinfo=UTC)
_MAX_VERSION = 1_000_000
_MAX_MARK_LENGTH = 1024
_MUCH_METADATA = 7 * 1024
"""Bytes. Cloud Storage allows 8 KiB for all keys and values; a mark has less than 0.5 KiB."""


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
    feed: str = "order_tracking"
    """Marks of contract version 2 don't name it."""

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
            result.feed,
        )

    def as_metadata(self, at: datetime | None = None) -> dict[str, str]:
        """Custom metadata. ``at`` (aware): when the file was accepted."""
        # A single value, so that a mark is either complete or absent.
        mark = {MARK_KEY: json.dumps(asdict(self), separators=(",", ":"))}
        return mark | ({ACCEPTED_AT_KEY: at.isoformat()} if at else {})

    @classmethod
    def valid_on(
        cls, generation: int, metageneration: int, size: int, metadata: Mapping[str, str] | None
    ) -> AcceptedMark | None:
        """The mark of an object with these properties (``size`` in bytes) if it may be trusted, of any contract version.

        It must name this generation, and its values must be possible for a file of this size: a mark is input, and an
        absurd count would only fail in the tables. Metageneration 1 is the upload itself: senders may set metadata then
        but not update it later, so only a mark from metageneration 2 on can be the function's.
        """
        mark = _parse(metadata)
        if mark is None or mark.generation != generation or metageneration < 2:
            return None
        possible = mark.bad_rows <= mark.rows <= size and mark.contract_version <= _MAX_VERSION
        return mark if possible and (not mark.arrival or _plausible_time(mark.arrival)) else None


def metadata_violation(metadata: Mapping[str, str]) -> Violation | None:
    """Why an object whose mark was refused has no room for it; None if its metadata can't be the reason."""
    others = ((key, value) for key, value in metadata.items() if key != MARK_KEY)
    size = sum(len(key.encode("utf-8", "replace")) + len(value.encode("utf-8", "replace")) for key, value in others)
    if size < _MUCH_METADATA:
        return None
    return Violation("metadata", f"the object has {size:,} bytes of custom metadata, which leaves no room for the mark")


def _parse(metadata: Mapping[str, str] | None) -> AcceptedMark | None:
    """The mark in custom metadata if every value has the right type; whether it is valid is another question."""
    text = (metadata or {}).get(MARK_KEY, "")
    if len(text) > _MAX_MARK_LENGTH:
        return None
    try:
        mark = AcceptedMark(**json.loads(text))
    except (TypeError, ValueError, RecursionError):
        return None
    numbers = (mark.generation, mark.contract_version, mark.rows, mark.bad_rows)
    typed = all(type(n) is int and n >= 0 for n in numbers) and type(mark.partial) is type(mark.splittable) is bool
    return mark if typed and type(mark.arrival) is type(mark.feed) is str else None


def noted_arrival(original: int, created: datetime, metadata: Mapping[str, str] | None) -> datetime | None:
    """The arrival (aware) in the mark of an object that was archived; None without such a mark.

    ``original`` is the generation under which the file was accepted and ``created`` the creation of the object that now
    holds it. The mark is void there, because a move creates a new object, but what it notes about the original is true.
    """
    mark = _parse(metadata)
    return carried_arrival(mark.arrival, created) if mark and mark.generation == original else None


def accepted_at(original: int, metadata: Mapping[str, str] | None) -> datetime | None:
    """When the generation ``original`` was accepted (aware), also after it was archived; None if that isn't noted."""
    mark = _parse(metadata)
    return _plausible_time((metadata or {}).get(ACCEPTED_AT_KEY, "")) if mark and mark.generation == original else None


def arrival_of(name: str, source_prefix: str, created: datetime, metadata: Mapping[str, str] | None) -> datetime:
    """When the file arrived (aware): the object's creation time or, for a replayed copy, the arrival in its metadata.

    Only copies in the replay folder are trusted: elsewhere the key may come from a copy of another object.
    """
    if name.startswith(source_prefix + REPLAY_FOLDER):
        return carried_arrival((metadata or {}).get(ARRIVAL_KEY), created)
    return created


def carried_arrival(text: str | None, created: datetime) -> datetime:
    """The arrival from metadata or a report if it is plausible: aware and before ``created``. Otherwise ``created``."""
    carried = _plausible_time(text or "")
    return carried if carried and carried < created else created


def _plausible_time(text: str) -> datetime | None:
    """An aware time of this century, in UTC; None for anything else. Times near year 1 or 9999 overflow later."""
    try:
        time = datetime.fromisoformat(text)
        time = time.astimezone(UTC) if time.tzinfo else _EARLIEST_ARRIVAL
    except (ValueError, OverflowError):
        return None
    return time if time > _EARLIEST_ARRIVAL else None
