"""Endpoints of the REST API: authenticate, count, read what was sent, and answer as the platform does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.jobs.answers import answer_unknown_path, malformed
from infra.local.jobs.login import Login

Fields = dict[str, Any]
"""What a request contains: its query, its JSON body and what the path names; the latter ones outrank the earlier ones."""

CONTENT = "content"
"""The field of a raw body."""


class Endpoints:
    def __init__(self, login: Login) -> None:
        self._login = login
        self.requests: Counter[str] = Counter()
        """By `METHOD /path/{with}/names`, in the order of their first request."""

    def route(
        self, method: str, path: str, answer: Callable[[Fields], Fields | bytes | None], *, raw: bool = False
    ) -> Route:
        """`answer` returns what is sent as JSON, or bytes that are sent as they are. The body is JSON unless `raw`."""
        counted = f"{method} {path.replace(':path}', '}')}"

        async def endpoint(request: Request) -> Response:
            # Read the body first: nothing is awaited between here and the response, so requests can't interleave.
            body = await request.body()
            self.requests[counted] += 1
            self._login.require(request)
            sent = {CONTENT: body} if raw else _json(body) if method != "GET" else {}
            result = answer({**request.query_params, **sent, **request.path_params})
            # The CLI takes the workspace's id from any answer.
            headers = {"X-Databricks-Org-Id": "1"}
            if isinstance(result, bytes):
                return Response(result, media_type="application/octet-stream", headers=headers)
            return JSONResponse(result or {}, headers=headers)

        return Route(path, endpoint, methods=[method])

    def answer_unknown(self, request: Request, error: Exception) -> Response:
        """Count what a client asked for in vain, so that the statistics show what is missing here."""
        self.requests[f"unknown: {request.method} {request.url.path}"] += 1
        return answer_unknown_path(request, error)


def text(fields: Fields, name: str) -> str:
    """A required text. Raises ApiError."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(f"expected a text in the field {name}")
    return value


def flag(fields: Fields, name: str) -> bool:
    """In a query, true is a text."""
    return fields.get(name) in (True, "true")


def objects(fields: Fields, name: str) -> list[Fields]:
    """A list of objects; empty without the field. Raises ApiError."""
    value = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise malformed(f"expected a list of objects in the field {name}")
    return value


def _json(body: bytes) -> Fields:
    try:
        fields = json.loads(body or b"{}")
        # Python reads NaN and lone surrogates; no answer and no database could hold them.
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise malformed("not a JSON object")
    return fields
