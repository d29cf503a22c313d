"""Requests that create an object from other objects: copyTo, rewriteTo, moveTo, compose."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from infra.local.storage import objects
from infra.local.storage.answers import json_response
from infra.local.storage.calls import Call
from infra.local.storage.contents import StageResult
from infra.local.storage.database import Transaction
from infra.local.storage.errors import invalid, no_such_object, required
from infra.local.storage.names import check_object_name
from infra.local.storage.object_api import object_response
from infra.local.storage.objects import Source
from infra.local.storage.preconditions import Preconditions, integer
from infra.local.storage.resources import StoredObject, given_attributes, object_resource

MAX_COMPONENTS = 32
_SOURCE_CONDITIONS = (
    "ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch",
)  # fmt: skip


def _source(call: Call) -> Source:
    return Source(
        call.route.bucket,
        call.route.name,
        integer(call.query, "sourceGeneration"),
        Preconditions.from_query(call.query, source=True),
    )


async def _copied(call: Call) -> StoredObject:
    body, source, wanted, store = await call.json(), _source(call), call.preconditions, call.service.objects
    return await call.service.database.write(
        lambda tx: store.copy(tx, source, call.route.to_bucket, call.route.to_name, body, wanted)
    )


async def copy(call: Call) -> ASGIApp:
    return object_response(call, await _copied(call))


async def rewrite(call: Call) -> ASGIApp:
    """Always complete after the first call, because contents are shared instead of copied in pieces."""
    stored = await _copied(call)
    return json_response(
        {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(stored.size),
            "objectSize": str(stored.size),
            "done": True,
            "resource": object_resource(stored, call.base_url),
        }
    )


async def move(call: Call) -> ASGIApp:
    source, wanted, store = _source(call), call.preconditions, call.service.objects
    return object_response(
        call,
        await call.service.database.write(lambda tx: store.move(tx, source, call.route.to_name, wanted)),
    )


async def compose(call: Call) -> ASGIApp:
    body, route, wanted = await call.json(), call.route, call.preconditions
    attributes = given_attributes(body.get("destination") or {})
    check_object_name(route.name)
    sources = await call.service.database.read(lambda tx: _components(tx, route.bucket, body))
    await call.service.database.read(lambda tx: wanted.check_write(objects.find(tx, route.bucket, route.name)))
    staged = await asyncio.to_thread(_concatenate, call, sources)
    try:
        stored = await call.service.database.write(
            lambda tx: call.service.objects.create(tx, route.bucket, route.name, staged, attributes, wanted)
        )
    finally:
        staged.path.unlink(missing_ok=True)
    return object_response(call, stored)


def _components(tx: Transaction, bucket: str, body: Mapping[str, Any]) -> list[StoredObject]:
    listed = body.get("sourceObjects") or []
    if not listed:
        raise required("sourceObjects")
    if len(listed) > MAX_COMPONENTS:
        message = f"The number of source components provided ({len(listed)}) exceeds the maximum ({MAX_COMPONENTS})"
        raise invalid(message, "sourceObjects")
    objects.require_bucket(tx, bucket)
    return [_component(tx, bucket, entry) for entry in listed]


def _component(tx: Transaction, bucket: str, entry: Mapping[str, Any]) -> StoredObject:
    given = {key: str(value) for key, value in entry.items() if value is not None}
    conditions = {key: str(value) for key, value in (entry.get("objectPreconditions") or {}).items()}
    found = objects.get(tx, bucket, given.get("name", ""), integer(given, "generation"))
    Preconditions.from_query({key: conditions[key] for key in _SOURCE_CONDITIONS if key in conditions}).check_write(found)
    return found


def _concatenate(call: Call, sources: list[StoredObject]) -> StageResult:
    """Open all files before reading any, so that concurrent deletes do no harm."""
    with contextlib.ExitStack() as stack:
        files = []
        for source in sources:
            try:
                files.append(stack.enter_context(call.service.contents.open(source.generation)))
            except FileNotFoundError:
                raise no_such_object(source.bucket, source.name) from None
        return call.service.contents.concatenate(files, sum(source.component_count or 1 for source in sources))
