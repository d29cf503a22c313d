"""Requests for one object: read, patch, delete, and create from other objects (copyTo, rewriteTo, moveTo, compose)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from infra.local.storage import downloads, objects
from infra.local.storage.answers import JsonResponse, invalid, no_such_object, required
from infra.local.storage.calls import Call
from infra.local.storage.contents import CHUNK, StagedFile, Writer
from infra.local.storage.database import Transaction
from infra.local.storage.objects import Target
from infra.local.storage.preconditions import Preconditions, integer
from infra.local.storage.resources import StoredObject, merged_attributes, object_resource

MAX_COMPONENTS = 32


async def get(call: Call) -> Response:
    if call.query.get("alt") == "media":
        return await downloads.media(call)
    return call.object_response(await call.read(lambda tx: downloads.readable(call, tx)))


async def patch(call: Call) -> Response:
    body, whole = await call.json(), call.method == "PUT"
    return call.object_response(await call.write(lambda tx: call.service.objects.patch(tx, call.target, body, whole)))


async def delete(call: Call) -> Response:
    await call.write(lambda tx: call.service.objects.delete(tx, call.target))
    return Response(status_code=204)


async def copy(call: Call) -> Response:
    return call.object_response(await _copied(call))


async def rewrite(call: Call) -> Response:
    """Always complete after the first call, because contents are shared instead of copied in pieces."""
    stored = await _copied(call)
    return JsonResponse(
        {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(stored.size),
            "objectSize": str(stored.size),
            "done": True,
            "resource": object_resource(stored, call.origin),
        }
    )


async def move(call: Call) -> Response:
    """Of live objects only: it has no sourceGeneration."""
    source = replace(_source(call), generation=None)
    destination = Target(call.bucket, call.path_params["to_name"], None, call.preconditions)
    return call.object_response(await call.write(lambda tx: call.service.objects.move(tx, source, destination)))


async def _copied(call: Call) -> StoredObject:
    body, path = await call.json(), call.path_params
    source, destination = _source(call), Target(path["to_bucket"], path["to_name"], None, call.preconditions)
    return await call.write(lambda tx: call.service.objects.copy(tx, source, destination, body))


def _source(call: Call) -> Target:
    generation, conditions = integer(call.query, "sourceGeneration"), Preconditions.from_query(call.query, "ifSource")
    return Target(call.bucket, call.path_params["name"], generation, conditions)


async def compose(call: Call) -> Response:
    body, target = await call.json(), Target(call.bucket, call.path_params["name"], None, call.preconditions)
    attributes = merged_attributes({}, body.get("destination") or {})
    sources = await call.read(lambda tx: _components(tx, target, body.get("sourceObjects") or []))
    staged = await asyncio.to_thread(_concatenate, call, sources)
    try:
        stored = await call.write(lambda tx: call.service.objects.create(tx, target, staged, attributes))
    finally:
        staged.path.unlink(missing_ok=True)
    return call.object_response(stored)


def _components(tx: Transaction, target: Target, listed: list[Mapping[str, Any]]) -> list[StoredObject]:
    if not listed:
        raise required("sourceObjects")
    if len(listed) > MAX_COMPONENTS:
        raise invalid(f"The number of source components provided ({len(listed)}) exceeds the maximum ({MAX_COMPONENTS})")
    found = [objects.get(tx, _component(target.bucket, entry)) for entry in listed]
    objects.check_destination(tx, target)
    return found


def _component(bucket: str, entry: Mapping[str, Any]) -> Target:
    given = {key: str(value) for key, value in entry.items() if value is not None}
    conditions = {key: str(value) for key, value in (entry.get("objectPreconditions") or {}).items()}
    generation = integer(given, "generation")
    return Target(bucket, given.get("name", ""), generation, Preconditions.from_query(conditions))


def _concatenate(call: Call, sources: list[StoredObject]) -> StagedFile:
    """Open all files before reading any, so that concurrent deletes do no harm."""
    contents = call.service.contents
    with contextlib.ExitStack() as stack:
        files = []
        for source in sources:
            try:
                files.append(stack.enter_context(contents.path(source.generation).open("rb")))
            except FileNotFoundError:
                raise no_such_object(source.bucket, source.name) from None
        writer = Writer(contents.upload_path())
        for file in files:
            while chunk := file.read(CHUNK):
                writer.write(chunk)
        return writer.finish(sum(source.component_count or 1 for source in sources))
