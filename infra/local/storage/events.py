"""Finalized events: written in the transaction that creates the object, and delivered to the function as Eventarc does: at
least once, in parallel, with retries."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from infra.local.storage.answers import invalid
from infra.local.storage.database import Database, Transaction
from infra.local.storage.outbox import Message, Outbox, Trouble
from infra.local.storage.resources import StoredObject, object_resource, rfc3339

FINALIZED = "google.cloud.storage.object.v1.finalized"
GIVE_UP_AFTER = 24 * 3600.0
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True)
class EventSettings(Trouble):
    """`notify`: the target URL (None: no events)."""

    notify: str | None = None


_MAXIMA = {"repeat": 1000, "delay_seconds": 24 * 3600, "drop": 1, "reorder": 1}


def check_settings(given: dict[str, Any]) -> None:
    """Raise a 400 for an unknown setting or an impossible value."""
    for key, value in given.items():
        if key == "notify":
            if value is not None and not str(value).startswith(("http://", "https://")):
                raise invalid("notify must be an HTTP URL, or null to disable events")
        elif key not in _MAXIMA:
            raise invalid(f"Unknown event setting: {key!r}")
        elif not isinstance(value, int | float) or not 0 <= value <= _MAXIMA[key]:
            raise invalid(f"{key} must be a number from 0 to {_MAXIMA[key]}")


def headers(event: Message) -> dict[str, str]:
    """CloudEvents binary mode, as Eventarc sends it. Headers are printable ASCII: other characters, spaces, quotes and
    percent signs are percent-encoded (CloudEvents HTTP binding 1.0.2, 3.1.3.2)."""
    return {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": event.event_id,
        "ce-type": FINALIZED,
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{event.bucket}",
        "ce-subject": quote(f"objects/{event.name}", safe=_VISIBLE),
        "ce-time": rfc3339(event.created),
        "ce-bucket": event.bucket,
    }


class Events(Outbox):
    def __init__(self, database: Database, notify: str | None) -> None:
        super().__init__(database, "outbox", GIVE_UP_AFTER)
        self._settings = EventSettings(notify=notify)
        self._enabled = asyncio.Event()

    async def start(self) -> None:
        self.change({})
        await super().start()

    def change(self, given: dict[str, Any]) -> None:
        """Settings that are not given keep their value."""
        check_settings(given)
        self._settings = self._trouble = replace(self._settings, **given)
        if self._settings.notify is None:
            self._enabled.clear()
        else:
            self._enabled.set()

    def status(self) -> dict[str, Any]:
        return {"settings": vars(self._settings), **super().status()}

    def record(self, tx: Transaction, stored: StoredObject) -> None:
        """Runs in the database's write thread."""
        if self._settings.notify is not None:
            event_id = str(stored.generation)  # unique on this server
            self._add(tx, event_id, stored.bucket, stored.name, json.dumps(object_resource(stored)))

    async def _send(self, event: Message) -> str | None:
        await self._enabled.wait()
        return await self._post(str(self._settings.notify), event.body, headers(event))
