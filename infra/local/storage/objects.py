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
from infra.local.storage.preconditions import UNCONDITIONAL, Preconditions
from infra.local.storage.resources import WRITABLE, StoredObject, merged_attributes

MAX_NAME_BYTES = 1024
_COLUMNS = "bucket, name, generation, metageneration, size, crc32c, md5, component_count, created, updated, attributes"


@dataclass(frozen=True)
class Target:
    """The object that a request reads or changes, if the preconditions hold. `generation` None: the live one."""

    bucket: str
    name: str
    generation: int | None = None
    preconditions: Preconditions = UNCONDITIONAL


def select_one(tx: Transaction, where: str, *values: Any) -> StoredObject | None:
    """The first object for which `where` holds, which is always one of our literals."""
    row = tx.one(f"SELECT {_COLUMNS} FROM objects WHERE {where}", *values)  # noqa: S608
    return StoredObject(*(*row[:-1], json.loads(row[-1]))) if row else None


def require_bucket(tx: Transaction, bucket: str) -> None:
    if tx.one("SELECT 1 FROM buckets WHERE name = ?", bucket) is None:
        raise no_such_bucket()


def find(tx: Transaction, bucket: str, name: str) -> StoredObject | None:
    return select_one(tx, "bucket = ? AND name = ?", bucket, name)


def get(tx: Transaction, target: Target, reading: bool = False) -> StoredObject:
    """Raise a 404 if there is no such object or its generation is not the live one (older ones are not kept), a 412 (or a
    304 if reading) if a precondition fails."""
    found = find(tx, target.bucket, target.name)
    if found is None:
        require_bucket(tx, target.bucket)
    if found is None or target.generation not in {None, found.generation}:
        raise no_such_object(target.bucket, target.name)
    target.preconditions.check(found, reading)
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
    """The mutations. Each new generation is recorded in `events` in the same transaction."""

    def __init__(self, contents: Contents, events: Events) -> None:
        self._contents = contents
        self._events = events

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
        return patched

    def delete(self, tx: Transaction, target: Target) -> None:
        current = get(tx, target)
        tx.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", current.bucket, current.name)
        tx.on_commit.append(lambda: self._contents.remove(current.generation))

    def _store(self, tx: Transaction, target: Target, made: StoredObject, file: Path) -> StoredObject:
        """Give `made` its generation and its file, write the row, and record the event."""
        found = check_destination(tx, target)
        generation = tx.next_generation()
        stored = replace(made, generation=generation, created=generation, updated=generation)
        tx.on_rollback.append(lambda: self._contents.remove(generation))
        self._contents.publish(file, generation)
        self._write_row(tx, stored)
        if found:
            tx.on_commit.append(lambda: self._contents.remove(found.generation))
        self._events.record(tx, stored)
        return stored

    @staticmethod
    def _write_row(tx: Transaction, stored: StoredObject) -> None:
        *values, attributes = vars(stored).values()  # in the order of the columns
        statement = f"INSERT OR REPLACE INTO objects ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
        tx.execute(statement, *values, json.dumps(attributes))
