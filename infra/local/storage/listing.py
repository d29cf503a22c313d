"""objects.list: in name order, with prefix, delimiter, offsets and pages."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.local.storage.database import Transaction
from infra.local.storage.errors import invalid
from infra.local.storage.objects import from_row, require_bucket, select
from infra.local.storage.preconditions import integer
from infra.local.storage.resources import StoredObject

MAX_PAGE = 1000
_HIGHEST = "\U0010ffff"


@dataclass(frozen=True)
class Listing:
    """A listing request. `start` is inclusive, `end` exclusive (empty: no end), in UTF-8 byte order."""

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str = ""
    page_size: int = MAX_PAGE
    trailing_delimiter: bool = False
    glob: re.Pattern[str] | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Listing:
        prefix = query.get("prefix", "")
        after = _decode_token(query["pageToken"]) if query.get("pageToken") else ""
        wanted = integer(query, "maxResults")
        if wanted is not None and wanted < 0:
            raise invalid(f"Invalid value for maxResults: {wanted}", "maxResults")
        return cls(
            prefix=prefix,
            delimiter=query.get("delimiter", ""),
            start=max(prefix, query.get("startOffset", ""), after),
            end=query.get("endOffset", ""),
            page_size=min(wanted or MAX_PAGE, MAX_PAGE),
            trailing_delimiter=query.get("includeTrailingDelimiter", "").lower() == "true",
            glob=glob_pattern(query["matchGlob"]) if query.get("matchGlob") else None,
        )


@dataclass
class Page:
    items: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_token: str | None = None

    def __len__(self) -> int:
        return len(self.items) + len(self.prefixes)


def list_objects(tx: Transaction, bucket: str, listing: Listing) -> Page:
    require_bucket(tx, bucket)
    page = Page()
    start: str | None = listing.start
    while start is not None:
        start = _collect(tx, bucket, listing, start, page)
    return page


def _collect(tx: Transaction, bucket: str, listing: Listing, start: str, page: Page) -> str | None:
    """Fill the page from `start` on. Stop after a common prefix and return the name from which to continue, so that the
    names below the prefix are skipped. None: the listing or the page is complete."""
    for row in tx.rows(select("bucket = ? AND name >= ? ORDER BY name"), bucket, start):
        name: str = row[1]
        if not name.startswith(listing.prefix) or (listing.end and name >= listing.end):
            return None
        if listing.glob and not listing.glob.fullmatch(name):
            continue
        common = _common_prefix(name, listing)
        if len(page) >= listing.page_size and not (common and common in page.prefixes[-1:]):
            page.next_token = _token(name)
            return None
        if common is None or (listing.trailing_delimiter and name == common):
            page.items.append(from_row(row))
        if common is not None and common not in page.prefixes[-1:]:
            page.prefixes.append(common)
        if common is not None and not (listing.trailing_delimiter and name == common):
            return _successor(common)
    return None


def _common_prefix(name: str, listing: Listing) -> str | None:
    if not listing.delimiter:
        return None
    found = name.find(listing.delimiter, len(listing.prefix))
    return None if found < 0 else name[: found + len(listing.delimiter)]


def _successor(prefix: str) -> str | None:
    """The smallest string greater than all strings with this prefix (code points sort like UTF-8 bytes)."""
    shortened = prefix.rstrip(_HIGHEST)
    if not shortened:
        return None
    following = ord(shortened[-1]) + 1
    return shortened[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _decode_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise invalid(f"Invalid page token: {token!r}", "pageToken") from error


def glob_pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` do not match a slash, `**` does; `[…]` is a set, `{a,b}` are alternatives."""
    simple = {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    out, depth = "", 0
    for part in re.findall(r"\*\*|\[[^\]]+\]|.", glob, re.DOTALL):
        depth += (part == "{") - (part == "}")
        if part == "**":
            out += ".*"
        elif part.startswith("[") and len(part) > 1:
            out += "[" + part[1:-1].replace("\\", r"\\").replace("!", "^", part[1] == "!") + "]"
        elif part == "," and depth == 0:
            out += ","
        else:
            out += simple.get(part) or re.escape(part)
    try:
        return re.compile(out, re.DOTALL)
    except re.error as error:
        raise invalid(f"Invalid matchGlob: {glob!r}", "matchGlob") from error
