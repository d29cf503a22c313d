"""A change to the content of a target row, and the messages that publish it: the vocabulary of publisher and consumers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spark_jobs.contract.feed import Feed

MESSAGE_VERSION = 1
CHANGE, SNAPSHOT = "change", "snapshot"
MAX_KEY_BYTES = 900
"""Pub/Sub allows 1,024 bytes in an ordering key and in an attribute; the event id is a little longer than the key."""
Content = Mapping[str, Any]
"""A row's columns as JSON has them: dates, moments and decimals are texts; a missing value is None."""


@dataclass(frozen=True)
class Message:
    """What is published. Messages with equal ordering keys are delivered in the order in which they were published."""

    data: bytes
    ordering_key: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """One change of one row by one commit. ``before`` or ``after`` is None where there is no row, never both.

    ``file_id`` and ``row_number`` say where ``after`` came from; None for a deletion. ``committed_at`` is aware.
    """

    feed: Feed
    before: Content | None
    after: Content | None
    commit_version: int
    committed_at: datetime
    file_id: str | None = None
    row_number: int | None = None

    @property
    def key(self) -> dict[str, Any]:
        row = self.before if self.after is None else self.after
        if row is None:
            raise ValueError("a change has a row before it, after it, or both")
        return {name: row[name] for name in self.feed.key}

    @property
    def changed(self) -> list[str]:
        """The columns whose values differ; where there is no row, every value is missing."""
        before, after = self.before or {}, self.after or {}
        return [name for name in self.feed.column_names if before.get(name) != after.get(name)]

    @property
    def status(self) -> str | None:
        """The status now, or at last where the row is gone; None if the feed has none."""
        row = self.before if self.after is None else self.after
        return row[self.feed.status_column] if row and self.feed.status_column else None

    @property
    def backwards(self) -> bool:
        """Whether the status moved back in its lifecycle."""
        if not (self.before and self.after and self.feed.status_column):
            return False
        old, new = (self.feed.status_ranks.get(row[self.feed.status_column]) for row in (self.before, self.after))
        return old is not None and new is not None and new < old

    @property
    def event_id(self) -> str:
        """The same whenever this change is published again, by whichever publisher: one commit changes a row once."""
        return f"{self.feed.table_prefix}/{self.commit_version}/{ordering_key(self.key)}"

    def as_message(self) -> Message:
        """The body is JSON, with its schema in infra/gcp/changes."""
        body = {
            "schema_version": MESSAGE_VERSION,
            "kind": CHANGE,
            "feed": self.feed.name,
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "changed": self.changed,
            "backwards": self.backwards,
            "file_id": self.file_id,
            "row_number": self.row_number,
            "commit_version": self.commit_version,
            "committed_at": _moment(self.committed_at),
            "event_id": self.event_id,
        }
        attributes = {"kind": CHANGE, "feed": self.feed.name, "event_id": self.event_id}
        if self.status is not None:
            attributes["status"] = self.status
        return Message(_json(body), ordering_key(self.key), attributes)


@dataclass(frozen=True)
class Snapshot:
    """That the whole table is published as of one version: each of its ``rows`` follows as a change without ``before``.

    Whatever a consumer knows from earlier versions is gone from the table, unless it is published again.
    """

    feed: Feed
    rows: int
    commit_version: int
    committed_at: datetime

    def as_message(self) -> Message:
        event_id = f"{self.feed.table_prefix}/{self.commit_version}"
        body = {
            "schema_version": MESSAGE_VERSION,
            "kind": SNAPSHOT,
            "feed": self.feed.name,
            "rows": self.rows,
            "commit_version": self.commit_version,
            "committed_at": _moment(self.committed_at),
            "event_id": event_id,
        }
        return Message(_json(body), "", {"kind": SNAPSHOT, "feed": self.feed.name, "event_id": event_id})


def ordering_key(key: Mapping[str, Any]) -> str:
    """A row's key as one text of at most `MAX_KEY_BYTES`: the value of its one column, or a JSON array of several."""
    values = list(key.values())
    text = values[0] if len(values) == 1 and isinstance(values[0], str) else _json(values).decode()
    if len(text.encode()) <= MAX_KEY_BYTES:
        return str(text)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
