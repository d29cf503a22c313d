"""Resumable upload sessions: the request is in the database, and the progress is the size of the upload's file.

Both survive kill -9, so a client that queries `bytes */N` after a restart continues where the file ends.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any

from infra.local.storage.contents import Contents, Writer
from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.errors import ApiError
from infra.local.storage.preconditions import Preconditions

KEPT_WRITERS = 64


@dataclass(frozen=True)
class UploadRequest:
    """The object that an upload will create. `md5` and `crc32c`: the checksums that the client announces (None: none)."""

    bucket: str
    name: str
    attributes: dict[str, Any]
    preconditions: Preconditions
    md5: str | None = None
    crc32c: str | None = None


@dataclass(frozen=True)
class Session:
    """`state`: open, done (`generation` is the object's generation) or cancelled."""

    id: str
    request: UploadRequest
    state: str
    generation: int | None


class Sessions:
    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._locks: dict[str, asyncio.Lock] = {}
        # Open files with running checksums, so that a chunk does not have to read all earlier bytes again.
        self._writers: OrderedDict[str, Writer] = OrderedDict()

    def lock(self, session_id: str) -> asyncio.Lock:
        """Serializes a session's requests: after a broken connection, the retry may overtake the original."""
        return self._locks.setdefault(session_id, asyncio.Lock())

    async def writer(self, session_id: str) -> Writer:
        """The session's writer. Runs in a thread because it reads the stored bytes after a restart. Hold the lock."""
        writer = self._writers.pop(session_id, None)
        if writer is None:
            writer = await asyncio.to_thread(Writer, self._contents.upload_path(session_id))
        self._writers[session_id] = writer
        self._close_idle()
        return writer

    def forget_writer(self, session_id: str) -> None:
        """Close the writer but keep its bytes; the next request reads them again."""
        writer = self._writers.pop(session_id, None)
        if writer:
            writer.close()

    def end(self, session_id: str) -> None:
        """Clean up after a session that the database lists as done or cancelled."""
        self.forget_writer(session_id)
        self._contents.upload_path(session_id).unlink(missing_ok=True)
        self._locks.pop(session_id, None)

    def _close_idle(self) -> None:
        """Close the least recently used writers, but never one whose request is still running."""
        idle = [name for name in self._writers if not self.lock(name).locked()]
        for session_id in idle[: max(0, len(self._writers) - KEPT_WRITERS)]:
            self.forget_writer(session_id)


def start(tx: Transaction, request: UploadRequest) -> str:
    session_id = secrets.token_urlsafe(32)
    tx.execute(
        "INSERT INTO uploads (id, bucket, name, request, created, state) VALUES (?, ?, ?, ?, ?, 'open')",
        session_id,
        request.bucket,
        request.name,
        json.dumps(asdict(request)),
        now_microseconds(),
    )
    return session_id


def load(tx: Transaction, session_id: str, bucket: str) -> Session:
    row = tx.one("SELECT id, request, state, generation FROM uploads WHERE id = ? AND bucket = ?", session_id, bucket)
    if row is None:
        raise ApiError(404, "notFound", f"No such upload session: {session_id}")
    fields = json.loads(row[1])
    fields["preconditions"] = Preconditions(**fields["preconditions"])
    return Session(row[0], UploadRequest(**fields), row[2], row[3])


def close(tx: Transaction, session_id: str, state: str, generation: int | None = None) -> None:
    tx.execute("UPDATE uploads SET state = ?, generation = ? WHERE id = ?", state, generation, session_id)
