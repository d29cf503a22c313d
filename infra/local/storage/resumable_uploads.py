"""Resumable uploads: begin, send chunks, query the status, cancel.

https://cloud.google.com/storage/docs/performing-resumable-uploads

A session's request is in the database, and its progress is the size of its file. Both survive kill -9, so a client that
queries `bytes */N` after a restart continues where the file ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from dataclasses import asdict, dataclass, replace
from urllib.parse import quote

from starlette.responses import Response

from infra.local.storage import objects
from infra.local.storage.answers import ApiError, invalid
from infra.local.storage.calls import Call
from infra.local.storage.contents import Writer
from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.objects import Target
from infra.local.storage.preconditions import Preconditions
from infra.local.storage.resources import StoredObject
from infra.local.storage.uploads import UploadRequest, announced_hashes, check_hashes, receive, upload_request

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Session:
    """`state`: open, done (`generation` is the object's generation) or cancelled."""

    id: str
    request: UploadRequest
    state: str
    generation: int | None


async def begin(call: Call) -> Response:
    request = await upload_request(call, await call.json(), call.headers.get("x-upload-content-type"))
    session_id = secrets.token_urlsafe(32)
    await call.write(lambda tx: _insert(tx, session_id, request))
    location = (
        f"{call.origin}/upload/storage/v1/b/{quote(request.target.bucket, safe='')}/o"
        f"?uploadType=resumable&name={quote(request.target.name, safe='')}&upload_id={session_id}"
    )
    return Response(headers={"Location": location, "X-GUploader-UploadID": session_id, "Content-Length": "0"})


async def resume(call: Call) -> Response:
    """Handle any later request on the session's URL."""
    session_id = call.query["upload_id"]
    async with call.service.session_files.lock(session_id):
        session = await call.read(lambda tx: _load(tx, session_id, call.bucket))
        if session.state == "cancelled":
            raise ApiError(410, "gone", "The upload session was cancelled.")
        if session.state == "done":
            return await _already_done(call, session)
        if call.method == "DELETE":
            await _cancel(call, session)
            return Response(status_code=499)
        return await _continue(call, session)


async def _already_done(call: Call, session: Session) -> Response:
    """The client missed the final response and queries the status or sends the last chunk again."""
    if call.method != "DELETE":
        target = session.request.target
        found = await call.read(lambda tx: objects.find(tx, target.bucket, target.name))
        if found is not None and found.generation == session.generation:
            return call.object_response(found)
    raise ApiError(410, "gone", "The upload was completed, but its object has been replaced or deleted since.")


async def _cancel(call: Call, session: Session) -> None:
    await call.write(lambda tx: _close(tx, session, "cancelled"))
    call.service.session_files.delete(session.id)


async def _continue(call: Call, session: Session) -> Response:
    header = call.headers.get("content-range")
    sent, total = _content_range(header) if header else (None, None)
    writer = await call.service.session_files.writer(session.id)
    try:
        if header is None:  # the whole object, in this one request
            await receive(call.stream(), writer, start=writer.size)
            return await _finish(call, session, writer)
        if sent is not None:
            await _append(call, writer, *sent)
    except OSError:
        call.service.session_files.close(session.id)
        raise
    if total is not None and writer.size > total:
        raise invalid(f"{writer.size} bytes received, more than the {total} in Content-Range.")
    return await _finish(call, session, writer) if writer.size == total else _incomplete(call, session, writer.size)


def _content_range(header: str) -> tuple[tuple[int, int] | None, int | None]:
    """The start and the end (exclusive) of the chunk (None: a status query without bytes), and the object's size (None: not
    known yet)."""
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise invalid(f"Failed to parse Content-Range header: {header!r}")
    first, last, total = match.groups()
    size = None if total == "*" else int(total)
    if first is None:
        return None, size
    start, stop = int(first), int(last) + 1
    if start >= stop or (size is not None and stop > size):
        raise invalid(f"Invalid Content-Range header: {header!r}")
    return (start, stop), size


async def _append(call: Call, writer: Writer, start: int, stop: int) -> None:
    """Skip bytes that are already stored: the client may have missed the response to them."""
    if start > writer.size:
        message = (
            f"Invalid request. According to the Content-Range header, the upload offset is {start} byte(s), "
            f"which exceeds already uploaded size of {writer.size} byte(s)."
        )
        raise ApiError(503, "backendError", message)
    await receive(call.stream(), writer, start=writer.size - start, stop=stop - start)


def _incomplete(call: Call, session: Session, size: int) -> Response:
    headers = {"Content-Length": "0", "X-GUploader-UploadID": session.id}
    if size:
        headers["Range"] = f"bytes=0-{size - 1}"
    if call.headers.get("x-guploader-no-308") == "yes":
        return Response(headers={**headers, "X-HTTP-Status-Code-Override": "308"})
    return Response(status_code=308, headers=headers)


async def _finish(call: Call, session: Session, writer: Writer) -> Response:
    """Create the object and close the session in one transaction, so that a repeated request gets the same answer."""
    request = replace(session.request, hashes={**session.request.hashes, **announced_hashes(call.headers)})

    def create(tx: Transaction) -> StoredObject:
        stored = call.service.objects.create(tx, request.target, staged, request.attributes)
        _close(tx, session, "done", stored.generation)
        return stored

    staged = await asyncio.to_thread(writer.finish)
    try:
        check_hashes(request, staged)
        stored = await call.write(create)
    except ApiError:
        await _cancel(call, session)
        raise
    finally:
        call.service.session_files.close(session.id)
    call.service.session_files.delete(session.id)
    return call.object_response(stored)


def _insert(tx: Transaction, session_id: str, request: UploadRequest) -> None:
    tx.execute(
        "INSERT INTO uploads (id, bucket, name, request, created, state) VALUES (?, ?, ?, ?, ?, 'open')",
        session_id,
        request.target.bucket,
        request.target.name,
        json.dumps(asdict(request)),
        now_microseconds(),
    )


def _load(tx: Transaction, session_id: str, bucket: str) -> Session:
    row = tx.one("SELECT request, state, generation FROM uploads WHERE id = ? AND bucket = ?", session_id, bucket)
    if row is None:
        raise ApiError(404, "notFound", f"No such upload session: {session_id}")
    fields = json.loads(row[0])
    target = Target(**fields["target"])
    target = replace(target, preconditions=Preconditions(**fields["target"]["preconditions"]))
    return Session(session_id, UploadRequest(target, fields["attributes"], fields["hashes"]), row[1], row[2])


def _close(tx: Transaction, session: Session, state: str, generation: int | None = None) -> None:
    tx.execute("UPDATE uploads SET state = ?, generation = ? WHERE id = ?", state, generation, session.id)
