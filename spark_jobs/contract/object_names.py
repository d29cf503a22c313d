"""Object names of archived and rejected files: derived from the file id alone, so that they can't collide."""

from __future__ import annotations

import hashlib

from spark_jobs.contract.file_ids import FileId

MAX_NAME_BYTES = 1024
_REPORT_SUFFIX = ".report.json"


def archive_name(file: FileId, source_prefix: str, archive_prefix: str) -> str:
    """``archive/YYYY/MM/DD/<folder below source/>/<feed>_YYYY_MM_DD.<generation>.csv``.

    The day is that of the file's name. A folder that would make the name too long is cut and given a hash.
    """
    from spark_jobs.contract.feeds import file_date  # late: the function's cold start doesn't need it

    folder, _, base = file.name.removeprefix(source_prefix).rpartition("/")
    day = file_date(base)
    if day is None:
        raise ValueError(f"{file} was accepted under a name that no feed has")
    start, end = f"{archive_prefix}{day:%Y/%m/%d}/", f"{base.removesuffix('.csv')}.{file.generation}.csv"
    if not folder:
        return start + end
    return f"{start}{_fit(folder, start + '/' + end)}/{end}"


def rejected_name(file: FileId, source_prefix: str, rejected_prefix: str) -> str:
    """``rejected/<name below source/>.<generation>``, cut and given a hash where that would be too long."""
    suffix = f".{file.generation}"
    return rejected_prefix + _fit(file.name.removeprefix(source_prefix), rejected_prefix + suffix + _REPORT_SUFFIX) + suffix


def _fit(part: str, rest: str) -> str:
    """A part of an object name, cut and given a hash where it would be too long together with the rest."""
    encoded, room = part.encode(), MAX_NAME_BYTES - len(rest.encode())
    if len(encoded) <= room:
        return part
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: room - 17].decode("utf-8", "ignore") + "~" + digest


def report_name(rejected: str) -> str:
    """The name of the report, which is stored next to the rejected file."""
    return rejected + _REPORT_SUFFIX
