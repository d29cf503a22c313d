"""Streaming parser for multipart/related uploads: first the metadata, then any number of bytes.

Google's Python client ends lines with CRLF, gcloud (apitools) with LF; the line of the first boundary decides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesHeaderParser

from infra.local.storage.errors import invalid

MAX_HEAD = 1 << 20


def boundary_of(content_type: str | None) -> bytes:
    message = Message()
    message["content-type"] = content_type or ""
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise invalid("A multipart upload needs a boundary in its Content-Type header.")
    if len(boundary) > 2 and boundary[0] == boundary[-1] == "'":
        boundary = boundary[1:-1]  # gcloud puts the boundary in single quotes that don't belong to it
    return boundary.encode("latin-1", "replace")


class RelatedBody:
    """Call metadata(), then media_type(), then iterate over media()."""

    def __init__(self, stream: AsyncIterator[bytes], boundary: bytes) -> None:
        self._stream = stream
        self._mark = b"--" + boundary
        self._eol = b"\r\n"
        self._buffer = b""

    async def metadata(self) -> bytes:
        await self._until(self._mark)
        first_line = await self._until(b"\n")
        self._eol = b"\r\n" if first_line.endswith(b"\r") else b"\n"
        await self._part_headers()
        metadata = await self._until(self._eol + self._mark)
        await self._until(self._eol)
        return metadata

    async def media_type(self) -> str | None:
        return (await self._part_headers())["content-type"]

    async def media(self) -> AsyncIterator[bytes]:
        """Bytes up to the closing boundary. Bytes that may be the start of a boundary are held back."""
        end = self._eol + self._mark
        while True:
            found = self._buffer.find(end)
            if found >= 0:
                yield self._buffer[:found]
                break
            safe = len(self._buffer) - len(end)
            if safe > 0:
                yield self._buffer[:safe]
                self._buffer = self._buffer[safe:]
            await self._more()
        async for _ in self._stream:
            pass  # the epilogue

    async def _part_headers(self) -> Message:
        lines = b""
        while True:
            line = await self._until(self._eol)
            if not line:
                return BytesHeaderParser().parsebytes(lines)
            lines += line + b"\n"

    async def _until(self, mark: bytes) -> bytes:
        """The bytes before `mark`; `mark` itself is consumed."""
        while (found := self._buffer.find(mark)) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise invalid("Malformed multipart body: the metadata part is too large.")
            await self._more()
        before, self._buffer = self._buffer[:found], self._buffer[found + len(mark) :]
        return before

    async def _more(self) -> None:
        async for chunk in self._stream:
            if chunk:
                self._buffer += chunk
                return
        raise invalid("Malformed multipart body: it ends before its closing boundary.")
