"""A request as the handlers see it, and the work on the database that they do for it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from infra.local.storage.answers import ApiError, JsonResponse
from infra.local.storage.database import Transaction
from infra.local.storage.objects import Target
from infra.local.storage.preconditions import Preconditions, integer
from infra.local.storage.resources import StoredObject, object_resource
from infra.local.storage.service import Service

MAX_JSON_BYTES = 8 << 20

T = TypeVar("T")


class Call(Request):
    """`query`: decoded once as UTF-8; the last value of a repeated parameter wins."""

    def __init__(self, service: Service, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self.service = service
        self.query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True, errors="strict"))

    @property
    def origin(self) -> str:
        """The address that the client used, so that links point back to this server."""
        return str(self.base_url).rstrip("/")

    @property
    def bucket(self) -> str:
        return str(self.path_params["bucket"])

    @property
    def preconditions(self) -> Preconditions:
        return Preconditions.from_query(self.query)

    @property
    def target(self) -> Target:
        """The object in the path."""
        name = self.path_params["name"]
        return Target(self.bucket, name, integer(self.query, "generation"), self.preconditions)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self.service.database.read(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self.service.database.write(work)

    async def body(self, limit: int = MAX_JSON_BYTES) -> bytes:
        """The complete body, decompressed: Google's Java client gzips its JSON."""
        received = bytearray()
        async for chunk in self.stream():
            received += chunk
            if len(received) > limit:
                raise ApiError(413, "uploadTooLarge", f"This request may have at most {limit} bytes.")
        if self.headers.get("content-encoding") != "gzip":
            return bytes(received)
        try:
            return zlib.decompressobj(wbits=31).decompress(received, limit)
        except zlib.error as error:
            raise ApiError(400, "parseError", f"The body is not gzip: {error}") from error

    async def json(self) -> dict[str, Any]:
        return parse_json(await self.body())

    def object_response(self, stored: StoredObject) -> Response:
        return JsonResponse(object_resource(stored, self.origin), headers={"X-Goog-Generation": str(stored.generation)})


def parse_json(text: bytes) -> dict[str, Any]:
    """A JSON object; an empty body counts as an empty object."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ApiError(400, "parseError", f"Parse Error: {error}") from error
    if not isinstance(value, dict):
        raise ApiError(400, "parseError", "Parse Error: the body must be a JSON object")
    return value
