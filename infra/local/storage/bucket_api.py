"""Requests for buckets."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from infra.local.storage import buckets
from infra.local.storage.answers import json_response, no_content
from infra.local.storage.calls import Call
from infra.local.storage.preconditions import integer


async def insert(call: Call) -> ASGIApp:
    body = await call.json()
    return json_response(await call.service.database.write(lambda tx: buckets.insert(tx, body)))


async def list_all(call: Call) -> ASGIApp:
    limit = min(integer(call.query, "maxResults") or 1000, 1000)
    prefix, after = call.query.get("prefix", ""), call.query.get("pageToken", "")
    found, token = await call.service.database.read(lambda tx: buckets.list_buckets(tx, prefix, after, limit))
    body: dict[str, Any] = {"kind": "storage#buckets"}
    if found:
        body["items"] = found
    if token:
        body["nextPageToken"] = token
    return json_response(body)


async def get(call: Call) -> ASGIApp:
    wanted = call.preconditions
    return json_response(await call.service.database.read(lambda tx: buckets.get(tx, call.route.bucket, wanted)))


async def delete(call: Call) -> ASGIApp:
    wanted = call.preconditions
    await call.service.database.write(lambda tx: buckets.delete(tx, call.route.bucket, wanted))
    return no_content()


async def managed_folders(call: Call) -> ASGIApp:
    """gcloud lists managed folders before it deletes a bucket; there are none here."""
    await call.service.database.read(lambda tx: buckets.get(tx, call.route.bucket))
    return json_response({"kind": "storage#managedFolders"})


async def storage_layout(call: Call) -> ASGIApp:
    """Clients ask whether the bucket has a hierarchical namespace; it never does here."""
    bucket = await call.service.database.read(lambda tx: buckets.get(tx, call.route.bucket))
    return json_response(
        {
            "kind": "storage#storageLayout",
            "bucket": bucket["name"],
            "location": bucket["location"],
            "locationType": bucket["locationType"],
            "hierarchicalNamespace": {"enabled": False},
        }
    )
