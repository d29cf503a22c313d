"""Object operations. Each runs inside one transaction, so checking a precondition and acting on it are atomic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.local.storage.answers import invalid, no_such_bucket, no_such_object, required
from infra.local.storage.contents import Contents, StagedFile
from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.events import Events
from infra.local.storage.notifications import Notifications
from infra.local.storage.preconditions import UNCONDITIONAL, Preconditions
from infra.local.storage.resources import WRITABLE, StoredObject, merged_attributes

MAX_NAME_BYTES = 1024
LIVE, ALL_VERSIONS = ("objects",), ("objects", "noncurrent")
"""Tables: a name has at most one live generation, and any number of noncurrent ones."""


@dataclass(frozen=True)
class Target:
    """The object that a request reads or changes, if the preconditions hold. `generation` None: the live one."""

    bucket: str
    name: str
    generation: int | None = None
    preconditions: Preconditions = UNCONDITIONAL


def select_one(tx: Transaction, where: str, *values: Any, tables: tuple[str, ...] = LIVE) -> StoredObject | None:
    """The first generation, by name and generation, for which `where` holds. `where` is always one of our literals, and
    ends with this order if it can hold for several."""
    found = (tx.one(f"SELECT * FROM {table} WHERE {where}", *values) for table in tables)  # noqa: S608
    row = min(filter(None, found), key=lambda row: row[1:3], default=None)
    return StoredObject(*(*row[:10], json.loads(row[10]), *row[11:])) if row else None


def require_bucket(tx: Transaction, bucket: str) -> None:
    if tx.one("SELECT 1 FROM buckets WHERE name = ?", bucket) is None:
        raise no_such_bucket()


def is_versioned(tx: Transaction, bucket: str) -> bool:
    row = tx.one("SELECT json_extract(attributes, '$.versioning.enabled') FROM buckets WHERE name = ?", bucket)
    return bool(row and row[0])


def find(tx: Transaction, bucket: str, name: str) -> StoredObject | None:
    return select_one(tx, "bucket = ? AND name = ?", bucket, name)


def get(tx: Transaction, target: Target, reading: bool = False) -> StoredObject:
    """Raise a 404 if there is no such object or generation, a 412 (or a 304 if reading) if a precondition fails.

    Conditions on the generation are about the live one, even if the request names another: "the object's current
    generation" (API reference of objects.get), and so in Google's own storage-testbench."""
    live = found = find(tx, target.bucket, target.name)
    if target.generation is not None and (live is None or live.generation != target.generation):
        key = (target.bucket, target.name, target.generation)
        found = select_one(tx, "bucket = ? AND name = ? AND generation = ?", *key, tables=("noncurrent",))
    if found is None:
        require_bucket(tx, target.bucket)
        raise no_such_object(target.bucket, target.name)
    target.preconditions.check_version(live.generation if live else 0, found.metageneration, reading)
    return found


def check_destination(tx: Transaction, target: Target) -> StoredObject | None:
    """Raise unless an object may be created there. Returns the object that it would replace."""
    require_bucket(tx, target.bucket)
    check_name(target.name)
    found = find(tx, target.bucket, target.name)
    target.preconditions.check(found)
    return found


def check_name(name: str) -> None:
    """Raise a 400 if no object may have this name: https://cloud.google.com/storage/docs/objects#naming"""
    if not name:
        raise required("name")
    length = len(name.encode())
    if length > MAX_NAME_BYTES:
        raise invalid(f"The maximum object name length is {MAX_NAME_BYTES} bytes, but got a name with {length} bytes.")
    if "\r" in name or "\n" in name:
        raise invalid("Disallowed unicode characters present in object name.")
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid object name: {name!r}")


class Objects:
    """The mutations. Each is recorded in `notifications` in the same transaction, and each new generation in `events`."""

    def __init__(self, contents: Contents, events: Events, notifications: Notifications) -> None:
        self._contents = contents
        self._events = events
        self._notifications = notifications

    def create(self, tx: Transaction, target: Target, staged: StagedFile, attributes: Mapping[str, Any]) -> StoredObject:
        """Create a generation with the staged contents (upload, compose)."""
        made = StoredObject(
            bucket=target.bucket,
            name=target.name,
            generation=0,
            metageneration=1,
            size=staged.size,
            crc32c=staged.crc32c,
            md5=staged.md5,
            component_count=staged.component_count,
            created=0,
            updated=0,
            attributes=attributes,
        )
        stored = self._store(tx, target, made, staged.path)
        tx.on_commit.append(lambda: staged.path.unlink(missing_ok=True))
        return stored

    def copy(self, tx: Transaction, source: Target, target: Target, body: Mapping[str, Any]) -> StoredObject:
        """Create a generation with the source's contents, and its metadata unless the body has metadata."""
        original = get(tx, source)
        attributes = original.attributes
        if any(key in body for key in WRITABLE):  # replaces all of the source's metadata, as in the real service
            attributes = {key: attributes[key] for key in ("contentType",) if key in attributes}
        made = replace(
            original,
            bucket=target.bucket,
            name=target.name,
            metageneration=1,
            attributes=merged_attributes(attributes, body),
            deleted=None,
        )
        return self._store(tx, target, made, self._contents.path(original.generation))

    def move(self, tx: Transaction, source: Target, target: Target) -> StoredObject:
        """Copy and delete in one transaction: no client ever sees both objects, or neither."""
        if source.name == target.name:
            raise invalid("The source and destination of a move must be different objects.")
        moved = self.copy(tx, source, target, {})
        self.delete(tx, source)
        return moved

    def patch(self, tx: Transaction, target: Target, body: Mapping[str, Any], whole: bool = False) -> StoredObject:
        """Change the metadata of a generation. `whole`: replace it (PUT), dropping fields that are not in the body."""
        current = get(tx, target)
        attributes = current.attributes
        if whole:
            attributes = {key: attributes[key] for key in ("storageClass",) if key in attributes}
        patched = replace(
            current,
            metageneration=current.metageneration + 1,
            updated=max(now_microseconds(), current.updated),
            attributes=merged_attributes(attributes, body),
        )
        self._write_row(tx, patched)
        self._notifications.record(tx, "OBJECT_METADATA_UPDATE", patched, patched.updated)
        return patched

    def delete(self, tx: Transaction, target: Target) -> None:
        """Permanent if the bucket isn't versioned or the request names the generation."""
        current = get(tx, target)
        self._remove(tx, current, keep=target.generation is None and is_versioned(tx, target.bucket))

    def _remove(self, tx: Transaction, current: StoredObject, keep: bool, replaced_by: int | None = None) -> None:
        """Delete a generation, or `keep` it as a noncurrent one."""
        table = "objects" if current.deleted is None else "noncurrent"
        tx.execute(f"DELETE FROM {table} WHERE generation = ?", current.generation)  # noqa: S608
        now = max(now_microseconds(), current.updated)
        removed = replace(current, deleted=now)
        if keep:
            self._write_row(tx, removed)
        else:
            tx.on_commit.append(lambda: self._contents.remove(current.generation))
        event_type = "OBJECT_ARCHIVE" if keep else "OBJECT_DELETE"
        self._notifications.record(tx, event_type, removed, now, overwrittenByGeneration=replaced_by)

    def _store(self, tx: Transaction, target: Target, made: StoredObject, file: Path) -> StoredObject:
        """Give `made` its generation and its file, write the row, and record the event."""
        found = check_destination(tx, target)
        generation = tx.next_generation()
        stored = replace(made, generation=generation, created=generation, updated=generation)
        tx.on_rollback.append(lambda: self._contents.remove(generation))
        self._contents.publish(file, generation)
        if found:
            self._remove(tx, found, keep=is_versioned(tx, target.bucket), replaced_by=generation)
        self._write_row(tx, stored)
        self._events.record(tx, stored)
        replaced = found.generation if found else None
        self._notifications.record(tx, "OBJECT_FINALIZE", stored, stored.created, overwroteGeneration=replaced)
        return stored

    @staticmethod
    def _write_row(tx: Transaction, stored: StoredObject) -> None:
        table, row = "noncurrent", {**vars(stored), "attributes": json.dumps(stored.attributes)}
        if stored.deleted is None:
            table = "objects"
            del row["deleted"]
        marks = ",".join("?" * len(row))
        tx.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", *row.values())  # noqa: S608
