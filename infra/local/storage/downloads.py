"""The bytes of an object: headers, byte ranges, decompression, and the stream.

Decompressive transcoding: https://cloud.google.com/storage/docs/transcoding. A reader that does not accept gzip gets a
gzipped object decompressed, and always the whole of it."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from infra.local.storage import objects
from infra.local.storage.answers import ApiError
from infra.local.storage.calls import Call
from infra.local.storage.contents import CHUNK
from infra.local.storage.database import Transaction
from infra.local.storage.preconditions import check_etags
from infra.local.storage.resources import StoredObject

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_ACCEPTS_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)", re.IGNORECASE)
_GZIP_MAGIC = b"\x1f\x8b"
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))


async def media(call: Call) -> Response:
    """The open file pins the generation: overwriting or deleting the object in the meantime does not change what the client
    receives."""
    stored, file = await _open(call)
    if _is_gunzipped(call, stored, file):
        return StreamingResponse(_gunzipped(file), 200, _gunzipped_headers(stored))
    part = requested_range(call.headers.get("range", ""), stored.size)
    headers = media_headers(stored)
    start, stop = part or (0, stored.size)
    headers["Content-Length"] = str(stop - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{stored.size}"
    return StreamingResponse(_chunks(file, start, stop), 206 if part else 200, headers)


def readable(call: Call, tx: Transaction) -> StoredObject:
    found = objects.get(tx, call.target, reading=True)
    check_etags(call.headers, found.etag)
    return found


async def _open(call: Call) -> tuple[StoredObject, BinaryIO]:
    """The row and its file. An overwrite may delete the file after the row was read: then read the row again."""
    missing = None
    while True:
        stored = await call.read(lambda tx: readable(call, tx))
        try:
            return stored, call.service.contents.path(stored.generation).open("rb", buffering=0)
        except FileNotFoundError:
            if stored.generation == missing:
                raise
            missing = stored.generation


def _is_gunzipped(call: Call, stored: StoredObject, file: BinaryIO) -> bool:
    """Whether this reader gets the object decompressed. One that only claims to be gzip is served as it is stored."""
    given = stored.attributes
    if given.get("contentEncoding") != "gzip" or "no-transform" in given.get("cacheControl", "").lower():
        return False
    if _ACCEPTS_GZIP.search(call.headers.get("accept-encoding", "")):
        return False
    start = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return start == _GZIP_MAGIC


def requested_range(header: str, size: int) -> tuple[int, int] | None:
    """The start and the end (exclusive) of the range that a read requests. None: the whole object (also if the header is
    not a single valid byte range, as in RFC 9110). Raises a 416 if the range is outside the object."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    elif last and int(last) < int(first):
        return None
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    if start >= size:
        message = "The requested range cannot be satisfied."
        raise ApiError(416, "requestedRangeNotSatisfiable", message, {"Content-Range": f"bytes */{size}"})
    return start, stop


def media_headers(stored: StoredObject) -> dict[str, str]:
    given = stored.attributes
    headers = {
        "Content-Type": given.get("contentType", "application/octet-stream"),
        "Content-Encoding": given.get("contentEncoding"),
        "Content-Disposition": given.get("contentDisposition"),
        "Content-Language": given.get("contentLanguage"),
        "Cache-Control": given.get("cacheControl", "private, max-age=0"),
        "ETag": stored.etag,
        "Last-Modified": format_datetime(datetime.fromtimestamp(stored.updated // 1_000_000, UTC), usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Hash": f"crc32c={stored.crc32c}" + (f",md5={stored.md5}" if stored.md5 else ""),
        "X-Goog-Storage-Class": given.get("storageClass", "STANDARD"),
        "X-Goog-Stored-Content-Encoding": given.get("contentEncoding", "identity"),
        "X-Goog-Stored-Content-Length": str(stored.size),
    }
    # Headers allow only Latin-1 without control characters, but a client may store any text as a content type.
    return {key: quote(value, safe=_PRINTABLE) for key, value in headers.items() if value}


def _gunzipped_headers(stored: StoredObject) -> dict[str, str]:
    """The size is not known before the end, so there is no Content-Length."""
    headers = media_headers(stored)
    del headers["Content-Encoding"], headers["Accept-Ranges"]
    return {
        **headers,
        "Warning": "214 UploadServer gunzipped",
        "X-GUploader-Response-Body-Transformations": "gunzipped",
    }


async def _gunzipped(file: BinaryIO) -> AsyncIterator[bytes]:
    with file, gzip.GzipFile(fileobj=file) as content:
        try:
            while chunk := await asyncio.to_thread(content.read, CHUNK):
                yield chunk
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise OSError(f"an object with Content-Encoding gzip can't be decompressed: {error}") from error


async def _chunks(file: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        left = stop - start
        while left:
            chunk = await asyncio.to_thread(file.read, min(CHUNK, left))
            if not chunk:
                raise OSError("the content file is shorter than its object")
            left -= len(chunk)
            yield chunk
