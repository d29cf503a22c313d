"""The four preconditions, for every verb.

A failed NotMatch on a read is a 304 (the caller already has this version); any other failure is a 412. If no object has
the name, its generation counts as 0 and it has no metageneration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.local.storage.answers import condition_not_met, invalid, not_modified
from infra.local.storage.resources import StoredObject


@dataclass(frozen=True)
class Preconditions:
    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], start: str = "if") -> Preconditions:
        """`start`: `ifSource` for the source of a copy (`ifSourceGenerationMatch` and so on)."""
        return cls(
            generation_match=integer(query, f"{start}GenerationMatch"),
            generation_not_match=integer(query, f"{start}GenerationNotMatch"),
            metageneration_match=integer(query, f"{start}MetagenerationMatch"),
            metageneration_not_match=integer(query, f"{start}MetagenerationNotMatch"),
        )

    def check(self, current: StoredObject | None) -> None:
        """Raise unless all hold for the live object (None: there is none), which a change would replace."""
        if current is None:
            self.check_version(0, None)
        else:
            self.check_version(current.generation, current.metageneration)

    def check_version(self, generation: int, metageneration: int | None, reading: bool = False) -> None:
        if self.generation_match not in {None, generation} or self.metageneration_match not in {None, metageneration}:
            raise condition_not_met()
        same_metageneration = metageneration is not None and metageneration == self.metageneration_not_match
        if generation == self.generation_not_match or same_metageneration:
            raise not_modified() if reading else condition_not_met()


UNCONDITIONAL = Preconditions()


def check_etags(headers: Mapping[str, str], current: str) -> None:
    """Check If-Match and If-None-Match of a read."""
    wanted, known = headers.get("if-match"), headers.get("if-none-match")
    if wanted and not _lists(wanted, current):
        raise condition_not_met()
    if known and _lists(known, current):
        raise not_modified()


def _lists(header: str, current: str) -> bool:
    return any(entry.strip().strip('"') in {"*", current} for entry in header.split(","))


def integer(query: Mapping[str, str], parameter: str) -> int | None:
    text = query.get(parameter)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError:
        value = -(2**64)
    if not -(2**63) <= value < 2**63:
        raise invalid(f"Invalid value for {parameter}: {text!r} is not a 64-bit integer")
    return value
