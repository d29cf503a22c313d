"""objects.list: in name order, with prefix, delimiter, offsets and pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from infra.local.storage.answers import JsonResponse, invalid
from infra.local.storage.calls import Call
from infra.local.storage.database import Transaction
from infra.local.storage.objects import ALL_VERSIONS, LIVE, require_bucket, select_one
from infra.local.storage.preconditions import integer
from infra.local.storage.resources import StoredObject, object_resource

MAX_PAGE = 1000
_ABOVE_ALL = "\U0010ffff" * 256  # sorts after every name, because a name has at most 1024 bytes


class Listing:
    """A listing request. `start` (a name and a generation) is inclusive, `end` (a name; empty: no end) is exclusive. Names
    are in UTF-8 byte order."""

    def __init__(self, query: Mapping[str, str]) -> None:
        wanted = integer(query, "maxResults") or MAX_PAGE
        if wanted < 0:
            raise invalid(f"Invalid value for maxResults: {wanted}")
        self.page_size = min(wanted, MAX_PAGE)
        self.prefix = query.get("prefix", "")
        self.delimiter = query.get("delimiter", "")
        offset = max(self.prefix, query.get("startOffset", ""))
        self.start = max((offset, 0), _decode_token(query.get("pageToken", "")))
        self.end = query.get("endOffset", "")
        self.tables = ALL_VERSIONS if query.get("versions", "").lower() == "true" else LIVE
        self.trailing_delimiter = query.get("includeTrailingDelimiter", "").lower() == "true"
        self.glob = glob_pattern(query.get("matchGlob") or "**")

    def common_prefix(self, name: str) -> str | None:
        found = name.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
        return None if found < 0 else name[: found + len(self.delimiter)]


@dataclass
class Page:
    items: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_token: str | None = None


async def list_objects(call: Call) -> Response:
    listing = Listing(call.query)
    body: dict[str, Any] = {"kind": "storage#objects"}
    if call.query.get("softDeleted", "").lower() == "true":
        return JsonResponse(body)  # soft delete is not implemented
    page = await call.read(lambda tx: _page(tx, call.bucket, listing))
    if page.next_token:
        body["nextPageToken"] = page.next_token
    if page.prefixes:
        body["prefixes"] = page.prefixes
    if page.items:
        body["items"] = [object_resource(item, call.origin) for item in page.items]
    return JsonResponse(body)


def _page(tx: Transaction, bucket: str, listing: Listing) -> Page:
    """Look up one generation after the other. After a common prefix, go on behind all names that begin with it."""
    require_bucket(tx, bucket)
    page, start = Page(), listing.start
    where = "bucket = ? AND (name, generation) >= (?, ?) ORDER BY name, generation LIMIT 1"
    while stored := select_one(tx, where, bucket, *start, tables=listing.tables):
        name = stored.name
        if not name.startswith(listing.prefix) or (listing.end and name >= listing.end):
            break
        start = (name, stored.generation + 1)
        if not listing.glob.fullmatch(name):
            continue
        if len(page.items) + len(page.prefixes) >= listing.page_size:
            page.next_token = base64.urlsafe_b64encode(f"{stored.generation}/{name}".encode()).decode()
            break
        common = listing.common_prefix(name)
        if common is None or (listing.trailing_delimiter and name == common):
            page.items.append(stored)
        if common is not None:
            page.prefixes.append(common)
            start = (common + _ABOVE_ALL, 0)
    return page


def _decode_token(token: str) -> tuple[str, int]:
    """A token is the first generation and name of its page."""
    if not token:
        return "", 0
    try:
        generation, _, name = base64.b64decode(token, altchars=b"-_", validate=True).decode().partition("/")
        return name, int(generation)
    except ValueError as error:  # of base64, UTF-8 or int
        raise invalid(f"Invalid page token: {token!r} (pageToken)") from error


def glob_pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` do not match a slash, `**` does; `[…]` is a set, `{a,b}` are alternatives."""
    simple = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}
    out, depth = "", 0
    for part in re.findall(r"\*\*|\[[^\]]+\]|.", glob, re.DOTALL):
        depth += (part == "{") - (part == "}")
        if part.startswith("[") and len(part) > 1:
            out += "[" + part[1:-1].replace("\\", r"\\").replace("!", "^", part[1] == "!") + "]"
        elif part == "," and depth:
            out += "|"
        else:
            out += simple.get(part) or re.escape(part)
    try:
        return re.compile(out, re.DOTALL)
    except re.error as error:
        raise invalid(f"Invalid matchGlob: {glob!r}") from error
