"""Byte ranges: of reads (`Range`), and of resumable uploads (`Content-Range`)."""

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
    """None: the whole object (also for what isn't a single byte range). Raises 416 if nothing of it is there."""
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
            return None  # not a valid range: ignored, says RFC 9110
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
    """Where a chunk of a resumable upload lies. `part` None: it brings no bytes, only asks. `total` None: not
    known yet."""

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
