"""Events to send, written in the transaction that creates the object, so that a crash loses both or neither.

A row stays in the outbox until its event is delivered or expires. After a restart, events in the outbox are sent again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from infra.local.storage.database import Transaction, now_microseconds
from infra.local.storage.resources import StoredObject, object_resource, rfc3339

FINALIZED = "google.cloud.storage.object.v1.finalized"


@dataclass(frozen=True)
class EventSettings:
    """`notify`: the target URL (None: no events). `repeat`: how many extra times each event is sent. `delay_seconds`: delay
    before the first attempt. `reorder`: add a random delay of up to a second. `drop`: the share that is lost (0 to 1)."""

    notify: str | None = None
    repeat: int = 0
    delay_seconds: float = 0.0
    reorder: bool = False
    drop: float = 0.0


@dataclass(frozen=True)
class Event:
    id: int
    event_id: str
    created: int
    bucket: str
    name: str
    body: str

    def headers(self) -> dict[str, str]:
        """CloudEvents binary mode, as Eventarc sends it. Headers are printable ASCII: other characters, spaces, quotes and
        percent signs are percent-encoded (CloudEvents HTTP binding 1.0.2, 3.1.3.2)."""
        visible = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
        return {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": self.event_id,
            "ce-type": FINALIZED,
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{self.bucket}",
            "ce-subject": quote(f"objects/{self.name}", safe=visible),
            "ce-time": rfc3339(self.created),
            "ce-bucket": self.bucket,
        }


@dataclass
class Outbox:
    """`settings` may be replaced at any time. The write thread calls `announce` for each committed row, and `dropped` for
    each event that the settings drop."""

    settings: EventSettings = EventSettings()
    announce: Callable[[int], None] = field(default=lambda row_id: None)
    dropped: Callable[[], None] = field(default=lambda: None)

    def record(self, tx: Transaction, stored: StoredObject) -> None:
        if self.settings.notify is None:
            return
        if self.settings.drop and secrets.randbelow(1_000_000) < self.settings.drop * 1_000_000:
            tx.on_commit.append(self.dropped)
            return
        cursor = tx.execute(
            "INSERT INTO outbox (event_id, created, bucket, name, body) VALUES (?, ?, ?, ?, ?)",
            str(stored.generation) + f"{secrets.randbelow(10**6):06d}",
            now_microseconds(),
            stored.bucket,
            stored.name,
            json.dumps(object_resource(stored)),
        )
        row_id = int(cursor.lastrowid or 0)
        tx.on_commit.append(lambda: self.announce(row_id))


def pending(tx: Transaction) -> list[int]:
    return [row[0] for row in tx.rows("SELECT id FROM outbox ORDER BY id")]


def load(tx: Transaction, row_id: int) -> Event | None:
    row: tuple[Any, ...] | None = tx.one(
        "SELECT id, event_id, created, bucket, name, body FROM outbox WHERE id = ?", row_id
    )
    return Event(*row) if row else None


def delete(tx: Transaction, row_ids: Sequence[int]) -> None:
    for row_id in row_ids:
        tx.execute("DELETE FROM outbox WHERE id = ?", row_id)
