"""The headers of a batch's files, read on the driver: where each file's columns are, or what is wrong with the file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileGone, FileStore
from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.records import BOM, RecordCutter, RecordError
from spark_jobs.contract.rows import validate_header
from spark_jobs.contract.violations import RULES, Violation

HEADER_BYTES = 64 * 1024
"""A header that does not end within them is read with the whole file."""


class Header(NamedTuple):
    """``positions``: where in a record each of the feed's columns stands; with ``violations``, there are none."""

    positions: Sequence[int]
    violations: Sequence[Violation]


def read_headers(store: FileStore, feed: Feed, files: Sequence[FileId]) -> dict[FileId, Header | None]:
    """By file, as ``find_header`` gives them. Raises FileGone and TransientError."""

    def read(file: FileId) -> Header | None:
        start, end = store.read_range(file, 0, HEADER_BYTES), store.read_range(file, -1, 1)
        if start is None or end is None:
            raise FileGone(str(file))
        if end == b"\r":  # of the last line Spark does not tell whether an LF follows its CR
            return Header((), [Violation("line_ends", RULES["line_ends"].title)])
        return find_header(feed, start, whole=len(start) < HEADER_BYTES)

    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        return dict(zip(files, pool.map(read, files), strict=True))


def find_header(feed: Feed, start: bytes, *, whole: bool) -> Header | None:
    """The header at the start of a file; ``whole``: nothing follows. None where it is not one whole line, so that only
    reading the whole file can tell."""
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
    # Hadoop's reader removes a byte order mark; where another leaves it, the empty line behind it would count as a row.
    hidden_line = len(body) < len(start) and record.line > 1
    return header if header.violations or (cutter.splittable and not hidden_line) else None
