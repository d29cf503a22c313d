"""Parse the raw request path. Segments are split first and percent-decoded once, so `%2F` in an object's name stays
part of the name, and `%252F` is the three characters `%2F`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from infra.local.storage.errors import ApiError, invalid

_PREFIXES: dict[tuple[str, ...], str] = {
    ("storage", "v1"): "api",
    ("download", "storage", "v1"): "download",
    ("upload", "storage", "v1"): "upload",
    ("resumable", "upload", "storage", "v1"): "upload",
}


@dataclass(frozen=True)
class Route:
    """A parsed path: `kind` selects the handler; the other fields are its arguments (empty if absent)."""

    kind: str
    bucket: str = ""
    name: str = ""
    to_bucket: str = ""
    to_name: str = ""
    tail: tuple[str, ...] = ()


def parse(raw_path: bytes) -> Route | None:
    """None: this API has no such path."""
    segments = tuple(_decode(segment) for segment in raw_path.split(b"/")[1:])
    if segments[0] == "_local":
        return Route("local", tail=segments[1:])
    if segments[0] == "batch":
        return Route("batch")
    for prefix, surface in _PREFIXES.items():
        if segments[: len(prefix)] == prefix:
            return _resource(surface, segments[len(prefix) :])
    return None


def _decode(segment: bytes) -> str:
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("The path is not percent-encoded UTF-8.") from error


def _resource(surface: str, rest: tuple[str, ...]) -> Route | None:
    if surface == "upload":
        return Route("upload", bucket=rest[1]) if _matches(rest, "b", None, "o") else None
    if surface == "download":
        return Route("media", bucket=rest[1], name=rest[3]) if _matches(rest, "b", None, "o", None) else None
    if rest == ("b",):
        return Route("buckets")
    if _matches(rest, "b", None):
        return Route("bucket", bucket=rest[1])
    for part, kind in (("o", "objects"), ("storageLayout", "storageLayout"), ("managedFolders", "managedFolders")):
        if _matches(rest, "b", None, part):
            return Route(kind, bucket=rest[1])
    return _object(rest) if len(rest) > 3 and rest[2] == "o" and rest[0] == "b" else None


def _object(rest: tuple[str, ...]) -> Route:
    bucket, name = rest[1], rest[3]
    if len(rest) == 4:
        return Route("object", bucket, name)
    if _matches(rest[4:], "compose"):
        return Route("compose", bucket, name)
    for verb in ("copyTo", "rewriteTo"):
        if _matches(rest[4:], verb, "b", None, "o", None):
            return Route(verb, bucket, name, rest[6], rest[8])
    if _matches(rest[4:], "moveTo", "o", None):
        return Route("moveTo", bucket, name, bucket, rest[6])
    raise ApiError(
        404,
        "notFound",
        f"An object has no {'/'.join(rest[4:])!r}; write a slash in an object's name as %2F",
    )


def _matches(segments: tuple[str, ...], *pattern: str | None) -> bool:
    """None in the pattern matches any non-empty segment."""
    return len(segments) == len(pattern) and all(
        (bool(segment) if expected is None else segment == expected)
        for segment, expected in zip(segments, pattern, strict=True)
    )
