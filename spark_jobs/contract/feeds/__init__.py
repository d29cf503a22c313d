"""The feeds: every declared kind of file. To add one, write its module and list it here (docs/feeds.md)."""

from __future__ import annotations

import re
from datetime import date

from spark_jobs.contract.feed import DeclarationError, Feed
from spark_jobs.contract.feeds.customer_orders import CUSTOMER_ORDERS
from spark_jobs.contract.feeds.order_tracking import ORDER_TRACKING

__all__ = [
    "CUSTOMER_ORDERS",
    "FEEDS",
    "ORDER_TRACKING",
    "feed_name",
    "feed_named",
    "feed_of",
    "file_date",
    "name_problem",
    "registry",
]

# Folders below source/ are allowed if every reader (Hadoop paths and their globs included) reads the name the same way.
_FOLDERS = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9 ._=+@-]*/)*")


def registry(*feeds: Feed) -> dict[str, Feed]:
    """Feeds by name. Raises DeclarationError where two of them clash."""
    for what in ("name", "file_prefix", "table_prefix"):
        values = [getattr(feed, what) for feed in feeds]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise DeclarationError(f"two feeds have the {what.replace('_', ' ')} {twice!r}; each feed needs its own")
    return {feed.name: feed for feed in feeds}


FEEDS = registry(ORDER_TRACKING, CUSTOMER_ORDERS)


def feed_of(name: str) -> Feed | None:
    """The feed that a file belongs to, by the last part of its (object) name; None if there is none."""
    base = name.rpartition("/")[2]
    return next((feed for feed in FEEDS.values() if feed.file_date(base) is not None), None)


def feed_name(name: str) -> str:
    """The name of the feed that a file belongs to, for logs and outcomes; empty if there is none."""
    feed = feed_of(name)
    return feed.name if feed else ""


def file_date(name: str) -> date | None:
    """The day in a file's (object) name; None if the name matches no feed."""
    feed = feed_of(name)
    return feed.file_date(name.rpartition("/")[2]) if feed else None


def feed_named(name: str) -> Feed:
    """The feed with this name. Raises LookupError, which lists the feeds."""
    if name not in FEEDS:
        raise LookupError(f"there is no feed {name!r}; the feeds are {', '.join(FEEDS)}")
    return FEEDS[name]


def name_problem(relative_name: str) -> str | None:
    """Why an object name (relative to the source prefix) isn't valid; None if it is."""
    folders, slash, _ = relative_name.rpartition("/")
    if feed_of(relative_name) is None:
        patterns = " or ".join(feed.file_pattern for feed in FEEDS.values())
        example = next(iter(FEEDS.values())).file_prefix
        return f"the file must be named {patterns} with a real calendar date, for example {example}_2026_01_31.csv"
    if not _FOLDERS.fullmatch(folders + slash):
        return (
            "folder names may contain only letters, digits, spaces and . _ = + @ -, and must start with a letter or digit"
        )
    return None
