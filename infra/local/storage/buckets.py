"""Buckets and their notification configurations: the requests, and what they do in a transaction."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from infra.local.storage import notifications
from infra.local.storage.answers import ApiError, JsonResponse, invalid, no_such_bucket
from infra.local.storage.calls import Call
from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.objects import ALL_VERSIONS, require_bucket
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


async def patch(call: Call) -> Response:
    body, whole = await call.json(), call.method == "PUT"
    return JsonResponse(await call.write(lambda tx: _patch(tx, call.bucket, call.preconditions, body, whole)))


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


async def insert_notification(call: Call) -> Response:
    settings = notifications.parse(await call.json())
    await call.service.notifications.check_topic(settings["topic"])
    return JsonResponse(await call.write(lambda tx: _insert_notification(tx, call.bucket, settings)))


async def list_notifications(call: Call) -> Response:
    found = await call.read(lambda tx: _notifications(tx, call.bucket))
    return JsonResponse({"kind": "storage#notifications", **({"items": found} if found else {})})


async def get_notification(call: Call) -> Response:
    return JsonResponse(await call.read(lambda tx: _notification(tx, call.bucket, call.path_params["id"])))


async def delete_notification(call: Call) -> Response:
    await call.write(lambda tx: _delete_notification(tx, call.bucket, call.path_params["id"]))
    return Response(status_code=204)


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
    tx.execute("INSERT INTO buckets VALUES (?, 1, ?, ?, ?)", name, now, now, json.dumps(_changed({}, body)))
    return _checked(tx, name)


def _patch(
    tx: Transaction, name: str, preconditions: Preconditions, body: Mapping[str, Any], whole: bool
) -> dict[str, Any]:
    """`whole`: replace all settings (PUT)."""
    _checked(tx, name, preconditions)
    row = tx.one(f"{_SELECT} WHERE name = ?", name)
    current = {} if whole or row is None else json.loads(row[-1])
    tx.execute("UPDATE buckets SET attributes = ? WHERE name = ?", json.dumps(_changed(current, body)), name)
    _count_change(tx, name)
    return _checked(tx, name)


def _changed(current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, changed by a request. They are stored as given; of all of them, only versioning has an effect here."""
    settings = _merged(current, {key: value for key, value in body.items() if key not in _READ_ONLY_FIELDS})
    versioning = settings.get("versioning", {})
    if not isinstance(versioning, dict) or not isinstance(versioning.get("enabled", False), bool):
        raise invalid(f'Invalid versioning: {versioning!r}; expected {{"enabled": true}} or {{"enabled": false}}')
    return settings


def _merged(current: object, change: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON merge patch (RFC 7386): a null removes a key, objects are merged, everything else replaces."""
    merged = dict(current) if isinstance(current, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value) if isinstance(value, dict) else value
    return merged


def _count_change(tx: Transaction, name: str) -> None:
    statement = "UPDATE buckets SET metageneration = metageneration + 1, updated = ? WHERE name = ?"
    tx.execute(statement, now_microseconds(), name)


def ensure(tx: Transaction, name: str) -> None:
    """Create the bucket unless it exists."""
    if not _exists(tx, name):
        create(tx, {"name": name})


def _exists(tx: Transaction, name: str) -> bool:
    return tx.one("SELECT 1 FROM buckets WHERE name = ?", name) is not None


def _delete(tx: Transaction, name: str, preconditions: Preconditions) -> None:
    _checked(tx, name, preconditions)
    if any(tx.one(f"SELECT 1 FROM {table} WHERE bucket = ? LIMIT 1", name) for table in ALL_VERSIONS):  # noqa: S608
        raise ApiError(409, "conflict", "The bucket you tried to delete is not empty.")
    tx.execute("DELETE FROM notifications WHERE bucket = ?", name)
    tx.execute("DELETE FROM buckets WHERE name = ?", name)


def _insert_notification(tx: Transaction, bucket: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    require_bucket(tx, bucket)
    added = tx.execute("INSERT INTO notifications (bucket, settings) VALUES (?, ?)", bucket, json.dumps(settings))
    _count_change(tx, bucket)
    return _notification(tx, bucket, str(added.lastrowid))


def _notifications(tx: Transaction, bucket: str) -> list[dict[str, Any]]:
    require_bucket(tx, bucket)
    rows = tx.rows("SELECT id, bucket, settings FROM notifications WHERE bucket = ? ORDER BY id", bucket)
    return [notifications.resource(*row) for row in rows]


def _notification(tx: Transaction, bucket: str, config_id: str) -> dict[str, Any]:
    for found in _notifications(tx, bucket):
        if found["id"] == config_id:
            return found
    raise ApiError(404, "notFound", f"No such notification configuration: {bucket}/notificationConfigs/{config_id}")


def _delete_notification(tx: Transaction, bucket: str, config_id: str) -> None:
    _notification(tx, bucket, config_id)
    tx.execute("DELETE FROM notifications WHERE id = ?", config_id)
    _count_change(tx, bucket)


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
