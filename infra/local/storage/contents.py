"""The bytes of objects: one file per generation, and one per upload in progress.

The order makes kill -9 safe: the file is completed and fsynced in `uploads/`, then linked under its generation in
`objects/`, then the row is committed. A row therefore always has its complete file; a file without a row is an orphan,
and the next start deletes it. The file is hard-linked rather than renamed, so that a resumable upload whose commit
failed still has its bytes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

CHUNK = 1 << 20


@dataclass(frozen=True)
class StageResult:
    """A complete, fsynced file that is not an object yet."""

    path: Path
    size: int
    crc32c: str
    md5: str | None
    component_count: int | None = None


class Writer:
    """Append to an upload's file and update the checksums. Blocking: call it in a thread."""

    def __init__(self, path: Path) -> None:
        """Continue at the end of the file if it exists; read its contents again for the checksums."""
        self.path = path
        self.size = 0
        self._crc32c = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._file = path.open("ab", buffering=0)
        if self._file.tell():
            with path.open("rb") as existing:
                while chunk := existing.read(CHUNK):
                    self._count(chunk)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._count(data)

    def close(self) -> None:
        self._file.close()

    def finish(self, component_count: int | None = None) -> StageResult:
        """Sync everything to disk. A composite object has no MD5, as in the real service."""
        os.fsync(self._file.fileno())
        self._file.close()
        crc32c = base64.b64encode(self._crc32c.digest()).decode()  # type: ignore[no-untyped-call]
        md5 = base64.b64encode(self._md5.digest()).decode() if component_count is None else None
        return StageResult(self.path, self.size, crc32c, md5, component_count)

    def _count(self, data: bytes) -> None:
        self._crc32c.update(data)  # type: ignore[no-untyped-call]
        self._md5.update(data)
        self.size += len(data)


class Contents:
    def __init__(self, data_dir: Path) -> None:
        self._objects = data_dir / "objects"
        self._uploads = data_dir / "uploads"
        for folder in (self._objects, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)

    def upload_path(self, upload_id: str | None = None) -> Path:
        return self._uploads / (upload_id or secrets.token_hex(16))

    def open(self, generation: int) -> BinaryIO:
        return (self._objects / str(generation)).open("rb", buffering=0)

    def publish(self, staged: Path, generation: int) -> None:
        """Link the file under its generation; the row may be committed after this."""
        os.link(staged, self._objects / str(generation))
        self._sync_folder()

    def share(self, source_generation: int, generation: int) -> None:
        """Copy an object's contents. Contents are immutable, so both objects can share one file."""
        self.publish(self._objects / str(source_generation), generation)

    def remove(self, generation: int) -> None:
        (self._objects / str(generation)).unlink(missing_ok=True)

    def concatenate(self, sources: Iterable[BinaryIO], component_count: int) -> StageResult:
        writer = Writer(self.upload_path())
        for source in sources:
            while chunk := source.read(CHUNK):
                writer.write(chunk)
        return writer.finish(component_count)

    def remove_orphans(self, generations: Collection[int], upload_ids: Collection[str]) -> None:
        """At start-up, delete the files that a killed server did not commit."""
        known = {self._objects: {str(number) for number in generations}, self._uploads: set(upload_ids)}
        for folder, names in known.items():
            for path in folder.iterdir():
                if path.name not in names:
                    path.unlink()

    def _sync_folder(self) -> None:
        folder = os.open(self._objects, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
