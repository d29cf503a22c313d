"""Bucket operations; each function runs inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.errors import ApiError, NotModified, condition_not_met, no_such_bucket
from infra.local.storage.names import check_bucket_name
from infra.local.storage.preconditions import UNCONDITIONAL, Preconditions
from infra.local.storage.resources import rfc3339, version_tag

_READ_ONLY_FIELDS = {
    "kind", "id", "name", "selfLink", "metageneration", "etag", "timeCreated", "updated", "projectNumber",
}  # fmt: skip


def insert(tx: Transaction, body: Mapping[str, Any]) -> dict[str, Any]:
    name = str(body.get("name", ""))
    check_bucket_name(name)
    if tx.one("SELECT 1 FROM buckets WHERE name = ?", name):
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ApiError(409, "conflict", message)
    now = now_microseconds()
    # Bucket settings are stored as given; nothing here acts on them.
    settings = {key: value for key, value in body.items() if key not in _READ_ONLY_FIELDS and value is not None}
    tx.execute("INSERT INTO buckets VALUES (?, 1, ?, ?, ?)", name, now, now, json.dumps(settings))
    return get(tx, name)


def ensure(tx: Transaction, name: str) -> None:
    """Create the bucket unless it exists."""
    if tx.one("SELECT 1 FROM buckets WHERE name = ?", name) is None:
        insert(tx, {"name": name})


def get(tx: Transaction, name: str, preconditions: Preconditions = UNCONDITIONAL, reading: bool = True) -> dict[str, Any]:
    row = tx.one("SELECT name, metageneration, created, updated, attributes FROM buckets WHERE name = ?", name)
    if row is None:
        raise no_such_bucket()
    if preconditions.metageneration_match not in {None, row[1]}:
        raise condition_not_met("If-Match")
    if preconditions.metageneration_not_match == row[1]:
        if reading:
            raise NotModified
        raise condition_not_met("If-None-Match")
    return _resource(row)


def list_buckets(tx: Transaction, prefix: str, after: str, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """One page in name order, and the token of the next page."""
    rows = tx.rows(
        "SELECT name, metageneration, created, updated, attributes FROM buckets WHERE name > ? ORDER BY name", after
    )
    found: list[dict[str, Any]] = []
    for row in rows:
        if row[0].startswith(prefix):
            if len(found) == limit:
                return found, found[-1]["name"]
            found.append(_resource(row))
    return found, None


def delete(tx: Transaction, name: str, preconditions: Preconditions) -> None:
    get(tx, name, preconditions, reading=False)
    if tx.one("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", name):
        raise ApiError(409, "conflict", "The bucket you tried to delete is not empty.")
    tx.execute("DELETE FROM buckets WHERE name = ?", name)


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
