"""Upload to the local stack with the official client, as any sender would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud import storage

PREFIX = "source/"


@dataclass(frozen=True)
class Uploaded:
    """A completed upload, as the service reports it. ``size`` is in bytes; ``created`` has a time zone."""

    bucket: str
    name: str
    generation: int
    size: int
    created: datetime

    @property
    def file_id(self) -> str:
        return f"{self.bucket}/{self.name}#{self.generation}"


def connect(storage_url: str) -> storage.Client:
    """A client for the storage server at this address, independent of environment variables."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    return storage.Client(project="local", credentials=AnonymousCredentials(), client_options={"api_endpoint": storage_url})


def upload_object(client: storage.Client, bucket: str, name: str, content: bytes | Path) -> Uploaded:
    """Upload bytes or a file below ``source/``. Raises OSError if the file can't be read."""
    blob = client.bucket(bucket).blob(PREFIX + name)
    if isinstance(content, Path):
        blob.upload_from_filename(content, content_type="text/csv")
    else:
        blob.upload_from_string(content, content_type="text/csv")
    return Uploaded(blob.bucket.name, blob.name, int(blob.generation), int(blob.size), blob.time_created)
