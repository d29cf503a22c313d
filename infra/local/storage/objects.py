"""Object operations. Each runs inside one transaction, so checking a precondition and acting on it are atomic."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.local.storage.contents import Contents, StageResult
from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.errors import invalid, no_such_bucket, no_such_object
from infra.local.storage.names import check_object_name
from infra.local.storage.outbox import Outbox
from infra.local.storage.preconditions import UNCONDITIONAL, Preconditions
from infra.local.storage.resources import WRITABLE, StoredObject, given_attributes, patched_attributes

_COLUMNS = "bucket, name, generation, metageneration, size, crc32c, md5, component_count, created, updated, attributes"


@dataclass(frozen=True)
class Source:
    """The object that a copy, rewrite or move starts from."""

    bucket: str
    name: str
    generation: int | None = None
    preconditions: Preconditions = UNCONDITIONAL


def from_row(row: tuple[Any, ...]) -> StoredObject:
    return StoredObject(*(*row[:-1], json.loads(row[-1])))


def select(where: str) -> str:
    return f"SELECT {_COLUMNS} FROM objects WHERE {where}"  # noqa: S608 - `where` is always one of our literals


def require_bucket(tx: Transaction, bucket: str) -> None:
    if tx.one("SELECT 1 FROM buckets WHERE name = ?", bucket) is None:
        raise no_such_bucket()


def find(tx: Transaction, bucket: str, name: str) -> StoredObject | None:
    row = tx.one(select("bucket = ? AND name = ?"), bucket, name)
    return from_row(row) if row else None


def get(tx: Transaction, bucket: str, name: str, generation: int | None = None) -> StoredObject:
    """Raise a 404 if there is no such object or `generation` is not the live one (older generations are not kept)."""
    found = find(tx, bucket, name)
    if found is None:
        require_bucket(tx, bucket)
    if found is None or generation not in {None, found.generation}:
        raise no_such_object(bucket, name)
    return found


class Objects:
    """The mutations. Each new generation is recorded in `outbox` in the same transaction."""

    def __init__(self, contents: Contents, outbox: Outbox) -> None:
        self._contents = contents
        self._outbox = outbox

    def create(
        self,
        tx: Transaction,
        bucket: str,
        name: str,
        staged: StageResult,
        attributes: Mapping[str, Any],
        preconditions: Preconditions,
    ) -> StoredObject:
        """Create a generation with the staged contents (upload, compose)."""
        found = self._check_destination(tx, bucket, name, preconditions)
        made = StoredObject(
            bucket, name, 0, 1, staged.size, staged.crc32c, staged.md5, staged.component_count, 0, 0, attributes
        )
        stored = self._store(tx, made, found, lambda number: self._contents.publish(staged.path, number))
        tx.on_commit.append(lambda: staged.path.unlink(missing_ok=True))
        return stored

    def copy(
        self,
        tx: Transaction,
        source: Source,
        bucket: str,
        name: str,
        body: Mapping[str, Any],
        preconditions: Preconditions,
    ) -> StoredObject:
        """Create a generation with the source's contents, and its metadata unless the body has metadata."""
        original = get(tx, source.bucket, source.name, source.generation)
        source.preconditions.check_write(original)
        found = self._check_destination(tx, bucket, name, preconditions)
        made = replace(
            original,
            bucket=bucket,
            name=name,
            metageneration=1,
            attributes=_copied_attributes(original.attributes, body),
        )
        return self._store(tx, made, found, lambda number: self._contents.share(original.generation, number))

    def move(self, tx: Transaction, source: Source, name: str, preconditions: Preconditions) -> StoredObject:
        """Copy and delete in one transaction: no client ever sees both objects, or neither."""
        if source.name == name:
            raise invalid("The source and destination of a move must be different objects.", "destinationObject")
        moved = self.copy(tx, source, source.bucket, name, {}, preconditions)
        self._remove(tx, get(tx, source.bucket, source.name))
        return moved

    def patch(
        self,
        tx: Transaction,
        bucket: str,
        name: str,
        generation: int | None,
        preconditions: Preconditions,
        body: Mapping[str, Any],
        whole: bool = False,
    ) -> StoredObject:
        """Change the metadata of a generation. `whole`: replace it (PUT), dropping fields that are not in the body."""
        current = get(tx, bucket, name, generation)
        preconditions.check_write(current)
        if whole:
            kept = {"storageClass": current.attributes["storageClass"]} if "storageClass" in current.attributes else {}
            attributes = {**kept, **given_attributes(body)}
        else:
            attributes = patched_attributes(current.attributes, body)
        patched = replace(
            current,
            metageneration=current.metageneration + 1,
            updated=max(now_microseconds(), current.updated),
            attributes=attributes,
        )
        self._write_row(tx, patched)
        return patched

    def delete(self, tx: Transaction, bucket: str, name: str, generation: int | None, preconditions: Preconditions) -> None:
        current = get(tx, bucket, name, generation)
        preconditions.check_write(current)
        self._remove(tx, current)

    def _check_destination(
        self, tx: Transaction, bucket: str, name: str, preconditions: Preconditions
    ) -> StoredObject | None:
        require_bucket(tx, bucket)
        check_object_name(name)
        found = find(tx, bucket, name)
        preconditions.check_write(found)
        return found

    def _store(
        self, tx: Transaction, made: StoredObject, found: StoredObject | None, place: Callable[[int], None]
    ) -> StoredObject:
        """Give `made` its generation and its file, write the row, and record the event."""
        generation = tx.next_generation()
        stored = replace(made, generation=generation, created=generation, updated=generation)
        tx.on_rollback.append(lambda: self._contents.remove(generation))
        place(generation)
        self._write_row(tx, stored)
        if found:
            tx.on_commit.append(lambda: self._contents.remove(found.generation))
        self._outbox.record(tx, stored)
        return stored

    def _remove(self, tx: Transaction, stored: StoredObject) -> None:
        tx.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", stored.bucket, stored.name)
        tx.on_commit.append(lambda: self._contents.remove(stored.generation))

    @staticmethod
    def _write_row(tx: Transaction, stored: StoredObject) -> None:
        values = list(vars(stored).values())  # in the order of the columns
        values[-1] = json.dumps(stored.attributes)
        tx.execute(f"INSERT OR REPLACE INTO objects ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", *values)  # noqa: S608


def _copied_attributes(original: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A body with any metadata replaces the source's metadata completely, as in the real service."""
    given = given_attributes(body)
    if any(key in body for key in WRITABLE):
        kept = {"contentType": original["contentType"]} if "contentType" in original else {}
        return {**kept, **given}
    return {**original, **given}
