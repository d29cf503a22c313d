"""Finalized events: written in the transaction that creates the object, and delivered to the function as Eventarc does: at
least once, in parallel, with retries.

The outbox table is the durable source: a crash loses both object and event, or neither. A row stays in it until its event
is delivered or expires. After a restart, events in the outbox are sent again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from infra.local.storage.answers import invalid
from infra.local.storage.database import Database, Transaction, now_microseconds
from infra.local.storage.resources import StoredObject, object_resource, rfc3339

FINALIZED = "google.cloud.storage.object.v1.finalized"
CONCURRENCY = 8
FIRST_RETRY, LONGEST_RETRY = 0.5, 10.0
GIVE_UP_AFTER = 24 * 3600.0
ANSWER_TIMEOUT = 600.0  # an event function may run for 540 s
DELETE_DELAY = 0.05  # delivered events are deleted in groups: one fsync for many
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True)
class EventSettings:
    """`notify`: the target URL (None: no events). `repeat`: how many extra times each event is sent. `delay_seconds`: delay
    before the first attempt. `reorder`: add a random delay of up to a second. `drop`: the share that is lost (0 to 1)."""

    notify: str | None = None
    repeat: int = 0
    delay_seconds: float = 0.0
    reorder: bool = False
    drop: float = 0.0


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
        return {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": self.event_id,
            "ce-type": FINALIZED,
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{self.bucket}",
            "ce-subject": quote(f"objects/{self.name}", safe=_VISIBLE),
            "ce-time": rfc3339(self.created),
            "ce-bucket": self.bucket,
        }


class Events:
    def __init__(self, database: Database, notify: str | None) -> None:
        self._database = database
        self._settings = EventSettings(notify)
        self._enabled = asyncio.Event()
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._deliveries: set[asyncio.Task[None]] = set()  # one for each pending event
        self._done: list[int] = []  # rows to delete
        self._counts = dict.fromkeys(("delivered", "failed_attempts", "dropped", "expired"), 0)
        self._errors: deque[dict[str, Any]] = deque(maxlen=20)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=5.0),
            limits=httpx.Limits(max_connections=CONCURRENCY),
            trust_env=False,  # the function is local: never use a proxy
        )

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.change({})
        for event in await self._database.read(_pending):
            self._enqueue(event)

    async def stop(self) -> None:
        """Stop. Unacknowledged events stay in the outbox and are sent again after the next start."""
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await self._delete_done()
        await self._client.aclose()

    def change(self, given: dict[str, Any]) -> None:
        """Settings that are not given keep their value."""
        check_settings(given)
        self._settings = replace(self._settings, **given)
        if self._settings.notify is None:
            self._enabled.clear()
        else:
            self._enabled.set()

    def status(self) -> dict[str, Any]:
        return {
            "settings": vars(self._settings),
            "pending": len(self._deliveries),
            **self._counts,
            "last_errors": list(self._errors),
        }

    def record(self, tx: Transaction, stored: StoredObject) -> None:
        """Runs in the database's write thread."""
        if self._settings.notify is None:
            return
        if random.random() < self._settings.drop:  # noqa: S311 - not a secret
            tx.on_commit.append(lambda: self._count("dropped"))
            return
        values = (
            str(stored.generation),  # unique on this server
            now_microseconds(),
            stored.bucket,
            stored.name,
            json.dumps(object_resource(stored)),
        )
        statement = "INSERT INTO outbox (event_id, created, bucket, name, body) VALUES (?, ?, ?, ?, ?)"
        event = Event(int(tx.execute(statement, *values).lastrowid or 0), *values)
        tx.on_commit.append(lambda: self._announce(event))

    def _count(self, key: str) -> None:
        self._counts[key] += 1

    def _announce(self, event: Event) -> None:
        if not self._loop.is_closed():  # otherwise the row is enough
            self._loop.call_soon_threadsafe(self._enqueue, event)

    def _enqueue(self, event: Event) -> None:
        task = self._loop.create_task(self._deliver(event))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, event: Event) -> None:
        """Deliver all copies of the event, then delete its row."""
        await asyncio.gather(*(self._deliver_copy(event) for _ in range(1 + int(self._settings.repeat))))
        self._done.append(event.id)
        if len(self._done) == 1:  # later ones are deleted with this one
            await asyncio.sleep(DELETE_DELAY)
            await self._delete_done()

    async def _deliver_copy(self, event: Event) -> None:
        await self._pause(self._settings.delay_seconds)
        for attempt in itertools.count():
            async with self._slots:
                await self._enabled.wait()
                problem = await self._post(event)
            if problem is None:
                self._count("delivered")
                return
            self._count("failed_attempts")
            self._errors.append({"object": f"{event.bucket}/{event.name}", "attempt": attempt + 1, "error": problem})
            if now_microseconds() - event.created > GIVE_UP_AFTER * 1e6:
                self._count("expired")
                return
            await self._pause(min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(attempt, 10)))

    async def _pause(self, seconds: float) -> None:
        shift = random.uniform(0.0, 1.0) if self._settings.reorder else 0.0  # noqa: S311 - not a secret
        await asyncio.sleep(seconds + shift)

    async def _post(self, event: Event) -> str | None:
        """None if the function acknowledged the event, otherwise the error."""
        try:
            answer = await self._client.post(str(self._settings.notify), content=event.body, headers=event.headers())
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if answer.is_success:
            return None
        return f"HTTP {answer.status_code}: {answer.text[:200]}"

    async def _delete_done(self) -> None:
        """Rows that come meanwhile are deleted too. A row leaves the list only after it was deleted, because `stop` may
        cancel this."""
        while self._done:
            row_ids = list(self._done)
            await self._database.write(partial(_delete, row_ids))
            del self._done[: len(row_ids)]


def _pending(tx: Transaction) -> list[Event]:
    return [Event(*row) for row in tx.rows("SELECT id, event_id, created, bucket, name, body FROM outbox ORDER BY id")]


def _delete(row_ids: list[int], tx: Transaction) -> None:
    for row_id in row_ids:
        tx.execute("DELETE FROM outbox WHERE id = ?", row_id)
