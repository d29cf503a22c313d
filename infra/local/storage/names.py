"""Rules for bucket and object names.

https://cloud.google.com/storage/docs/objects#naming and .../buckets#naming.
"""

from __future__ import annotations

import re

from infra.local.storage.errors import invalid, required

MAX_OBJECT_NAME_BYTES = 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def check_object_name(name: str) -> None:
    """Raise a 400 if no object may have this name."""
    if not name:
        raise required("name")
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise invalid("Object names must be valid UTF-8.", "name") from error
    if length > MAX_OBJECT_NAME_BYTES:
        raise invalid(
            f"The maximum object name length is {MAX_OBJECT_NAME_BYTES} characters, but got a name with "
            f"{length} characters.",
            "name",
        )
    if "\r" in name or "\n" in name:
        raise invalid("Disallowed unicode characters present in object name.", "name")
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid object name: {name!r}", "name")


def check_bucket_name(name: str) -> None:
    dots_ok = all(0 < len(part) <= 63 for part in name.split("."))
    if not _BUCKET.fullmatch(name) or not dots_ok or ("." not in name and len(name) > 63):
        raise invalid(f"Invalid bucket name: '{name}'", "name")
