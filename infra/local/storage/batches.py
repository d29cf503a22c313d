"""Batches: many small requests in one multipart/mixed body, each handled like a separate request."""

from __future__ import annotations

import asyncio
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.client import responses
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import Message as AsgiMessage
from starlette.types import Scope

from infra.local.storage.answers import invalid
from infra.local.storage.calls import Call

MAX_CALLS = 100
BOUNDARY = "batch_local_storage"


async def batch(call: Call) -> Response:
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n".encode("latin-1")
    parts = BytesParser(policy=HTTP).parsebytes(head + await call.body()).get_payload()
    if not isinstance(parts, list):
        raise invalid("A batch must be a multipart/mixed body.")
    if len(parts) > MAX_CALLS:
        raise invalid(f"A batch may contain at most {MAX_CALLS} calls, but this one has {len(parts)}.")
    answers = [await _answer(call, part) for part in parts if isinstance(part, Message)]
    body = b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + answer + b"\r\n" for answer in answers)
    return Response(body + f"--{BOUNDARY}--\r\n".encode(), media_type=f"multipart/mixed; boundary={BOUNDARY}")


async def _answer(call: Call, part: Message) -> bytes:
    """Run one call through the application and encode its response as a part."""
    scope, body = _inner_request(call, part)
    unread = [body]
    sent: list[AsgiMessage] = []

    async def receive() -> AsgiMessage:
        if not unread:
            await asyncio.Future()  # a response that waits for a disconnect waits until it is cancelled
        return {"type": "http.request", "body": unread.pop(), "more_body": False}

    async def send(message: AsgiMessage) -> None:
        sent.append(message)

    await call.app(scope, receive, send)
    start = sent[0]
    content = b"".join(message.get("body", b"") for message in sent[1:])
    # Clients match responses to calls by this id; an id in angle brackets is returned in angle brackets.
    content_id = str(part.get("Content-ID", "")).strip("<>")
    lines = [b"Content-Type: application/http"]
    if content_id:
        lines.append(b"Content-ID: <response-" + content_id.encode("latin-1", "replace") + b">")
    lines += [b"", f"HTTP/1.1 {start['status']} {responses.get(start['status'], 'Unknown')}".encode()]
    lines += [key + b": " + value for key, value in start["headers"] if key != b"content-length"]
    lines += [f"Content-Length: {len(content)}".encode(), b"", content]
    return b"\r\n".join(lines)


def _inner_request(call: Call, part: Message) -> tuple[Scope, bytes]:
    payload = part.get_payload(decode=True)
    head, _, body = (payload if isinstance(payload, bytes) else b"").replace(b"\r\n", b"\n").partition(b"\n\n")
    request_line, _, header_text = head.lstrip().partition(b"\n")
    try:
        method, url = request_line.decode("latin-1").split()[:2]
        target = urlsplit(url)
    except ValueError:
        raise invalid("Each part of a batch must begin with a request line.") from None
    headers = [(key.lower(), str(value)) for key, value in BytesParser(policy=HTTP).parsebytes(header_text).items()]
    given = [("host", call.headers.get("host", "")), *[header for header in headers if header[0] != "host"]]
    scope = {
        **call.scope,
        "method": method.upper(),
        "path": target.path,
        "raw_path": target.path.encode("latin-1"),
        "query_string": target.query.encode("latin-1"),
        "headers": [(key.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for key, value in given],
    }
    return scope, body
