"""Trouble on request: rules that make the next matching requests fail as networks and services do."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.local.storage.answers import json_response
from infra.local.storage.errors import ApiError, invalid

ACTIONS = ("status", "reset", "hang", "slow")
LONG = 3600.0


@dataclass
class Rule:
    """`times`: how many requests it still hits (None: until cleared). `after`: the request is carried out first and
    then its answer is lost or replaced, which is how a client comes to repeat what has been done."""

    id: int
    action: str
    method: str | None = None
    path_regex: str | None = None
    times: int | None = 1
    after: bool = False
    status: int = 503
    retry_after: float | None = None
    seconds: float | None = None
    hits: int = 0

    def matches(self, method: str, target: str) -> bool:
        return (
            self.times != 0
            and self.method in {None, method}
            and (self.path_regex is None or re.search(self.path_regex, target) is not None)
        )


class Faults:
    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._ids = itertools.count(1)

    def add(self, given: Mapping[str, Any]) -> dict[str, Any]:
        unknown = set(given) - set(Rule.__dataclass_fields__)
        if unknown:
            raise invalid(f"Unknown field of a fault: {', '.join(sorted(unknown))}")
        if given.get("action") not in ACTIONS:
            raise invalid(f"action must be one of {', '.join(ACTIONS)}", "action")
        try:
            re.compile(given.get("path_regex") or "")
        except re.error as error:
            raise invalid(f"path_regex is no regular expression: {error}", "path_regex") from error
        rule = Rule(**{**given, "id": next(self._ids), "hits": 0})
        if rule.method:
            rule.method = rule.method.upper()
        self._rules.append(rule)
        return asdict(rule)

    def list(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]

    def clear(self) -> None:
        self._rules.clear()

    def take(self, method: str, target: str) -> Rule | None:
        """The first rule that matches, counted as used; `target` is the decoded path with its query."""
        for rule in self._rules:
            if rule.matches(method, target):
                rule.hits += 1
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None


def with_faults(app: ASGIApp, faults: Faults) -> ASGIApp:
    """Everything but the admin paths passes the rules first."""

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        rule = None
        if scope["type"] == "http" and not scope["path"].startswith("/_local"):
            query = scope["query_string"].decode("latin-1")
            target = unquote(scope["raw_path"].decode("latin-1")) + (f"?{unquote(query)}" if query else "")
            rule = faults.take(scope["method"], target)
        if rule is None:
            await app(scope, receive, send)
        elif rule.action == "slow":
            await app(scope, receive, _stalling(scope, send, rule.seconds or 1.0))
        else:
            if rule.after:
                await app(scope, receive, _swallow)
            await _fail(rule, scope, receive, send)

    return faulty


async def _fail(rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
    if rule.action == "status":
        headers = {} if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
        error = ApiError(rule.status, "backendError", f"Fault {rule.id}: HTTP {rule.status}", headers=headers)
        await json_response(error.body(), rule.status, headers)(scope, receive, send)
        return
    if rule.action == "hang":
        await _hang(scope, LONG if rule.seconds is None else rule.seconds)
    await reset(scope)


async def _hang(scope: Scope, seconds: float) -> None:
    """Until the time is over or the client has gone."""
    transport, end = scope["state"]["connection"].transport, time.monotonic() + seconds
    while time.monotonic() < end and not transport.is_closing():
        await asyncio.sleep(min(0.1, max(0.0, end - time.monotonic())))


async def _swallow(message: Message) -> None:
    """An answer that nobody gets."""


def _stalling(scope: Scope, send: Send, seconds: float) -> Send:
    """The first piece of the body stops half way, for so long."""
    stalled = False

    async def stall(message: Message) -> None:
        nonlocal stalled
        body = message.get("body", b"")
        if stalled or message["type"] != "http.response.body" or not body:
            await send(message)
            return
        stalled = True
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await _hang(scope, seconds)
        await send({**message, "body": body[half:]})

    return stall


async def reset(scope: Scope) -> None:
    """Ends the connection with a TCP reset: no answer, not even a clean end."""
    transport = scope["state"]["connection"].transport
    if transport.is_closing():
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0)  # lets uvicorn notice, so that it doesn't complain of a missing answer
