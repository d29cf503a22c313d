"""Response bodies: JSON, no content, or the bytes of an object."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, BinaryIO
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from infra.local.storage.contents import CHUNK
from infra.local.storage.ranges import ByteRange
from infra.local.storage.resources import StoredObject, etag


def json_response(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, headers, media_type="application/json; charset=UTF-8")


def no_content() -> Response:
    return Response(status_code=204)


def media_headers(stored: StoredObject) -> dict[str, str]:
    given = stored.attributes
    hashes = [f"crc32c={stored.crc32c}", *([f"md5={stored.md5}"] if stored.md5 else [])]
    headers = {
        "Content-Type": given.get("contentType", "application/octet-stream"),
        "Content-Encoding": given.get("contentEncoding"),
        "Content-Disposition": given.get("contentDisposition"),
        "Content-Language": given.get("contentLanguage"),
        "Cache-Control": given.get("cacheControl", "private, max-age=0"),
        "ETag": etag(stored),
        "Last-Modified": format_datetime(datetime.fromtimestamp(stored.updated // 1_000_000, UTC), usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Hash": ",".join(hashes),
        "X-Goog-Storage-Class": given.get("storageClass", "STANDARD"),
        "X-Goog-Stored-Content-Encoding": given.get("contentEncoding", "identity"),
        "X-Goog-Stored-Content-Length": str(stored.size),
    }
    # Headers allow only Latin-1 without control characters, but a client may store any text as a content type.
    return {key: _header_text(value) for key, value in headers.items() if value}


def _header_text(value: str) -> str:
    return quote(value, safe="".join(chr(code) for code in range(0x20, 0x7F)))


class MediaResponse:
    """Stream a file in 1 MiB chunks, read in a thread. The open file pins the generation: overwriting or deleting the
    object in the meantime does not change what the client receives."""

    def __init__(self, stored: StoredObject, file: BinaryIO, part: ByteRange | None) -> None:
        self._headers = media_headers(stored)
        self._file = file
        self._status = 206 if part else 200
        self._start, self._length = (part.start, part.length) if part else (0, stored.size)
        self._headers["Content-Length"] = str(self._length)
        if part:
            self._headers["Content-Range"] = f"bytes {part.start}-{part.end}/{stored.size}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(key.lower().encode(), value.encode("latin-1")) for key, value in self._headers.items()]
        try:
            await send({"type": "http.response.start", "status": self._status, "headers": headers})
            await self._send_body(scope, send)
        finally:
            self._file.close()

    async def _send_body(self, scope: Scope, send: Send) -> None:
        loop, connection = asyncio.get_running_loop(), scope.get("state", {}).get("connection")
        self._file.seek(self._start)
        left = self._length
        while left:
            if connection is not None and connection.transport.is_closing():
                return  # the client disconnected: don't read the rest
            chunk = await loop.run_in_executor(None, self._file.read, min(CHUNK, left))
            if not chunk:
                raise OSError("the content file is shorter than its object")
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": bool(left)})
        if not self._length:
            await send({"type": "http.response.body", "body": b""})
