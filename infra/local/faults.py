"""Fault injection: make a local server fail as the cloud does on a bad day.

An ASGI middleware for any application under uvicorn, which also serves the requests that configure it.

`POST /_local/faults` takes `{action, method?, path_regex?, times?, phase?, status?, retry_after?,
seconds?}` or a list of them. `GET` lists the faults, how often each has struck, and how often it still will.
`DELETE` removes all faults and releases hanging requests.

    status   respond with `status` (default 503), and with `Retry-After: retry_after` if given
    reset    reset the TCP connection instead of responding
    hang     do not respond for `seconds`, or until the client disconnects or the faults are cleared; then
             reset the connection
    slow     respond correctly, but pause for `seconds` in the middle of the body (or before an empty body)

`times` is the number of requests that the fault affects (default 1; null: no limit).
`phase` is `before` (default: the request never reaches the application) or `after` (the application handles the
request and only the response is lost, so that the client repeats something that has already happened).
`path_regex` is searched in the decoded path and query string. Requests to `/_local/` are never affected.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACTIONS = ("status", "reset", "hang", "slow")
PHASES = ("before", "after")


@dataclass
class Fault:
    """``struck``: how many requests it has affected."""

    action: str
    method: str | None = None
    path_regex: str = ""
    times: int | None = 1
    phase: str = "before"
    status: int = 503
    retry_after: str | None = None
    seconds: float | None = None
    struck: int = 0

    @property
    def left(self) -> int | None:
        return None if self.times is None else self.times - self.struck

    def affects(self, method: str, path: str) -> bool:
        matches = self.method in (None, method) and re.search(self.path_regex, path)
        return self.left != 0 and bool(matches)


def parse_fault(described: Any) -> Fault:
    """Parse a fault from JSON. Raises ValueError, which names the wrong field."""
    if not isinstance(described, dict):
        raise ValueError("a fault must be a JSON object")  # noqa: TRY004 - as for any other wrong description
    known = Fault.__dataclass_fields__.keys() - {"struck"}
    if unknown := described.keys() - known:
        raise ValueError(f"unknown field {min(unknown)!r}; known: {', '.join(sorted(known))}")
    if described.get("action") not in ACTIONS:
        raise ValueError(f"action must be one of {', '.join(ACTIONS)}")
    if described.get("phase", "before") not in PHASES:
        raise ValueError(f"phase must be one of {', '.join(PHASES)}")
    convert: dict[str, Callable[[Any], Any]] = {
        "method": lambda value: str(value).upper(),
        "path_regex": lambda value: re.compile(value).pattern,
        "times": int,
        "status": int,
        "retry_after": str,
        "seconds": float,
    }
    fields = dict(described)
    for name in fields.keys() & convert.keys():
        try:
            fields[name] = None if fields[name] is None else convert[name](fields[name])
        except (TypeError, ValueError, re.error) as error:
            raise ValueError(f"{name}: {error}") from None
    return Fault(**fields)


class FaultMiddleware:
    """Must be the outermost application: it gets the connection to reset through uvicorn's `send`.

    The first fault that matches a request strikes. ``error_body``: the service's JSON for an error with this status.
    """

    def __init__(self, app: ASGIApp, error_body: Callable[[int], dict[str, Any]]) -> None:
        self._app = app
        self._error_body = error_body
        self._active: list[Fault] = []
        self._cleared = asyncio.Event()

    def clear(self) -> None:
        """Remove all faults and release hanging requests."""
        self._active.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/_local/faults":
            response = await self._administer(Request(scope, receive))
            await response(scope, receive, send)
            return
        fault = self._striking(scope)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.action == "slow":
            await self._app(scope, receive, _slowed(send, fault.seconds or 1.0))
        else:
            if fault.phase == "after":
                await self._app(scope, receive, _swallow)
            await self._fail(fault, scope, receive, send)

    async def _administer(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                body = await request.json()
                self._active += [parse_fault(described) for described in (body if isinstance(body, list) else [body])]
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
        elif request.method == "DELETE":
            self.clear()
        return JSONResponse({"faults": [{**vars(fault), "left": fault.left} for fault in self._active]})

    def _striking(self, scope: Scope) -> Fault | None:
        if scope["path"].startswith("/_local/"):
            return None
        path = unquote(scope["raw_path"].decode("latin-1"))
        if scope["query_string"]:
            path += "?" + unquote(scope["query_string"].decode("latin-1"))
        fault = next((fault for fault in self._active if fault.affects(scope["method"], path)), None)
        if fault:
            fault.struck += 1
        return fault

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.action == "status":
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            response = JSONResponse(self._error_body(fault.status), fault.status, headers)
            await response(scope, receive, send)
            return
        if fault.action == "hang":
            await self._hang(fault, receive)
        await _reset_connection(send)

    async def _hang(self, fault: Fault, receive: Receive) -> None:
        """Wait until the time is up, the client disconnects, or the faults are cleared."""
        events = [
            asyncio.ensure_future(_client_disconnected(receive)),
            asyncio.ensure_future(self._cleared.wait()),
        ]
        try:
            await asyncio.wait(events, timeout=fault.seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()


async def _client_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _swallow(_message: Message) -> None:
    """A `send` that discards the response."""


def _slowed(send: Send, seconds: float) -> Send:
    """A `send` that pauses once, in the middle of the first chunk of the body."""
    paused = False

    async def slow(message: Message) -> None:
        nonlocal paused
        if message["type"] != "http.response.body" or paused:
            await send(message)
            return
        paused = True
        body = message.get("body", b"")
        half = len(body) // 2
        if half:
            await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await asyncio.sleep(seconds)
        await send({**message, "body": body[half:]})

    return slow


async def _reset_connection(send: Send) -> None:
    transport = send.__self__.transport  # type: ignore[attr-defined] # uvicorn's, which is the only server here
    if transport.is_closing():
        return
    # Don't linger, so that the client gets a TCP reset instead of a clean end.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0)  # let uvicorn notice, so that it does not complain about a missing response
