"""SQLite: each mutation is one durable transaction, which makes preconditions atomic.

One thread owns the write connection. Mutations are therefore serialized, and nothing can come between checking a
precondition and acting on it. Another thread owns a read connection (WAL), so that a long listing does not block writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, metageneration INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
    attributes TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL UNIQUE, metageneration INTEGER NOT NULL,
    size INTEGER NOT NULL, crc32c TEXT NOT NULL, md5 TEXT, component_count INTEGER,
    created INTEGER NOT NULL, updated INTEGER NOT NULL, attributes TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS noncurrent (
    bucket TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL UNIQUE, metageneration INTEGER NOT NULL,
    size INTEGER NOT NULL, crc32c TEXT NOT NULL, md5 TEXT, component_count INTEGER,
    created INTEGER NOT NULL, updated INTEGER NOT NULL, attributes TEXT NOT NULL, deleted INTEGER NOT NULL,
    PRIMARY KEY (bucket, name, generation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL, created INTEGER NOT NULL,
    state TEXT NOT NULL, generation INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, created INTEGER NOT NULL,
    bucket TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT, bucket TEXT NOT NULL, settings TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notifications_of_a_bucket ON notifications (bucket);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, created INTEGER NOT NULL,
    bucket TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL
);
"""


def now_microseconds() -> int:
    return time.time_ns() // 1000


class Transaction:
    """Statements of one transaction, and callbacks for after its commit or rollback."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.on_commit: list[Callable[[], None]] = []
        self.on_rollback: list[Callable[[], None]] = []

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        return row

    def rows(self, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        return iter(self._connection.execute(statement, values))

    def next_generation(self) -> int:
        """Microseconds since the epoch. Strictly increasing, even across restarts and clock adjustments."""
        row = self.one("SELECT value FROM counters WHERE name = 'generation'")
        generation = max(now_microseconds(), (row[0] if row else 0) + 1)
        self.execute("INSERT OR REPLACE INTO counters VALUES ('generation', ?)", generation)
        return generation


class Database:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "db-writer")
        self._reader = ThreadPoolExecutor(1, "db-reader")
        self._write_connection = self._writer.submit(self._open).result()
        self._read_connection = self._reader.submit(self._open).result()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one transaction, which is rolled back if it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write_now, work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent snapshot that includes everything committed before the call."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read_now, work)

    def write_blocking(self, work: Callable[[Transaction], T]) -> T:
        """For start-up and shutdown, when no event loop is running."""
        return self._writer.submit(self._write_now, work).result()

    def _write_now(self, work: Callable[[Transaction], T]) -> T:
        connection = self._write_connection
        transaction = Transaction(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(transaction)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for undo in transaction.on_rollback:
                undo()
            raise
        for done in transaction.on_commit:
            # Already committed: a file that can't be deleted now is an orphan, and the next start deletes it.
            with contextlib.suppress(OSError):
                done()
        return result

    def _read_now(self, work: Callable[[Transaction], T]) -> T:
        self._read_connection.execute("BEGIN")
        try:
            return work(Transaction(self._read_connection))
        finally:
            self._read_connection.execute("COMMIT")

    def close(self) -> None:
        self._reader.submit(self._read_connection.close).result()
        self._reader.shutdown()
        self._writer.submit(self._write_connection.close).result()
        self._writer.shutdown()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
        return connection
