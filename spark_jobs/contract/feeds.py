"""What a feed is, and the declaration of the order-tracking feed. Everything here is data; `rows` and `records` use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

Kind = Literal["text", "date", "status", "timestamp"]


@dataclass(frozen=True)
class Column:
    """One column of a feed. ``max_length`` counts characters, after trimming."""

    name: str
    kind: Kind
    required: bool = False
    max_length: int = 0


@dataclass(frozen=True)
class Feed:
    """A declared kind of file.

    ``newest_by`` lists the columns that decide which of two rows with the same key is newer: values are compared in this
    order, missing lowest. It must cover every column except the key, so that the order is total on content.
    """

    name: str
    file_prefix: str
    columns: tuple[Column, ...]
    key: str
    newest_by: tuple[str, ...]
    statuses: tuple[str, ...]
    status_synonyms: Mapping[str, str] = field(default_factory=dict)
    not_before: tuple[tuple[str, str], ...] = ()
    """(later, earlier) pairs of date columns: if both have a value, the first must not be before the second."""
    future_allowance: timedelta = timedelta(hours=24)
    """How far a timestamp may be after the file's arrival: a far-future timestamp would pin its row forever."""

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def position(self, column: str) -> int:
        """Index of a column in a typed row."""
        return self._positions[column]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.column_names)}

    def file_date(self, base_name: str) -> date | None:
        """The date in a file's base name; None if the name doesn't match this feed or the date doesn't exist."""
        found = re.fullmatch(re.escape(self.file_prefix) + r"_(\d{4})_(\d{2})_(\d{2})\.csv", base_name, re.ASCII)
        if not found:
            return None
        try:
            return date(*(int(part) for part in found.groups()))
        except ValueError:
            return None


ORDER_TRACKING = Feed(
    name="order_tracking",
    file_prefix="order_tracking",
    columns=(
        Column("order_num", "text", required=True, max_length=64),
        Column("tracking_num", "text", required=True, max_length=64),
        Column("pck_recieved_date", "date"),  # the source's spelling
        Column("package_deliver_date", "date"),
        Column("status", "status", required=True),
        Column("address", "text", max_length=1024),
        Column("last_update_timestamp", "timestamp", required=True),
    ),
    key="tracking_num",
    newest_by=(
        "last_update_timestamp",
        "status",  # by its rank in the lifecycle
        "order_num",
        "pck_recieved_date",
        "package_deliver_date",
        "address",
    ),
    statuses=("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled"),
    status_synonyms={"cancelled": "canceled"},
    not_before=(("package_deliver_date", "pck_recieved_date"),),
)

MAX_RECORD_BYTES = 1024 * 1024
"""Longest record, without its line ending: a quote that is never closed must not use up all memory."""

# Folders below source/ are allowed if every reader (Hadoop paths and their globs included) reads the name the same way.
_FOLDERS = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9 ._=+@-]*/)*")


def name_problem(feed: Feed, relative_name: str) -> str | None:
    """Why an object name (relative to the source prefix) isn't valid; None if it is."""
    folders, slash, base = relative_name.rpartition("/")
    if feed.file_date(base) is None:
        return (
            f"the file must be named {feed.file_prefix}_YYYY_MM_DD.csv with a real calendar date, "
            f"for example {feed.file_prefix}_2026_01_31.csv"
        )
    if not _FOLDERS.fullmatch(folders + slash):
        return (
            "folder names may contain only letters, digits, spaces and . _ = + @ -, and must start with a letter or digit"
        )
    return None
