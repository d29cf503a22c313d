"""An object as it is stored, and its API resource."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from infra.local.storage.answers import invalid

PUBLIC_URL = "https://www.googleapis.com"
MAX_METADATA_BYTES = 8192
WRITABLE = (
    "contentType",
    "contentEncoding",
    "contentDisposition",
    "contentLanguage",
    "cacheControl",
    "customTime",
    "metadata",
)
ALSO_SET = ("storageClass", "temporaryHold", "eventBasedHold")


@dataclass(frozen=True)
class StoredObject:
    """A generation, in the order of its table's columns. Times are microseconds since the epoch; `attributes` are the
    fields that a client may set; `deleted` is when it became noncurrent (None: it is live)."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    size: int
    crc32c: str
    md5: str | None
    component_count: int | None
    created: int
    updated: int
    attributes: Mapping[str, Any]
    deleted: int | None = None

    @property
    def etag(self) -> str:
        return version_tag(self.generation, self.metageneration)


def rfc3339(microseconds: int, timespec: str = "milliseconds") -> str:
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def version_tag(generation: int, metageneration: int) -> str:
    """An etag; the characters of base64, as in the real service."""
    return base64.b64encode(f"{generation}/{metageneration}".encode()).decode()


def object_resource(stored: StoredObject, base_url: str = PUBLIC_URL) -> dict[str, Any]:
    """The API resource. `base_url`: the address that the caller used, for the links (clients download from mediaLink)."""
    path = f"storage/v1/b/{stored.bucket}/o/{quote(stored.name, safe='')}"
    resource = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{base_url}/{path}",
        "mediaLink": f"{base_url}/download/{path}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "md5Hash": stored.md5,
        "crc32c": stored.crc32c,
        "etag": stored.etag,
        "componentCount": stored.component_count,
        "timeCreated": rfc3339(stored.created),
        "updated": rfc3339(stored.updated),
        "timeStorageClassUpdated": rfc3339(stored.created),
        "timeFinalized": rfc3339(stored.created),
        "timeDeleted": stored.deleted and rfc3339(stored.deleted),
        **stored.attributes,
    }
    return {key: value for key, value in resource.items() if value is not None}


def merged_attributes(current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """`current` with the settable fields of a request body. A null removes a field or a metadata key; fields that are not
    in the body keep their value; read-only fields are ignored, as in the real API."""
    merged = {**current, **{key: body[key] for key in (*WRITABLE, *ALSO_SET) if key in body}}
    if "metadata" in body:
        metadata = {**current.get("metadata", {}), **_texts(body["metadata"])} if body["metadata"] else {}
        merged["metadata"] = {key: value for key, value in metadata.items() if value is not None}
    size = sum(len(key.encode()) + len(value.encode()) for key, value in merged.get("metadata", {}).items())
    if size > MAX_METADATA_BYTES:
        raise invalid(f"Custom metadata has {size} bytes, more than the allowed {MAX_METADATA_BYTES}.")
    return {key: value for key, value in merged.items() if value not in (None, {})}


def _texts(metadata: object) -> dict[str, str | None]:
    """Metadata values as strings; numbers and booleans are converted to JSON."""
    if not isinstance(metadata, Mapping):
        raise invalid("metadata must be an object of strings.")
    texts: dict[str, str | None] = {}
    for key, value in metadata.items():
        if isinstance(value, dict | list):
            raise invalid(f"metadata value of {key!r} must be a string.")
        texts[str(key)] = value if value is None or isinstance(value, str) else json.dumps(value)
    return texts
