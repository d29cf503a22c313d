"""Move uploaded bytes from the network to a file in chunks, so that memory stays constant."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping

from infra.local.storage.contents import CHUNK, StageResult, Writer
from infra.local.storage.errors import ApiError, invalid
from infra.local.storage.sessions import UploadRequest


async def receive(stream: AsyncIterator[bytes], writer: Writer, skip: int = 0, limit: int | None = None) -> None:
    """Append the stream, without its first `skip` bytes and at most `limit` bytes (None: all). Bytes that arrive before
    the client disconnects are written too, so that a resumable upload can continue after them."""
    parts: list[bytes] = []
    gathered, taken = 0, 0
    try:
        async for received in stream:
            chunk = received
            if skip:
                dropped = min(skip, len(chunk))
                chunk, skip = chunk[dropped:], skip - dropped
            if limit is not None:
                chunk = chunk[: limit - taken]
            taken += len(chunk)
            gathered += len(chunk)
            parts.append(chunk)
            if gathered >= CHUNK:
                data, parts, gathered = b"".join(parts), [], 0
                await asyncio.to_thread(writer.write, data)
    finally:
        if gathered:
            writer.write(b"".join(parts))


def announced_hashes(headers: Mapping[str, str], metadata: Mapping[str, object]) -> dict[str, str | None]:
    """The checksums that the client announces in its metadata or in headers."""
    announced: dict[str, str | None] = {"md5": None, "crc32c": None}
    for key, field in (("md5", "md5Hash"), ("crc32c", "crc32c")):
        if metadata.get(field):
            announced[key] = str(metadata[field])
    for entry in headers.get("x-goog-hash", "").split(","):
        key, _, value = entry.strip().partition("=")
        if key in announced and value:
            announced[key] = value
    if headers.get("content-md5"):
        announced["md5"] = headers["content-md5"]
    return announced


def check_hashes(request: UploadRequest, staged: StageResult) -> None:
    """Raise a 400 unless the bytes have the checksums that the client announced."""
    for label, announced, actual in (
        ("MD5 hash", request.md5, staged.md5),
        ("CRC32C", request.crc32c, staged.crc32c),
    ):
        if announced and actual and _raw(label, announced) != _raw(label, actual):
            raise ApiError(
                400,
                "invalid",
                f'Provided {label} "{announced}" doesn\'t match calculated {label} "{actual}".',
            )


def _raw(label: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Invalid {label}: {text!r} is not base64") from error
