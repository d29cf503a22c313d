"""A fake bucket that mirrors its live objects to a folder, which Spark reads as ``files_root``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.file_ids import FileId
from tests.fakes.file_store import FakeFileStore


@dataclass
class MirroredFileStore(FakeFileStore):
    """Supports a single bucket."""

    root: Path = field(default_factory=Path)

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
        with self._lock:
            stored = super().upload(
                name,
                content,
                bucket=bucket,
                metadata=metadata,
                created=created,
                content_type=content_type,
                content_encoding=content_encoding,
            )
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return stored

    def delete(self, name: str, bucket: str = "orders-data") -> None:
        with self._lock:
            super().delete(name, bucket)
            (self.root / name).unlink(missing_ok=True)

    def move(self, file: FileId, to: str) -> bool:
        with self._lock:
            was_live = self._live(file) is not None
            moved = super().move(file, to)
            if was_live and moved:
                (self.root / file.name).unlink(missing_ok=True)
            return moved
