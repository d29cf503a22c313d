"""Deliver the outbox's events to the function as Eventarc does: at least once, in parallel, with retries."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import random
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from infra.local.storage import outbox
from infra.local.storage.database import Database, now_microseconds
from infra.local.storage.outbox import Event, EventSettings, Outbox

CONCURRENCY = 8
FIRST_RETRY, LONGEST_RETRY = 0.5, 10.0
GIVE_UP_AFTER = 24 * 3600.0
ANSWER_TIMEOUT = 600.0  # an event function may run for 540 s
DELETE_DELAY = 0.05  # delivered events are deleted in groups: one fsync for many


@dataclass(order=True, frozen=True)
class _Due:
    at: float
    order: int
    row_id: int = field(compare=False)
    attempts: int = field(compare=False, default=0)


@dataclass
class _Counts:
    delivered: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    dropped: int = 0
    expired: int = 0


class Deliveries:
    """The in-memory delivery queue; the outbox table is its durable source."""

    def __init__(self, database: Database, box: Outbox) -> None:
        self._database = database
        self._outbox = box
        self._queue: list[_Due] = []
        self._order = itertools.count()
        self._copies: dict[int, int] = {}  # row id -> copies that still have to be delivered
        self._delivered: list[int] = []
        self._counts = _Counts()
        self._errors: deque[dict[str, Any]] = deque(maxlen=20)
        self._wake = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._scheduler: asyncio.Task[None] | None = None
        self._deleting: asyncio.Task[None] | None = None
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=5.0),
            limits=httpx.Limits(max_connections=CONCURRENCY),
            trust_env=False,  # the function is local: never use a proxy
        )

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._outbox.announce = lambda row_id: _call_soon(loop, self._enqueue, row_id)
        self._outbox.dropped = lambda: _call_soon(loop, self._count_dropped)
        for row_id in await self._database.read(outbox.pending):
            self._enqueue(row_id)
        self._scheduler = asyncio.create_task(self._schedule())

    async def stop(self) -> None:
        """Stop. Unacknowledged events stay in the outbox and are sent again after the next start."""
        tasks = [*self._in_flight, *([self._scheduler] if self._scheduler else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._delete_delivered()
        await self._client.aclose()

    @property
    def settings(self) -> EventSettings:
        return self._outbox.settings

    def change(self, changes: dict[str, Any]) -> EventSettings:
        self._outbox.settings = replace(self._outbox.settings, **changes)
        self._wake.set()
        return self._outbox.settings

    def status(self) -> dict[str, Any]:
        return {
            "settings": vars(self.settings),
            "pending": len(self._copies),
            "in_flight": len(self._in_flight),
            **vars(self._counts),
            "last_errors": list(self._errors),
        }

    def _count_dropped(self) -> None:
        self._counts.dropped += 1

    def _enqueue(self, row_id: int) -> None:
        copies = 1 + self.settings.repeat
        self._copies[row_id] = copies
        for _ in range(copies):
            self._push(row_id, self.settings.delay_seconds)

    def _push(self, row_id: int, wait: float, attempts: int = 0) -> None:
        if self.settings.reorder:
            wait += random.uniform(0.0, 1.0)  # noqa: S311 - not a secret
        heapq.heappush(self._queue, _Due(time.monotonic() + wait, next(self._order), row_id, attempts))
        self._wake.set()

    async def _schedule(self) -> None:
        while True:
            wait = self._seconds_until_next()
            if wait == 0:
                due = heapq.heappop(self._queue)
                task = asyncio.create_task(self._deliver(due))
                self._in_flight.add(task)
                task.add_done_callback(self._finished)
                continue
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)

    def _seconds_until_next(self) -> float | None:
        """Seconds until the next delivery is due; None: wait until something changes."""
        if not self._queue or self.settings.notify is None or len(self._in_flight) >= CONCURRENCY:
            return None
        return max(0.0, self._queue[0].at - time.monotonic())

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._wake.set()

    async def _deliver(self, due: _Due) -> None:
        event = await self._database.read(lambda tx: outbox.load(tx, due.row_id))
        if event is None:
            self._copies.pop(due.row_id, None)
            return
        if self.settings.notify is None:  # switched off in the meantime: the event waits
            self._push(due.row_id, FIRST_RETRY, due.attempts)
            return
        self._counts.attempts += 1
        problem = await self._post(event, self.settings.notify)
        if problem is None:
            self._counts.delivered += 1
            await self._one_copy_done(due.row_id)
            return
        self._counts.failed_attempts += 1
        self._errors.append({"object": f"{event.bucket}/{event.name}", "attempt": due.attempts + 1, "error": problem})
        if now_microseconds() - event.created > GIVE_UP_AFTER * 1e6:
            self._counts.expired += 1
            await self._one_copy_done(due.row_id)
        else:
            wait = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(due.attempts, 10))
            self._push(due.row_id, wait, due.attempts + 1)

    async def _post(self, event: Event, url: str) -> str | None:
        """None if the function acknowledged the event, otherwise the error."""
        try:
            answer = await self._client.post(url, content=event.body, headers=event.headers())
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if answer.is_success:
            return None
        return f"HTTP {answer.status_code}: {answer.text[:200]}"

    async def _one_copy_done(self, row_id: int) -> None:
        left = self._copies.get(row_id, 1) - 1
        if left > 0:
            self._copies[row_id] = left
            return
        self._copies.pop(row_id, None)
        self._delivered.append(row_id)
        if len(self._delivered) == 1:
            asyncio.get_running_loop().call_later(DELETE_DELAY, self._start_deleting)

    def _start_deleting(self) -> None:
        self._deleting = asyncio.create_task(self._delete_delivered())

    async def _delete_delivered(self) -> None:
        row_ids, self._delivered = self._delivered, []
        if row_ids:
            await self._database.write(lambda tx: outbox.delete(tx, row_ids))


def _call_soon(loop: asyncio.AbstractEventLoop, function: Any, *values: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed; the row is in the table, which is enough
        loop.call_soon_threadsafe(function, *values)
