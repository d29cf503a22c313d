"""The four preconditions, for every verb.

A failed NotMatch on a read is a 304 (the caller already has this version); any other failure is a 412. If no object has
the name, its generation counts as 0 and it has no metageneration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.local.storage.errors import NotModified, condition_not_met, invalid
from infra.local.storage.resources import StoredObject, etag


@dataclass(frozen=True)
class Preconditions:
    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], source: bool = False) -> Preconditions:
        """`source`: the preconditions for the source of a copy (`ifSourceGenerationMatch` and so on)."""
        start = "ifSource" if source else "if"
        return cls(
            generation_match=integer(query, f"{start}GenerationMatch"),
            generation_not_match=integer(query, f"{start}GenerationNotMatch"),
            metageneration_match=integer(query, f"{start}MetagenerationMatch"),
            metageneration_not_match=integer(query, f"{start}MetagenerationNotMatch"),
        )

    def check_write(self, current: StoredObject | None) -> None:
        """Raise a 412 unless all hold for the current object (None: there is no object)."""
        if not self._matches(current):
            raise condition_not_met("If-Match")
        if not self._not_matches(current):
            raise condition_not_met("If-None-Match")

    def check_read(self, found: StoredObject) -> None:
        """Raise a 412 for a failed Match, NotModified for a failed NotMatch."""
        if not self._matches(found):
            raise condition_not_met("If-Match")
        if not self._not_matches(found):
            raise NotModified

    def _matches(self, current: StoredObject | None) -> bool:
        generation = current.generation if current else 0
        metageneration = current.metageneration if current else None
        return self.generation_match in {None, generation} and (
            self.metageneration_match is None or self.metageneration_match == metageneration
        )

    def _not_matches(self, current: StoredObject | None) -> bool:
        generation = current.generation if current else 0
        metageneration = current.metageneration if current else None
        return self.generation_not_match != generation and (
            self.metageneration_not_match is None or self.metageneration_not_match != metageneration
        )


UNCONDITIONAL = Preconditions()


def check_etags(headers: Mapping[str, str], found: StoredObject) -> None:
    """Check If-Match and If-None-Match of a read."""
    current = etag(found)
    wanted, known = headers.get("if-match"), headers.get("if-none-match")
    if wanted and not _lists(wanted, current):
        raise condition_not_met("If-Match")
    if known and _lists(known, current):
        raise NotModified


def _lists(header: str, current: str) -> bool:
    return any(entry.strip().strip('"') in {"*", current} for entry in header.split(","))


def integer(query: Mapping[str, str], parameter: str) -> int | None:
    text = query.get(parameter)
    if text is None or text == "":
        return None
    try:
        value = int(text)
    except ValueError:
        value = -(2**64)
    if not -(2**63) <= value < 2**63:
        raise invalid(f"Invalid value for {parameter}: {text!r} is not a 64-bit integer", parameter)
    return value
