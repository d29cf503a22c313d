"""Runs, attempts, tokens, issued logins and what clients posted, in one SQLite file, which survives kill -9.

Each method is one short transaction, called only from the event loop's thread. Together with the unique index on
tokens, this guarantees one run per token, however many requests send the token at once.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

# The states have the API's names.
HOLDING_A_SLOT = ("PENDING", "RUNNING", "TERMINATING")
ACTIVE = ("QUEUED", *HOLDING_A_SLOT)
FIRST_ID = 100_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, run_name TEXT NOT NULL,
    parameters TEXT NOT NULL, overriding TEXT NOT NULL, token TEXT,
    state TEXT NOT NULL, result TEXT, message TEXT NOT NULL DEFAULT '',
    created INTEGER NOT NULL, started INTEGER, ended INTEGER, deleted INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS runs_token ON runs (token);
CREATE INDEX IF NOT EXISTS runs_state ON runs (state, job_id);
CREATE TABLE IF NOT EXISTS attempts (
    attempt_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, task_key TEXT NOT NULL, number INTEGER NOT NULL,
    state TEXT NOT NULL, result TEXT, created INTEGER NOT NULL, called INTEGER, ended INTEGER, pid INTEGER,
    error TEXT NOT NULL DEFAULT '', error_trace TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS attempts_run ON attempts (run_id);
CREATE TABLE IF NOT EXISTS issued_logins (token TEXT PRIMARY KEY, expires INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS documents (kind TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, key));
"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Run:
    """A run of a job. Times are epoch milliseconds: `created` by the request, `started` when it got a slot."""

    run_id: int
    job_id: int
    run_name: str
    parameters: dict[str, str]
    overriding: dict[str, str]
    token: str | None
    state: str
    result: str | None
    message: str
    created: int
    started: int | None
    ended: int | None
    deleted: bool

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


@dataclass(frozen=True)
class Attempt:
    """An attempt of a task. The wheel's process ran from `called` to `ended`."""

    attempt_id: int
    run_id: int
    task_key: str
    number: int
    state: str
    result: str | None
    created: int
    called: int | None
    ended: int | None
    pid: int | None
    error: str
    error_trace: str


# By name, because a file of an earlier version may have more columns.
_RUN_COLUMNS, _ATTEMPT_COLUMNS = (", ".join(field.name for field in fields(kind)) for kind in (Run, Attempt))


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Autocommit with WAL: each statement survives a killed process (but not a power failure)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.executescript(schema)
    return database


class Store:
    def __init__(self, path: Path) -> None:
        self._db = open_database(path, SCHEMA)

    def close(self) -> None:
        self._db.close()

    # --- runs

    def add_run(self, *, parameters: dict[str, str], overriding: dict[str, str], **columns: Any) -> Run:
        """One statement stores run and token, so that neither exists without the other."""
        texts = {"parameters": json.dumps(parameters), "overriding": json.dumps(overriding)}
        return self._runs("run_id = ?", self._insert("runs", "run_id", **texts, **columns))[0]

    def update_run(self, run_id: int, **columns: Any) -> Run:
        self._update("runs", "run_id", run_id, columns)
        return self._runs("run_id = ?", run_id)[0]

    def run(self, run_id: int) -> Run | None:
        return next(iter(self._runs("run_id = ?", run_id)), None)

    def state(self, run_id: int) -> str:
        return self._runs("run_id = ?", run_id)[0].state

    def run_of_token(self, token: str) -> Run | None:
        """Includes deleted runs: their token stays in use."""
        return next(iter(self._runs("token = ?", token)), None)

    def runs(
        self,
        *,
        job_id: int | None = None,
        active: bool | None = None,
        start_from: int | None = None,
        start_to: int | None = None,
        limit: int = -1,
        offset: int = 0,
    ) -> list[Run]:
        """Newest first. None means any, and a limit of -1 all."""
        return self._runs(
            "NOT deleted AND job_id = coalesce(?, job_id) AND created BETWEEN coalesce(?, created) AND coalesce(?, created)"
            f" AND coalesce((state IN {ACTIVE}) = ?, true) ORDER BY run_id DESC LIMIT ? OFFSET ?",
            *(job_id, start_from, start_to, active, limit, offset),
        )

    def oldest_queued(self, job_id: int) -> Run | None:
        return next(iter(self._runs("job_id = ? AND state = 'QUEUED' ORDER BY run_id LIMIT 1", job_id)), None)

    def count_holding_a_slot(self, job_id: int) -> int:
        return len(self._runs(f"job_id = ? AND state IN {HOLDING_A_SLOT}", job_id))

    def count_by_state(self) -> dict[str, int]:
        rows = self._db.execute(
            "SELECT coalesce(result, state), count(*) FROM runs WHERE NOT deleted GROUP BY 1 ORDER BY 1"
        )
        return {str(row[0]): int(row[1]) for row in rows}

    def _runs(self, where: str, *values: Any) -> list[Run]:
        rows = self._db.execute(f"SELECT {_RUN_COLUMNS} FROM runs WHERE {where}", values)  # noqa: S608
        runs = []
        for row in map(dict, rows):
            given = {name: json.loads(row.pop(name)) for name in ("parameters", "overriding")}
            runs.append(Run(**row, **given))
        return runs

    # --- attempts

    def add_attempt(self, run_id: int, task_key: str, number: int) -> int:
        """The new attempt's id. It is blocked until its task's turn."""
        columns = {"run_id": run_id, "task_key": task_key, "number": number, "state": "BLOCKED", "created": now_ms()}
        return self._insert("attempts", "attempt_id", **columns)

    def update_attempt(self, attempt_id: int, **columns: Any) -> None:
        self._update("attempts", "attempt_id", attempt_id, columns)

    def attempt(self, attempt_id: int) -> Attempt | None:
        return next(iter(self._attempts("attempt_id = ?", attempt_id)), None)

    def attempts(self, run_id: int) -> list[Attempt]:
        return self._attempts("run_id = ? ORDER BY attempt_id", run_id)

    def _attempts(self, where: str, *values: Any) -> list[Attempt]:
        rows = self._db.execute(f"SELECT {_ATTEMPT_COLUMNS} FROM attempts WHERE {where}", values)  # noqa: S608
        return [Attempt(**dict(row)) for row in rows]

    # --- logins

    def add_login(self, token: str, expires: int) -> None:
        self._db.execute("INSERT INTO issued_logins VALUES (?, ?)", (token, expires))

    def has_login(self, token: str) -> bool:
        found = self._db.execute("SELECT 1 FROM issued_logins WHERE token = ? AND expires > ?", (token, int(time.time())))
        return found.fetchone() is not None

    # --- what clients posted: jobs, permissions, schemas, grants

    def document(self, kind: str, key: str) -> Any:
        """What JSON can hold, or None if there is none."""
        row = self._db.execute("SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return json.loads(row[0]) if row else None

    def documents(self, kind: str) -> dict[str, Any]:
        """By key, the oldest first."""
        rows = self._db.execute("SELECT key, body FROM documents WHERE kind = ? ORDER BY rowid", (kind,))
        return {key: json.loads(body) for key, body in rows}

    def put_document(self, kind: str, key: str, body: Any) -> None:
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(body)),
        )

    def delete_document(self, kind: str, key: str) -> None:
        self._db.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))

    # --- any table

    def new_id(self) -> int:
        """Jobs, runs and attempts share their ids."""
        return FIRST_ID + int(self._db.execute("INSERT INTO ids DEFAULT VALUES").lastrowid or 0)

    def _insert(self, table: str, key: str, **columns: Any) -> int:
        new_id = self.new_id()
        names, marks = ", ".join([key, *columns]), ",".join("?" * (1 + len(columns)))
        self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", (new_id, *columns.values()))  # noqa: S608
        return new_id

    def _update(self, table: str, key: str, identity: int, columns: dict[str, Any]) -> None:
        changes = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE {table} SET {changes} WHERE {key} = ?", (*columns.values(), identity))  # noqa: S608
