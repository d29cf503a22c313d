"""An object as it is stored, and its API resource."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from infra.local.storage.errors import invalid

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
    """A live generation. Times are microseconds since the epoch; `attributes` are the fields that a client may set."""

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


def rfc3339(microseconds: int) -> str:
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{microseconds // 1000 % 1000:03d}Z"


def etag(stored: StoredObject) -> str:
    """In the real service's format: a base64 protobuf of generation and metageneration."""
    return version_tag(stored.generation, stored.metageneration)


def version_tag(generation: int, metageneration: int) -> str:
    raw = b"\x08" + _varint(generation) + b"\x10" + _varint(metageneration)
    return base64.b64encode(raw).decode()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


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
        "etag": etag(stored),
        "componentCount": stored.component_count,
        "timeCreated": rfc3339(stored.created),
        "updated": rfc3339(stored.updated),
        "timeStorageClassUpdated": rfc3339(stored.created),
        "timeFinalized": rfc3339(stored.created),
        **stored.attributes,
    }
    return {key: value for key, value in resource.items() if value is not None}


def given_attributes(body: Mapping[str, Any]) -> dict[str, Any]:
    """The settable fields of a request body, validated. Read-only fields are ignored, as in the real API."""
    given = {key: body[key] for key in (*WRITABLE, *ALSO_SET) if body.get(key) is not None}
    if "metadata" in given:
        given["metadata"] = {key: value for key, value in _texts(given["metadata"]).items() if value is not None}
    return _validated(given)


def patched_attributes(current: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes after a PATCH: null removes a field or a metadata key; omitted fields keep their value."""
    result = dict(current)
    for key in (*WRITABLE, *ALSO_SET):
        if key in body and key != "metadata":
            result[key] = body[key]
    if "metadata" in body:
        merged = {**current.get("metadata", {}), **_texts(body["metadata"])} if body["metadata"] else {}
        result["metadata"] = {key: value for key, value in merged.items() if value is not None} or None
    return _validated({key: value for key, value in result.items() if value is not None})


def _validated(attributes: dict[str, Any]) -> dict[str, Any]:
    """Drop empty custom metadata; raise a 400 if it is too large."""
    metadata = attributes.get("metadata")
    if metadata is not None and not metadata:
        return {key: value for key, value in attributes.items() if key != "metadata"}
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (metadata or {}).items())
    if size > MAX_METADATA_BYTES:
        raise invalid(f"Custom metadata has {size} bytes, more than the allowed {MAX_METADATA_BYTES}.", "metadata")
    return attributes


def _texts(metadata: object) -> dict[str, str | None]:
    """Metadata values as strings; numbers and booleans are converted to JSON."""
    if not isinstance(metadata, Mapping):
        raise invalid("metadata must be an object of strings.", "metadata")
    texts: dict[str, str | None] = {}
    for key, value in metadata.items():
        if isinstance(value, dict | list):
            raise invalid(f"metadata value of {key!r} must be a string.", "metadata")
        texts[str(key)] = value if value is None or isinstance(value, str) else json.dumps(value)
    return texts
