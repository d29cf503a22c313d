"""The headers of a batch's files, read on the driver: where each file's columns are, or what is wrong with the file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileGone, FileStore
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.records import BOM, RecordCutter, RecordError
from spark_jobs.contract.rows import Positions, validate_header
from spark_jobs.contract.violations import RULES, Violation

HEADER_BYTES = 64 * 1024
"""Bytes read to find the header. A longer header is validated together with the whole file."""


class Header(NamedTuple):
    """``positions``: the index in a record of each of the feed's columns; empty if there are ``violations``."""

    positions: Positions
    violations: Sequence[Violation]


def read_headers(store: FileStore, feed: Feed, files: Sequence[FileId]) -> dict[FileId, Header | None]:
    """By file, as ``find_header`` gives them. Raises FileGone and TransientError."""

    def read(file: FileId) -> Header | None:
        start, end = store.read_range(file, 0, HEADER_BYTES), store.read_range(file, -1, 1)
        if start is None or end is None:
            raise FileGone(str(file))
        if end == b"\r":  # Spark hides whether an LF follows the last line's CR
            return Header((), [Violation("line_ends", RULES["line_ends"].title)])
        return find_header(feed, start, whole=len(start) < HEADER_BYTES)

    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        return dict(zip(files, pool.map(read, files), strict=True))


def find_header(feed: Feed, start: bytes, *, whole: bool) -> Header | None:
    """The header at the start of a file; ``whole``: nothing follows. None if it isn't one whole line: then
    only validating the whole file shows whether it is valid."""
    body = start.removeprefix(BOM)
    cutter = RecordCutter()
    cutter.feed(body)
    if whole or body.startswith(BOM):  # a second byte order mark is wrong, whatever follows
        cutter.end()
    try:
        record = cutter.next()
        if record is None:
            return None
        header = Header(*validate_header(feed, record))
    except (RecordError, UnicodeDecodeError):
        return None
    # Hadoop's reader removes a byte order mark. With a reader that keeps it, the empty line after it would count as a row.
    hidden_line = len(body) < len(start) and record.line > 1
    return header if header.violations or (cutter.splittable and not hidden_line) else None
