"""Fault injection: make a local server fail as the cloud does on a bad day.

An ASGI middleware for any application, and the routes that configure it.

    faults = Faults()
    app = FaultMiddleware(Starlette(routes=[..., *fault_routes(faults)]), faults, error_body=my_json_of)

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
import json
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACTIONS = ("status", "reset", "hang", "slow")
PHASES = ("before", "after")
ADMIN_PREFIX = "/_local/"


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


class Faults:
    """The active faults. The first one that matches a request strikes."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._cleared = asyncio.Event()

    def add(self, fault: Fault) -> None:
        self._active.append(fault)

    def clear(self) -> None:
        self._active.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    def strike(self, method: str, path: str) -> Fault | None:
        fault = next((fault for fault in self._active if fault.affects(method, path)), None)
        if fault:
            fault.struck += 1
        return fault

    def as_json(self) -> list[dict[str, Any]]:
        return [{**vars(fault), "left": fault.left} for fault in self._active]

    async def wait_cleared(self) -> None:
        await self._cleared.wait()


def fault_routes(faults: Faults) -> list[BaseRoute]:
    async def endpoint(request: Request) -> Response:
        return await handle_fault_request(faults, request)

    return [Route(f"{ADMIN_PREFIX}faults", endpoint, methods=["GET", "POST", "DELETE"])]


async def handle_fault_request(faults: Faults, request: Request) -> Response:
    """GET lists the faults, POST adds one or several, DELETE removes all."""
    if request.method == "POST":
        try:
            body = await request.json()
            for described in body if isinstance(body, list) else [body]:
                faults.add(parse_fault(described))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
    elif request.method == "DELETE":
        faults.clear()
    return JSONResponse({"faults": faults.as_json()})


class FaultMiddleware:
    """Must be the outermost application: it gets the connection to reset through uvicorn's `send`."""

    def __init__(self, app: ASGIApp, faults: Faults, error_body: Callable[[int], dict[str, Any]]) -> None:
        self._app = app
        self._faults = faults
        self._error_body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = None if scope["type"] != "http" else self._struck(scope)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.action == "slow":
            await self._app(scope, receive, _slowed(send, fault.seconds or 1.0))
        else:
            if fault.phase == "after":
                await self._app(scope, receive, _swallow)
            await self._fail(fault, scope, receive, send)

    def _struck(self, scope: Scope) -> Fault | None:
        if scope["path"].startswith(ADMIN_PREFIX):
            return None
        raw = scope.get("raw_path") or scope["path"].encode()
        path = unquote(raw.decode("latin-1"))
        if scope["query_string"]:
            path += "?" + unquote(scope["query_string"].decode("latin-1"))
        return self._faults.strike(scope["method"], path)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.action == "status":
            content = json.dumps(self._error_body(fault.status))
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            response = Response(content, fault.status, headers, media_type="application/json")
            await response(scope, receive, send)
            return
        if fault.action == "hang":
            await self._hang(fault, receive)
        await _reset_connection(send)

    async def _hang(self, fault: Fault, receive: Receive) -> None:
        """Wait until the time is up, the client disconnects, or the faults are cleared."""
        events = [
            asyncio.ensure_future(_client_disconnected(receive)),
            asyncio.ensure_future(self._faults.wait_cleared()),
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
