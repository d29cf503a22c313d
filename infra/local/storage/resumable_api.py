"""Resumable uploads: begin, send chunks, query the status, cancel.

https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import ASGIApp

from infra.local.storage import objects, ranges, sessions
from infra.local.storage.calls import Call
from infra.local.storage.contents import Writer
from infra.local.storage.database import Transaction
from infra.local.storage.errors import ApiError, invalid
from infra.local.storage.intake import announced_hashes, check_hashes, receive
from infra.local.storage.object_api import object_response
from infra.local.storage.ranges import ChunkRange
from infra.local.storage.resources import StoredObject
from infra.local.storage.sessions import Session, UploadRequest


async def begin(call: Call, request: UploadRequest) -> ASGIApp:
    session_id = await call.service.database.write(lambda tx: sessions.start(tx, request))
    location = (
        f"{call.base_url}/upload/storage/v1/b/{quote(request.bucket, safe='')}/o"
        f"?uploadType=resumable&name={quote(request.name, safe='')}&upload_id={session_id}"
    )
    return Response(headers={"Location": location, "X-GUploader-UploadID": session_id, "Content-Length": "0"})


async def resume(call: Call) -> ASGIApp:
    """Handle any later request on the session's URL."""
    session_id = call.query["upload_id"]
    async with call.service.sessions.lock(session_id):
        session = await call.service.database.read(lambda tx: sessions.load(tx, session_id, call.route.bucket))
        if session.state == "cancelled":
            raise ApiError(410, "gone", "The upload session was cancelled.")
        if session.state == "done":
            return await _already_done(call, session)
        if call.method == "DELETE":
            return await _cancel(call, session)
        if call.method not in {"PUT", "POST"}:
            raise ApiError(405, "methodNotAllowed", f"{call.method} is not allowed on an upload session")
        return await _continue(call, session)


async def _already_done(call: Call, session: Session) -> ASGIApp:
    """The client missed the final response and queries the status or sends the last chunk again."""
    if call.method != "DELETE":
        name, bucket = session.request.name, session.request.bucket
        found = await call.service.database.read(lambda tx: objects.find(tx, bucket, name))
        if found is not None and found.generation == session.generation:
            return object_response(call, found)
    raise ApiError(410, "gone", "The upload was completed, but its object has been replaced or deleted since.")


async def _cancel(call: Call, session: Session) -> ASGIApp:
    await call.service.database.write(lambda tx: sessions.close(tx, session.id, "cancelled"))
    call.service.sessions.end(session.id)
    return Response(status_code=499)


async def _continue(call: Call, session: Session) -> ASGIApp:
    header = call.header("content-range")
    chunk = ranges.of_chunk(header) if header else None
    writer = await call.service.sessions.writer(session.id)
    try:
        if chunk is None:
            # No Content-Range: the whole object, in this one request.
            await receive(call.request.stream(), writer, skip=writer.size)
            return await _finish(call, session, writer)
        if chunk.part is not None:
            await _append(call, writer, chunk)
    except OSError:
        call.service.sessions.forget_writer(session.id)
        raise
    if chunk.total is not None and writer.size > chunk.total:
        raise invalid(f"{writer.size} bytes received, more than the {chunk.total} in Content-Range.")
    return await _finish(call, session, writer) if chunk.total == writer.size else _incomplete(call, session, writer.size)


async def _append(call: Call, writer: Writer, chunk: ChunkRange) -> None:
    """Skip bytes that are already stored: the client may have missed the response to them."""
    part = chunk.part
    assert part is not None  # noqa: S101 - for mypy; the caller checked
    if part.start > writer.size:
        message = (
            f"Invalid request. According to the Content-Range header, the upload offset is {part.start} byte(s), "
            f"which exceeds already uploaded size of {writer.size} byte(s)."
        )
        raise ApiError(503, "backendError", message)
    skip = writer.size - part.start
    await receive(call.request.stream(), writer, skip=skip, limit=max(0, part.length - skip))


def _incomplete(call: Call, session: Session, size: int) -> Response:
    headers = {"Content-Length": "0", "X-GUploader-UploadID": session.id}
    if size:
        headers["Range"] = f"bytes=0-{size - 1}"
    if call.header("x-guploader-no-308") == "yes":
        return Response(headers={**headers, "X-HTTP-Status-Code-Override": "308"})
    return Response(status_code=308, headers=headers)


async def _finish(call: Call, session: Session, writer: Writer) -> ASGIApp:
    """Create the object and close the session in one transaction, so that a repeated request gets the same answer."""
    service, announced = call.service, announced_hashes(call.request.headers, {})
    request = replace(
        session.request,
        md5=announced["md5"] or session.request.md5,
        crc32c=announced["crc32c"] or session.request.crc32c,
    )
    staged = await asyncio.to_thread(writer.finish)
    try:
        check_hashes(request, staged)
        stored: StoredObject = await service.database.write(
            lambda tx: _closed(
                tx,
                session,
                service.objects.create(tx, request.bucket, request.name, staged, request.attributes, request.preconditions),
            )
        )
    except ApiError:
        await service.database.write(lambda tx: sessions.close(tx, session.id, "cancelled"))
        service.sessions.end(session.id)
        raise
    finally:
        service.sessions.forget_writer(session.id)
    service.sessions.end(session.id)
    return object_response(call, stored)


def _closed(tx: Transaction, session: Session, stored: StoredObject) -> StoredObject:
    sessions.close(tx, session.id, "done", stored.generation)
    return stored
