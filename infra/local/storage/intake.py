"""Bytes on their way from the network to a file: gathered to pieces worth a thread, never held whole."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping

from infra.local.storage.contents import CHUNK, StageResult, Writer
from infra.local.storage.errors import ApiError, invalid
from infra.local.storage.sessions import UploadRequest


async def receive(stream: AsyncIterator[bytes], writer: Writer, skip: int = 0, limit: int | None = None) -> None:
    """Appends the stream, without its first `skip` bytes and no more than `limit` (None: all). What arrived before
    the client broke off is written too: a resumable upload goes on after it."""
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


def stated_hashes(headers: Mapping[str, str], metadata: Mapping[str, object]) -> dict[str, str | None]:
    """What the client says the checksums will be, in its metadata or in x-goog-hash headers (md5, crc32c)."""
    stated: dict[str, str | None] = {"md5": None, "crc32c": None}
    for key, field in (("md5", "md5Hash"), ("crc32c", "crc32c")):
        if metadata.get(field):
            stated[key] = str(metadata[field])
    for entry in headers.get("x-goog-hash", "").split(","):
        key, _, value = entry.strip().partition("=")
        if key in stated and value:
            stated[key] = value
    if headers.get("content-md5"):
        stated["md5"] = headers["content-md5"]
    return stated


def check_hashes(request: UploadRequest, staged: StageResult) -> None:
    """Raises 400 if the bytes are not what the client meant to send."""
    for label, stated, actual in (
        ("MD5 hash", request.md5, staged.md5),
        ("CRC32C", request.crc32c, staged.crc32c),
    ):
        if stated and actual and _raw(label, stated) != _raw(label, actual):
            raise ApiError(
                400,
                "invalid",
                f'Provided {label} "{stated}" doesn\'t match calculated {label} "{actual}".',
            )


def _raw(label: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Invalid {label}: {text!r} is not base64") from error
