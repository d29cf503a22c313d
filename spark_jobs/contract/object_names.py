"""Object names of archived and rejected files: derived from the file id alone, so that they can't collide."""

from __future__ import annotations

import hashlib

from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId

MAX_NAME_BYTES = 1024
_REPORT_SUFFIX = ".report.json"


def archive_name(feed: Feed, file: FileId, archive_prefix: str) -> str:
    """``archive/YYYY/MM/DD/order_tracking_YYYY_MM_DD.<generation>.csv``; the day is the one in the file's name."""
    base = file.name.rpartition("/")[2]
    day = feed.file_date(base)
    if day is None:
        raise ValueError(f"{file} doesn't have a valid file name of the feed {feed.name}")
    return f"{archive_prefix}{day:%Y/%m/%d}/{base.removesuffix('.csv')}.{file.generation}.csv"


def rejected_name(file: FileId, source_prefix: str, rejected_prefix: str) -> str:
    """``rejected/<path below source/>.<generation>``; a path that is too long is truncated and given a hash."""
    relative = file.name.removeprefix(source_prefix)
    suffix = f".{file.generation}"
    room = MAX_NAME_BYTES - len((rejected_prefix + suffix + _REPORT_SUFFIX).encode())
    encoded = relative.encode()
    if len(encoded) > room:
        digest = hashlib.sha256(encoded).hexdigest()[:16]
        relative = encoded[: room - 17].decode("utf-8", "ignore") + "~" + digest
    return rejected_prefix + relative + suffix


def report_name(rejected: str) -> str:
    """The name of the report, which is stored next to the rejected file."""
    return rejected + _REPORT_SUFFIX
