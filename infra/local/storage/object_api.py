"""Requests for one object, and the listing."""

from __future__ import annotations

from typing import Any, BinaryIO

from starlette.types import ASGIApp

from infra.local.storage import objects, ranges
from infra.local.storage.answers import MediaResponse, json_response, no_content
from infra.local.storage.calls import Call
from infra.local.storage.database import Transaction
from infra.local.storage.listing import Listing, Page, list_objects
from infra.local.storage.preconditions import check_etags
from infra.local.storage.resources import StoredObject, object_resource


def object_response(call: Call, stored: StoredObject) -> ASGIApp:
    return json_response(object_resource(stored, call.base_url), headers={"X-Goog-Generation": str(stored.generation)})


async def list_all(call: Call) -> ASGIApp:
    listing = Listing.from_query(call.query)
    if call.query.get("softDeleted", "").lower() == "true":
        return json_response({"kind": "storage#objects"})  # soft delete is not implemented
    page: Page = await call.service.database.read(lambda tx: list_objects(tx, call.route.bucket, listing))
    body: dict[str, Any] = {"kind": "storage#objects"}
    if page.next_token:
        body["nextPageToken"] = page.next_token
    if page.prefixes:
        body["prefixes"] = page.prefixes
    if page.items:
        body["items"] = [object_resource(item, call.base_url) for item in page.items]
    return json_response(body)


async def get(call: Call) -> ASGIApp:
    if call.query.get("alt") == "media":
        return await media(call)
    return object_response(call, await call.service.database.read(lambda tx: _readable(call, tx)))


async def media(call: Call) -> ASGIApp:
    stored, file = await _open(call)
    try:
        part = ranges.requested(call.header("range"), stored.size)
    except BaseException:
        file.close()
        raise
    return MediaResponse(stored, file, part)


async def _open(call: Call) -> tuple[StoredObject, BinaryIO]:
    """The row and its file. An overwrite may delete the file after the row was read: then read the row again."""
    while True:
        stored: StoredObject = await call.service.database.read(lambda tx: _readable(call, tx))
        try:
            return stored, call.service.contents.open(stored.generation)
        except FileNotFoundError:
            again = await call.service.database.read(lambda tx: _readable(call, tx))
            if again.generation == stored.generation:
                raise


def _readable(call: Call, tx: Transaction) -> StoredObject:
    found = objects.get(tx, call.route.bucket, call.route.name, call.generation)
    call.preconditions.check_read(found)
    check_etags(call.request.headers, found)
    return found


async def patch(call: Call) -> ASGIApp:
    body, route, generation, wanted = await call.json(), call.route, call.generation, call.preconditions
    store, whole = call.service.objects, call.method == "PUT"
    return object_response(
        call,
        await call.service.database.write(
            lambda tx: store.patch(tx, route.bucket, route.name, generation, wanted, body, whole)
        ),
    )


async def delete(call: Call) -> ASGIApp:
    route, generation, wanted = call.route, call.generation, call.preconditions
    store = call.service.objects
    await call.service.database.write(lambda tx: store.delete(tx, route.bucket, route.name, generation, wanted))
    return no_content()
