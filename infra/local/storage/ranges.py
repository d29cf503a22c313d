"""Byte ranges of reads (`Range`) and of resumable uploads (`Content-Range`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.local.storage.errors import ApiError, invalid

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class ByteRange:
    """`end` is inclusive, as in HTTP."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start + 1


def requested(header: str | None, size: int) -> ByteRange | None:
    """The range that a read requests. None: the whole object (also if the header is not a single byte range). Raises a 416
    if the range is outside the object."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
        nothing = int(last) == 0
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        nothing = False
        if last and int(last) < start:
            return None  # RFC 9110: ignore an invalid range
    if nothing or start >= size:
        raise ApiError(
            416,
            "requestedRangeNotSatisfiable",
            "The requested range cannot be satisfied.",
            location_type="header",
            location="Range",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return ByteRange(start, end)


@dataclass(frozen=True)
class ChunkRange:
    """The position of a chunk in a resumable upload. `part` None: a status query without bytes. `total` None: not known
    yet."""

    part: ByteRange | None
    total: int | None


def of_chunk(header: str) -> ChunkRange:
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise invalid(f"Failed to parse Content-Range header: {header!r}")
    first, last, total = match.groups()
    size = None if total == "*" else int(total)
    part = None if first is None else ByteRange(int(first), int(last))
    if part and (part.length < 1 or (size is not None and part.end >= size)):
        raise invalid(f"Invalid Content-Range header: {header!r}")
    return ChunkRange(part, size)
