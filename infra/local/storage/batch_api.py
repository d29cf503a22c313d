"""Batches: many small requests in one multipart/mixed body, each handled like a separate request."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Scope
from starlette.types import Message as AsgiMessage

from infra.local.storage.calls import Call
from infra.local.storage.errors import ApiError, invalid

MAX_CALLS = 100
BOUNDARY = "batch_local_storage"


async def batch(call: Call, app: ASGIApp) -> ASGIApp:
    head = f"Content-Type: {call.header('content-type') or ''}\r\n\r\n".encode("latin-1")
    parts = BytesParser(policy=HTTP).parsebytes(head + await call.body()).get_payload()
    if not isinstance(parts, list):
        raise invalid("A batch must be a multipart/mixed body.")
    if len(parts) > MAX_CALLS:
        raise ApiError(400, "invalid", f"A batch may contain at most {MAX_CALLS} calls, but this one has {len(parts)}.")
    answers = [await _answer(call, app, part) for part in parts if isinstance(part, Message)]
    body = b"".join(b"--" + BOUNDARY.encode() + b"\r\n" + answer + b"\r\n" for answer in answers)
    return Response(body + f"--{BOUNDARY}--\r\n".encode(), media_type=f"multipart/mixed; boundary={BOUNDARY}")


async def _answer(call: Call, app: ASGIApp, part: Message) -> bytes:
    """Run one call through the application and encode its response as a part."""
    payload = part.get_payload(decode=True)
    scope, body = _inner_request(call, payload if isinstance(payload, bytes) else b"")
    sent: list[AsgiMessage] = []

    async def receive() -> AsgiMessage:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: AsgiMessage) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    content = b"".join(message.get("body", b"") for message in sent[1:])
    # Clients match responses to calls by this id; an id in angle brackets is returned in angle brackets.
    content_id = str(part.get("Content-ID", "")).strip("<>")
    lines = [b"Content-Type: application/http"]
    if content_id:
        lines.append(b"Content-ID: <response-" + content_id.encode("latin-1", "replace") + b">")
    lines += [b"", f"HTTP/1.1 {start['status']} {_phrase(start['status'])}".encode()]
    lines += [key + b": " + value for key, value in start["headers"] if key != b"content-length"]
    lines += [f"Content-Length: {len(content)}".encode(), b"", content]
    return b"\r\n".join(lines)


def _inner_request(call: Call, payload: bytes) -> tuple[Scope, bytes]:
    head, _, body = payload.replace(b"\r\n", b"\n").partition(b"\n\n")
    request_line, _, header_text = head.lstrip().partition(b"\n")
    words = request_line.split()
    if len(words) < 2:
        raise invalid("Each part of a batch must begin with a request line.")
    headers = BytesParser(policy=HTTP).parsebytes(header_text + b"\n\n").items()
    target = words[1]
    if target.startswith(b"http"):
        target = b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"
    raw_path, _, query = target.partition(b"?")
    own = [(b"host", (call.header("host") or "").encode("latin-1"))]
    scope = {
        **call.request.scope,
        "method": words[0].decode("latin-1").upper(),
        "path": raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "query_string": query,
        "headers": own
        + [
            (key.lower().encode("latin-1", "replace"), str(value).encode("latin-1", "replace"))
            for key, value in headers
            if key.lower() != "host"
        ],
    }
    return scope, body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
