"""FileStore in memory, with the generations, metagenerations, custom metadata and preconditions of Cloud Storage."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, cast

from spark_jobs.cloud.ports import FileGone, FileRefused, StoredFile
from spark_jobs.contract.file_ids import FileId


@dataclass(frozen=True)
class FakeObject:
    """One live object."""

    stored: StoredFile
    content: bytes
    content_type: str = "text/csv"


@dataclass
class FakeFileStore:
    """Add objects with ``upload``; inspect the result with ``objects`` or ``names``.

    ``before_call`` is called with (method, object name) before each call of the port. It may raise any of the port's
    exceptions or change the store, so that a test can make something happen at exactly that moment.
    """

    now: Callable[[], datetime] = lambda: datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
    before_call: Callable[[str, str], None] = lambda method, name: None
    objects: dict[tuple[str, str], FakeObject] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    _generation: int = 1_000
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # What a test does with the bucket.

    def upload(
        self,
        name: str,
        content: bytes,
        *,
        bucket: str = "orders-data",
        metadata: Mapping[str, str] | None = None,
        created: datetime | None = None,
        content_type: str = "text/csv",
        content_encoding: str = "",
    ) -> StoredFile:
        """Create or overwrite an object: a new generation with metageneration 1."""
        with self._lock:
            self._generation += 1
            file = FileId(bucket, name, self._generation)
            when = created or self.now()
            stored = StoredFile(file, 1, len(content), when, dict(metadata or {}), content_encoding)
            self.objects[bucket, name] = FakeObject(stored, content, content_type)
            return stored

    def delete(self, name: str, bucket: str = "orders-data") -> None:
        with self._lock:
            self.objects.pop((bucket, name), None)

    def names(self, prefix: str = "", bucket: str = "orders-data") -> list[str]:
        with self._lock:
            return sorted(name for held, name in self.objects if held == bucket and name.startswith(prefix))

    def content(self, name: str, bucket: str = "orders-data") -> bytes:
        return self.objects[bucket, name].content

    # The port.

    def stat(self, bucket: str, name: str) -> StoredFile | None:
        self._called("stat", name)
        with self._lock:
            held = self.objects.get((bucket, name))
            return held.stored if held else None

    def list_files(self, bucket: str, prefix: str) -> Iterator[StoredFile]:
        self._called("list_files", prefix)
        for name in self.names(prefix, bucket):
            held = self.objects.get((bucket, name))
            if held:
                yield held.stored

    @contextmanager
    def open_file(self, file: FileId) -> Iterator[BinaryIO | None]:
        self._called("open_file", file.name)
        held = self._live(file)
        yield cast("BinaryIO", _GenerationReader(self, held)) if held else None

    def read_range(self, file: FileId, start: int, size: int) -> bytes | None:
        self._called("read_range", file.name)
        held = self._live(file)
        if held is None:
            return None
        return held.content[start:] if start < 0 else held.content[start : start + size]

    def annotate(self, stored: StoredFile, metadata: Mapping[str, str]) -> bool:
        self._called("annotate", stored.file.name)
        with self._lock:
            held = self._live(stored.file)
            if held is None or held.stored.metageneration != stored.metageneration:
                return False
            changed = replace(
                held.stored,
                metageneration=held.stored.metageneration + 1,
                metadata={**held.stored.metadata, **metadata},
            )
            self.objects[stored.file.bucket, stored.file.name] = replace(held, stored=changed)
            return True

    def write(self, bucket: str, name: str, content: bytes, content_type: str) -> None:
        self._called("write", name)
        self.upload(name, content, bucket=bucket, content_type=content_type)

    def move(self, file: FileId, to: str) -> bool:
        self._called("move", file.name)
        with self._lock:
            held = self._live(file)
            if held is None:
                return (file.bucket, to) in self.objects
            if (file.bucket, to) in self.objects:
                raise FileRefused(f"another object is already at {to}")
            self.upload(
                to,
                held.content,
                bucket=file.bucket,
                metadata=held.stored.metadata,
                content_type=held.content_type,
                content_encoding=held.stored.content_encoding,
            )
            del self.objects[file.bucket, file.name]
            return True

    def copy(self, file: FileId, to: str, metadata: Mapping[str, str]) -> FileId | None:
        self._called("copy", file.name)
        with self._lock:
            held = self._live(file)
            if held is None or (file.bucket, to) in self.objects:
                return None
            copied = self.upload(
                to,
                held.content,
                bucket=file.bucket,
                metadata=metadata,
                content_type=held.content_type,
                content_encoding=held.stored.content_encoding,
            )
            return copied.file

    def _live(self, file: FileId) -> FakeObject | None:
        with self._lock:
            held = self.objects.get((file.bucket, file.name))
            return held if held and held.stored.file == file else None

    def _called(self, method: str, name: str) -> None:
        with self._lock:
            self.calls.append((method, name))
        self.before_call(method, name)


class _GenerationReader:
    """The bytes of one generation; raises FileGone when that generation is no longer live."""

    def __init__(self, store: FakeFileStore, held: FakeObject) -> None:
        self._store = store
        self._held = held
        self._stream = io.BytesIO(held.content)

    def read(self, size: int = -1) -> bytes:
        self._store._called("read", self._held.stored.file.name)
        if self._store._live(self._held.stored.file) is None:
            raise FileGone(str(self._held.stored.file))
        return self._stream.read(size)


@dataclass
class FakeClock:
    """A clock that a test advances. Calling it returns the time (aware, UTC)."""

    at: datetime = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
