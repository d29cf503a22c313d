"""Messages that a transaction writes, and that are sent after its commit: at least once, in parallel, with retries.

The table is the durable source: a crash loses both a change and its message, or neither. A row stays in it until its
message is delivered or expires. After a restart, the messages in the table are sent again.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from infra.local.storage.database import Database, Transaction, now_microseconds

CONCURRENCY = 8
FIRST_RETRY, LONGEST_RETRY = 0.5, 10.0
ANSWER_TIMEOUT = 600.0  # an event function may run for 540 s
DELETE_DELAY = 0.05  # messages that arrived are deleted in groups: one fsync for many


@dataclass(frozen=True)
class Message:
    id: int
    event_id: str
    created: int
    bucket: str
    name: str
    body: str


@dataclass(frozen=True)
class Trouble:
    """`repeat`: how many extra times each message is sent. `delay_seconds`: delay before the first attempt. `reorder`: add
    a random delay of up to a second. `drop`: the share that is lost (0 to 1)."""

    repeat: int = 0
    delay_seconds: float = 0.0
    reorder: bool = False
    drop: float = 0.0


class Outbox(ABC):
    """`table`: one of our literals. `expires`: give up after so many seconds."""

    def __init__(self, database: Database, table: str, expires: float) -> None:
        self._database = database
        self._table = table
        self._expires = expires
        self._trouble = Trouble()
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._deliveries: set[asyncio.Task[None]] = set()  # one for each pending message
        self._done: list[int] = []  # rows to delete
        self._counts = dict.fromkeys(("delivered", "failed_attempts", "dropped", "expired"), 0)
        self._errors: deque[dict[str, Any]] = deque(maxlen=20)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=5.0),
            limits=httpx.Limits(max_connections=CONCURRENCY),
            trust_env=False,  # the receivers are local: never use a proxy
        )

    @abstractmethod
    async def _send(self, message: Message) -> str | None:
        """Make one attempt. None if the receiver acknowledged the message, otherwise the error."""

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for message in await self._database.read(self._pending):
            self._enqueue(message)

    async def stop(self) -> None:
        """Stop. Unacknowledged messages stay in the table and are sent again after the next start."""
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await self._delete_done()
        await self._client.aclose()

    def status(self) -> dict[str, Any]:
        return {"pending": len(self._deliveries), **self._counts, "last_errors": list(self._errors)}

    def _add(self, tx: Transaction, event_id: str, bucket: str, name: str, body: str) -> None:
        """Runs in the database's write thread."""
        if random.random() < self._trouble.drop:  # noqa: S311 - not a secret
            tx.on_commit.append(lambda: self._count("dropped"))
            return
        values = (event_id, now_microseconds(), bucket, name, body)
        statement = f"INSERT INTO {self._table} (event_id, created, bucket, name, body) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
        message = Message(int(tx.execute(statement, *values).lastrowid or 0), *values)
        tx.on_commit.append(lambda: self._announce(message))

    def _count(self, key: str) -> None:
        self._counts[key] += 1

    def _announce(self, message: Message) -> None:
        if not self._loop.is_closed():  # otherwise the row is enough
            self._loop.call_soon_threadsafe(self._enqueue, message)

    def _enqueue(self, message: Message) -> None:
        task = self._loop.create_task(self._deliver(message))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, message: Message) -> None:
        """Deliver all copies of the message, then delete its row."""
        await asyncio.gather(*(self._deliver_copy(message) for _ in range(1 + int(self._trouble.repeat))))
        self._done.append(message.id)
        if len(self._done) == 1:  # later ones are deleted with this one
            await asyncio.sleep(DELETE_DELAY)
            await self._delete_done()

    async def _deliver_copy(self, message: Message) -> None:
        await self._pause(self._trouble.delay_seconds)
        for attempt in itertools.count():
            async with self._slots:
                problem = await self._send(message)
            if problem is None:
                self._count("delivered")
                return
            self._count("failed_attempts")
            self._errors.append({"object": f"{message.bucket}/{message.name}", "attempt": attempt + 1, "error": problem})
            if now_microseconds() - message.created > self._expires * 1e6:
                self._count("expired")
                return
            await self._pause(min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(attempt, 10)))

    async def _pause(self, seconds: float) -> None:
        shift = random.uniform(0.0, 1.0) if self._trouble.reorder else 0.0  # noqa: S311 - not a secret
        await asyncio.sleep(seconds + shift)

    async def _post(self, url: str, content: str, headers: Mapping[str, str]) -> str | None:
        """For `_send`."""
        try:
            answer = await self._client.post(url, content=content, headers=headers)
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
            await self._database.write(partial(self._delete, row_ids))
            del self._done[: len(row_ids)]

    def _pending(self, tx: Transaction) -> list[Message]:
        statement = f"SELECT id, event_id, created, bucket, name, body FROM {self._table} ORDER BY id"  # noqa: S608
        return [Message(*row) for row in tx.rows(statement)]

    def _delete(self, row_ids: list[int], tx: Transaction) -> None:
        for row_id in row_ids:
            tx.execute(f"DELETE FROM {self._table} WHERE id = ?", row_id)  # noqa: S608
