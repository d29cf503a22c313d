"""Buckets: the requests, and what they do in a transaction."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from infra.local.storage.answers import ApiError, JsonResponse, invalid, no_such_bucket
from infra.local.storage.calls import Call
from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.preconditions import UNCONDITIONAL, Preconditions, integer
from infra.local.storage.resources import rfc3339, version_tag

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_SELECT = "SELECT name, metageneration, created, updated, attributes FROM buckets"
_READ_ONLY_FIELDS = {
    "kind", "id", "name", "selfLink", "metageneration", "etag", "timeCreated", "updated", "projectNumber",
}  # fmt: skip


async def insert(call: Call) -> Response:
    body = await call.json()
    return JsonResponse(await call.write(lambda tx: create(tx, body)))


async def list_all(call: Call) -> Response:
    """One page in name order; its token is its last name."""
    limit = min(integer(call.query, "maxResults") or 1000, 1000)
    prefix, after = call.query.get("prefix", ""), call.query.get("pageToken", "")
    rows = await call.read(lambda tx: list(tx.rows(f"{_SELECT} WHERE name > ? ORDER BY name", after)))
    found = [_resource(row) for row in rows if row[0].startswith(prefix)]
    body: dict[str, Any] = {"kind": "storage#buckets", "items": found[:limit]}
    if len(found) > limit:
        body["nextPageToken"] = found[limit - 1]["name"]
    return JsonResponse(body)


async def get(call: Call) -> Response:
    return JsonResponse(await call.read(lambda tx: _checked(tx, call.bucket, call.preconditions, reading=True)))


async def delete(call: Call) -> Response:
    await call.write(lambda tx: _delete(tx, call.bucket, call.preconditions))
    return Response(status_code=204)


async def managed_folders(call: Call) -> Response:
    """gcloud lists managed folders before it deletes a bucket; there are none here."""
    await call.read(lambda tx: _checked(tx, call.bucket))
    return JsonResponse({"kind": "storage#managedFolders"})


async def storage_layout(call: Call) -> Response:
    """Clients ask whether the bucket has a hierarchical namespace; it never does here."""
    bucket = await call.read(lambda tx: _checked(tx, call.bucket))
    return JsonResponse(
        {
            "kind": "storage#storageLayout",
            "bucket": bucket["name"],
            "location": bucket["location"],
            "locationType": bucket["locationType"],
            "hierarchicalNamespace": {"enabled": False},
        }
    )


def _check_name(name: str) -> None:
    """https://cloud.google.com/storage/docs/buckets#naming"""
    dots_ok = all(0 < len(part) <= 63 for part in name.split("."))
    if not _NAME.fullmatch(name) or not dots_ok or ("." not in name and len(name) > 63):
        raise invalid(f"Invalid bucket name: {name!r}")


def create(tx: Transaction, body: Mapping[str, Any]) -> dict[str, Any]:
    name = str(body.get("name", ""))
    _check_name(name)
    if _exists(tx, name):
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ApiError(409, "conflict", message)
    now = now_microseconds()
    # Bucket settings are stored as given; nothing here acts on them.
    settings = {key: value for key, value in body.items() if key not in _READ_ONLY_FIELDS and value is not None}
    tx.execute("INSERT INTO buckets VALUES (?, 1, ?, ?, ?)", name, now, now, json.dumps(settings))
    return _checked(tx, name)


def ensure(tx: Transaction, name: str) -> None:
    """Create the bucket unless it exists."""
    if not _exists(tx, name):
        create(tx, {"name": name})


def _exists(tx: Transaction, name: str) -> bool:
    return tx.one("SELECT 1 FROM buckets WHERE name = ?", name) is not None


def _delete(tx: Transaction, name: str, preconditions: Preconditions) -> None:
    _checked(tx, name, preconditions)
    if tx.one("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", name):
        raise ApiError(409, "conflict", "The bucket you tried to delete is not empty.")
    tx.execute("DELETE FROM buckets WHERE name = ?", name)


def _checked(
    tx: Transaction, name: str, preconditions: Preconditions = UNCONDITIONAL, reading: bool = False
) -> dict[str, Any]:
    row = tx.one(f"{_SELECT} WHERE name = ?", name)
    if row is None:
        raise no_such_bucket()
    preconditions.check_version(0, row[1], reading)
    return _resource(row)


def _resource(row: tuple[Any, ...]) -> dict[str, Any]:
    name, metageneration, created, updated, attributes = row
    return {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
        "name": name,
        "projectNumber": "0",
        "metageneration": str(metageneration),
        "location": "US",
        "locationType": "multi-region",
        "storageClass": "STANDARD",
        "etag": version_tag(created, metageneration),
        "timeCreated": rfc3339(created),
        "updated": rfc3339(updated),
        "softDeletePolicy": {"retentionDurationSeconds": "0", "effectiveTime": rfc3339(created)},
        **json.loads(attributes),
    }
