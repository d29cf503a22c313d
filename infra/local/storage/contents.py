"""The bytes of objects: one file per generation, and one per upload in progress.

The order makes kill -9 safe: the file is completed and fsynced in `uploads/`, then linked under its generation in
`objects/`, then the row is committed. A row therefore always has its complete file; a file without a row is an orphan,
and the next start deletes it. The file is hard-linked rather than renamed, so that a resumable upload whose commit
failed still has its bytes.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

CHUNK = 1 << 20
KEPT_WRITERS = 64


@dataclass(frozen=True)
class StagedFile:
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

    def finish(self, component_count: int | None = None) -> StagedFile:
        """Sync everything to disk. A composite object has no MD5, as in the real service."""
        os.fsync(self._file.fileno())
        self._file.close()
        crc32c = base64.b64encode(self._crc32c.digest()).decode()  # type: ignore[no-untyped-call]
        md5 = base64.b64encode(self._md5.digest()).decode() if component_count is None else None
        return StagedFile(self.path, self.size, crc32c, md5, component_count)

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

    def path(self, generation: int) -> Path:
        return self._objects / str(generation)

    def upload_path(self, upload_id: str | None = None) -> Path:
        return self._uploads / (upload_id or secrets.token_hex(16))

    def publish(self, file: Path, generation: int) -> None:
        """Link the file under the generation; the row may be committed after this. `file` is a staged file, or that of
        another object: contents are immutable, so a copy can share its source's file."""
        os.link(file, self.path(generation))
        folder = os.open(self._objects, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, generation: int) -> None:
        self.path(generation).unlink(missing_ok=True)

    def remove_orphans(self, generations: Collection[str], upload_ids: Collection[str]) -> None:
        """At start-up, delete the files that a killed server did not commit."""
        for folder, known in ((self._objects, generations), (self._uploads, upload_ids)):
            for path in folder.iterdir():
                if path.name not in known:
                    path.unlink()


class SessionFiles:
    """The files of resumable uploads. They stay open between requests, with running checksums, so that a chunk does not
    have to read all earlier bytes again."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._locks: dict[str, asyncio.Lock] = {}
        self._writers: dict[str, Writer] = {}  # the least recently used one is first

    def lock(self, session_id: str) -> asyncio.Lock:
        """Serializes a session's requests: after a broken connection, the retry may overtake the original."""
        return self._locks.setdefault(session_id, asyncio.Lock())

    async def writer(self, session_id: str) -> Writer:
        """The session's writer. Opened in a thread because it reads the stored bytes after a restart. Hold the lock."""
        writer = self._writers.pop(session_id, None)
        if writer is None:
            writer = await asyncio.to_thread(Writer, self._contents.upload_path(session_id))
        self._writers[session_id] = writer
        idle = [other for other in self._writers if not self.lock(other).locked()]
        for other in idle[: max(0, len(self._writers) - KEPT_WRITERS)]:
            self.close(other)
        return writer

    def close(self, session_id: str) -> None:
        """Close the file but keep its bytes; the next request reads them again."""
        if writer := self._writers.pop(session_id, None):
            writer.close()

    def delete(self, session_id: str) -> None:
        """For a session that the database lists as done or cancelled."""
        self.close(session_id)
        self._contents.upload_path(session_id).unlink(missing_ok=True)
        self._locks.pop(session_id, None)
