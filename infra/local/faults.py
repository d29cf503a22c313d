"""Faults on request: makes a local server answer as the cloud does on a bad day.

An ASGI middleware, and the routes by which a test orders faults from it; knows nothing of what it wraps.

    faults = Faults()
    app = FaultMiddleware(Starlette(routes=[..., *fault_routes(faults)]), faults, error_body=my_json_of)

`POST /_local/faults` takes `{action, method?, path_regex?, times?, phase?, status?, retry_after?,
seconds?, body?}` or a list of them; `GET` lists what was armed, what is left and how often it struck;
`DELETE` disarms all and lets go of requests that hang.

    status   answer `status` (503 if not given), with `Retry-After: retry_after` and `body` where given
    reset    break the connection (TCP reset) instead of answering
    hang     answer nothing for `seconds`, or until the client goes or the faults are cleared; then break
             the connection
    slow     answer rightly, but with `seconds` of pause in the middle of the body (or before an empty one)

`times` is how many requests it strikes (1; null: until it is cleared).
`phase` is `before` (default: the request never reaches the server) or `after` (the server does its work and
only the answer is lost, which is what makes a client repeat something that has already happened).
`path_regex` is searched in the decoded path with its query string. `/_local/` itself is never disturbed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
import threading
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


class BadFault(ValueError):
    """The order for a fault cannot be understood."""


@dataclass(frozen=True)
class Fault:
    action: str
    method: str | None = None
    path_regex: str = ""
    times: int | None = 1
    phase: str = "before"
    status: int = 503
    retry_after: str | None = None
    seconds: float | None = None
    body: str | None = None

    def matches(self, method: str, path: str) -> bool:
        return (self.method is None or self.method == method) and re.search(self.path_regex, path) is not None


def parse_fault(order: Any) -> Fault:
    """The fault that a JSON order describes; raises BadFault naming the field that is wrong."""
    if not isinstance(order, dict):
        raise BadFault("a fault is a JSON object")
    unknown = set(order) - set(Fault.__dataclass_fields__)
    if unknown:
        raise BadFault(f"unknown field {sorted(unknown)[0]!r}; known: {', '.join(Fault.__dataclass_fields__)}")
    if order.get("action") not in ACTIONS:
        raise BadFault(f"action must be one of {', '.join(ACTIONS)}")
    if order.get("phase", "before") not in PHASES:
        raise BadFault(f"phase must be one of {', '.join(PHASES)}")
    fields = {name: value for name, value in order.items() if value is not None or name == "times"}
    convert: dict[str, Callable[[Any], Any]] = {
        "method": lambda value: str(value).upper(),
        "path_regex": lambda value: re.compile(value).pattern,
        "times": lambda value: None if value is None else int(value),
        "status": int,
        "retry_after": str,
        "seconds": float,
        "body": lambda value: value if isinstance(value, str) else json.dumps(value),
    }
    for name, value in fields.items():
        try:
            fields[name] = convert.get(name, str)(value)
        except (TypeError, ValueError, re.error) as error:
            raise BadFault(f"{name}: {error}") from None
    return Fault(**fields)


class Faults:
    """What is armed, in order; the first that matches strikes and is used up by one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[list[Any]] = []  # [fault, times left (None: no end), times struck]
        self._cleared = asyncio.Event()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append([fault, fault.times, 0])

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    def strike(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for entry in self._armed:
                if entry[1] != 0 and entry[0].matches(method, path):
                    entry[1] = None if entry[1] is None else entry[1] - 1
                    entry[2] += 1
                    fault: Fault = entry[0]
                    return fault
        return None

    def list_files(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{**vars(fault), "left": left, "struck": struck} for fault, left, struck in self._armed]

    async def wait_cleared(self) -> None:
        await self._cleared.wait()


def fault_routes(faults: Faults) -> list[BaseRoute]:
    async def endpoint(request: Request) -> Response:
        return await answer_fault_order(faults, request)

    return [Route(f"{ADMIN_PREFIX}faults", endpoint, methods=["GET", "POST", "DELETE"])]


async def answer_fault_order(faults: Faults, request: Request) -> Response:
    """GET lists, POST arms one or a list of them, DELETE disarms all."""
    if request.method == "POST":
        try:
            order = await request.json()
            for one in order if isinstance(order, list) else [order]:
                faults.add(parse_fault(one))
        except ValueError as error:  # BadFault, or not JSON
            return JSONResponse({"error": str(error)}, status_code=400)
    elif request.method == "DELETE":
        faults.clear()
    return JSONResponse({"faults": faults.list_files()})


class FaultMiddleware:
    """Must be the outermost application: it reaches through uvicorn's `send` for the connection to break."""

    def __init__(self, app: ASGIApp, faults: Faults, error_body: Callable[[int], dict[str, Any]] | None = None) -> None:
        self._app = app
        self._faults = faults
        self._error_body = error_body or (lambda status: {"error": f"fault: {status}"})

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
            content = fault.body if fault.body is not None else json.dumps(self._error_body(fault.status))
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            response = Response(content, fault.status, headers, media_type="application/json")
            await response(scope, receive, send)
            return
        if fault.action == "hang":
            await self._hang(fault, receive)
        await _break_connection(send)

    async def _hang(self, fault: Fault, receive: Receive) -> None:
        """Returns when the time is up, the client has gone, or the faults were cleared."""
        ways_out = [
            asyncio.ensure_future(_client_gone(receive)),
            asyncio.ensure_future(self._faults.wait_cleared()),
        ]
        try:
            await asyncio.wait(ways_out, timeout=fault.seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way_out in ways_out:
                way_out.cancel()


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _swallow(_message: Message) -> None:
    """A `send` for an answer that nobody will see."""


def _slowed(send: Send, seconds: float) -> Send:
    """A `send` that pauses once, in the middle of the first piece of the body."""
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


async def _break_connection(send: Send) -> None:
    """Aborts uvicorn's transport; under another server, breaks off in the middle of an answer."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        if transport.is_closing():
            return
        if raw := transport.get_extra_info("socket"):
            # Nothing lingers: the client gets a TCP reset, not an end that looks clean.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await asyncio.sleep(0)  # lets uvicorn notice, so that it doesn't complain of a missing answer
        return
    with contextlib.suppress(Exception):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
