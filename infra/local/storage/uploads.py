"""Uploads in one request: only the bytes (media), or metadata and bytes (multipart).

Bytes go from the network to a file in chunks, so that memory stays constant. Only multipart bodies are read as a whole;
clients use them for small objects.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any

from starlette.responses import Response

from infra.local.storage import objects
from infra.local.storage.answers import invalid
from infra.local.storage.calls import Call, parse_json
from infra.local.storage.contents import CHUNK, StagedFile, Writer
from infra.local.storage.objects import Target
from infra.local.storage.resources import merged_attributes

MAX_MULTIPART_BYTES = 64 << 20


@dataclass(frozen=True)
class UploadRequest:
    """The object that an upload will create. `hashes`: the checksums that the client announces."""

    target: Target
    attributes: dict[str, Any]
    hashes: dict[str, str]


async def media(call: Call) -> Response:
    request = await upload_request(call, {}, call.headers.get("content-type"))
    return await _store(call, request, call.stream())


async def multipart(call: Call) -> Response:
    body = await call.body(MAX_MULTIPART_BYTES)
    metadata, media_type, data = split_related(body, call.headers.get("content-type", ""))

    async def stream() -> AsyncIterator[bytes]:
        yield data

    return await _store(call, await upload_request(call, parse_json(metadata), media_type), stream())


async def _store(call: Call, request: UploadRequest, stream: AsyncIterator[bytes]) -> Response:
    writer = Writer(call.service.contents.upload_path())
    try:
        await receive(stream, writer)
        staged = await asyncio.to_thread(writer.finish)
        check_hashes(request, staged)
        stored = await call.write(lambda tx: call.service.objects.create(tx, request.target, staged, request.attributes))
    finally:
        writer.close()
        writer.path.unlink(missing_ok=True)
    return call.object_response(stored)


async def upload_request(call: Call, metadata: Mapping[str, Any], media_type: str | None) -> UploadRequest:
    """The object that the upload will create. Fails before any byte is sent if a precondition already fails."""
    name = call.query.get("name") or str(metadata.get("name") or "")
    target = Target(call.bucket, name, None, call.preconditions)
    attributes = merged_attributes({}, metadata)
    if "contentType" not in attributes and media_type:
        attributes["contentType"] = media_type
    if call.query.get("contentEncoding"):
        attributes["contentEncoding"] = call.query["contentEncoding"]
    given = {key: str(metadata[field]) for key, field in (("md5", "md5Hash"), ("crc32c", "crc32c")) if metadata.get(field)}
    await call.read(lambda tx: objects.check_destination(tx, target))
    return UploadRequest(target, attributes, {**given, **announced_hashes(call.headers)})


def split_related(body: bytes, content_type: str) -> tuple[bytes, str | None, bytes]:
    """The metadata, the media type and the bytes in a multipart/related body.

    Google's Python client ends lines with CRLF, gcloud (apitools) with LF; the line of the first boundary decides."""
    message = Message()
    message["content-type"] = content_type
    boundary = str(message.get_param("boundary", ""))
    if not boundary:
        raise invalid("A multipart upload needs a boundary in its Content-Type header.")
    if len(boundary) > 2 and boundary[0] == boundary[-1] == "'":
        boundary = boundary[1:-1]  # gcloud puts the boundary in single quotes that don't belong to it
    mark = b"--" + boundary.encode("latin-1", "replace")
    eol = b"\r\n" if body.partition(mark)[2].startswith(b"\r\n") else b"\n"
    parts = (eol + body).split(eol + mark, 3)
    if len(parts) != 4:
        raise invalid("Malformed multipart body: it must have two parts and a closing boundary.")
    _, _, metadata = parts[1].partition(eol + eol)
    head, _, data = parts[2].partition(eol + eol)
    return metadata, BytesHeaderParser().parsebytes(head.removeprefix(eol))["content-type"], data


async def receive(stream: AsyncIterator[bytes], writer: Writer, start: int = 0, stop: int | None = None) -> None:
    """Append the stream's bytes from `start` to `stop`. Bytes that arrive before the client disconnects are written too, so
    that a resumable upload can continue after them."""
    position, gathered = 0, bytearray()
    try:
        async for chunk in stream:
            end = None if stop is None else max(0, stop - position)
            gathered += chunk[max(0, start - position) : end]
            position += len(chunk)
            if len(gathered) >= CHUNK:
                data, gathered = bytes(gathered), bytearray()
                await asyncio.to_thread(writer.write, data)
    finally:
        writer.write(bytes(gathered))


def announced_hashes(headers: Mapping[str, str]) -> dict[str, str]:
    """The checksums in a request's headers."""
    entries = [entry.strip().partition("=") for entry in headers.get("x-goog-hash", "").split(",")]
    announced = {key: value for key, _, value in entries if key in {"md5", "crc32c"} and value}
    if headers.get("content-md5"):
        announced["md5"] = headers["content-md5"]
    return announced


def check_hashes(request: UploadRequest, staged: StagedFile) -> None:
    """Raise a 400 unless the bytes have the checksums that the client announced."""
    for label, key, actual in (("MD5 hash", "md5", staged.md5), ("CRC32C", "crc32c", staged.crc32c)):
        announced = request.hashes.get(key)
        if announced and announced != actual:
            raise invalid(f'Provided {label} "{announced}" doesn\'t match calculated {label} "{actual}".')
