"""A request as the handlers see it: decoded once, with its JSON body, preconditions and route."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from infra.local.storage.errors import ApiError, invalid
from infra.local.storage.preconditions import Preconditions, integer
from infra.local.storage.routes import Route
from infra.local.storage.service import Service

MAX_JSON_BYTES = 8 << 20


class Call:
    def __init__(self, service: Service, request: Request, route: Route) -> None:
        self.service = service
        self.request = request
        self.route = route
        self.query = _query(request.scope["query_string"])
        override = request.headers.get("x-http-method-override", "")
        self.method = override.upper() if request.method == "POST" and override else request.method

    @property
    def base_url(self) -> str:
        """The address that the client used, so that links point back to this server."""
        host = self.request.headers.get("host") or "127.0.0.1"
        return f"{self.request.url.scheme}://{host}"

    @property
    def preconditions(self) -> Preconditions:
        return Preconditions.from_query(self.query)

    @property
    def generation(self) -> int | None:
        return integer(self.query, "generation")

    def header(self, name: str) -> str | None:
        return self.request.headers.get(name)

    async def body(self) -> bytes:
        """A complete (small) body, decompressed: Google's Java client gzips its JSON."""
        received = bytearray()
        async for chunk in self.request.stream():
            received += chunk
            if len(received) > MAX_JSON_BYTES:
                raise ApiError(413, "uploadTooLarge", "The request's JSON is too large.")
        if self.header("content-encoding") == "gzip":
            return _gunzip(bytes(received))
        return bytes(received)

    async def json(self) -> dict[str, Any]:
        return parse_json(await self.body())


def _query(raw: bytes) -> Mapping[str, str]:
    """The query, decoded once as UTF-8; the last value of a repeated parameter wins."""
    try:
        return dict(parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=200))
    except ValueError as error:
        raise invalid("The query is not percent-encoded UTF-8.") from error


def parse_json(text: bytes) -> dict[str, Any]:
    """A JSON object; an empty body counts as an empty object."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, UnicodeDecodeError) as error:
        raise ApiError(400, "parseError", f"Parse Error: {error}") from error
    if not isinstance(value, dict):
        raise ApiError(400, "parseError", "Parse Error: the body must be a JSON object")
    return value


def _gunzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, MAX_JSON_BYTES)
    except zlib.error as error:
        raise ApiError(400, "parseError", f"The body is not gzip: {error}") from error
