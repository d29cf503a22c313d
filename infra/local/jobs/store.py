"""Runs, attempts, idempotency tokens and issued logins in one SQLite file, which survives kill -9.

Each method is one short transaction, called only from the event loop's thread. Together with the unique index on
tokens, this guarantees one run per token, however many requests send the token at once.
"""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from infra.local.jobs.runs import ACTIVE, HOLDING_A_SLOT, Attempt, Run, RunFilter, now_ms

FIRST_ID = 100_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, run_name TEXT NOT NULL,
    parameters TEXT NOT NULL, overriding TEXT NOT NULL, token TEXT,
    state TEXT NOT NULL, result TEXT, message TEXT NOT NULL DEFAULT '', code TEXT,
    created INTEGER NOT NULL, started INTEGER, ended INTEGER, was_queued INTEGER NOT NULL DEFAULT 0,
    cancel_asked INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS runs_token ON runs (token);
CREATE INDEX IF NOT EXISTS runs_state ON runs (state, job_id);
CREATE TABLE IF NOT EXISTS attempts (
    attempt_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, task_key TEXT NOT NULL, number INTEGER NOT NULL,
    state TEXT NOT NULL, result TEXT, message TEXT NOT NULL DEFAULT '', code TEXT,
    created INTEGER NOT NULL, called INTEGER, returned INTEGER, ended INTEGER, pid INTEGER,
    error TEXT NOT NULL DEFAULT '', error_trace TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS attempts_run ON attempts (run_id);
CREATE TABLE IF NOT EXISTS logins (token TEXT PRIMARY KEY, subject TEXT NOT NULL, expires INTEGER NOT NULL);
"""


class Store:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Autocommit with WAL: each statement survives a killed process (but not a power failure).
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def new_id(self) -> int:
        return FIRST_ID + int(self._db.execute("INSERT INTO ids DEFAULT VALUES").lastrowid or 0)

    # --- runs

    def add_run(self, *, parameters: dict[str, str], overriding: dict[str, str], state: str, **fields: Any) -> Run:
        """One statement stores run and token, so that neither exists without the other."""
        run_id, now = self.new_id(), now_ms()
        self._insert(
            "runs",
            run_id=run_id,
            parameters=json.dumps(parameters),
            overriding=json.dumps(overriding),
            state=state,
            created=now,
            ended=None if state in ACTIVE else now,
            was_queued=state == "QUEUED",
            **fields,
        )
        return self.run(run_id)

    def update_run(self, run_id: int, **fields: Any) -> Run:
        self._update("runs", "run_id", run_id, fields)
        return self.run(run_id)

    def run(self, run_id: int) -> Run:
        """Raises KeyError if there is no such run."""
        row = self._db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            raise KeyError(run_id)
        return _run(row)

    def run_of_token(self, token: str) -> Run | None:
        """Includes deleted runs: their token stays in use."""
        row = self._db.execute("SELECT * FROM runs WHERE token = ?", (token,)).fetchone()
        return None if row is None else _run(row)

    def runs(self, where: RunFilter, limit: int, offset: int = 0) -> list[Run]:
        """Newest first."""
        clauses, values = ["NOT deleted"], []
        for clause, value in (
            ("job_id = ?", where.job_id),
            ("created >= ?", where.start_from),
            ("created <= ?", where.start_to),
        ):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        states = ",".join(f"'{state}'" for state in ACTIVE)
        if where.active_only:
            clauses.append(f"state IN ({states})")
        if where.completed_only:
            clauses.append(f"state NOT IN ({states})")
        rows = self._db.execute(
            f"SELECT * FROM runs WHERE {' AND '.join(clauses)} ORDER BY run_id DESC LIMIT ? OFFSET ?",  # noqa: S608
            (*values, limit, offset),
        )
        return [_run(row) for row in rows]

    def oldest_queued(self, job_id: int) -> Run | None:
        row = self._db.execute(
            "SELECT * FROM runs WHERE job_id = ? AND state = 'QUEUED' ORDER BY run_id LIMIT 1", (job_id,)
        ).fetchone()
        return None if row is None else _run(row)

    def count_holding_a_slot(self, job_id: int) -> int:
        states = ",".join(f"'{state}'" for state in HOLDING_A_SLOT)
        query = f"SELECT count(*) FROM runs WHERE job_id = ? AND state IN ({states})"  # noqa: S608
        return int(self._db.execute(query, (job_id,)).fetchone()[0])

    def count_by_state(self) -> dict[str, int]:
        rows = self._db.execute(
            "SELECT coalesce(result, state), count(*) FROM runs WHERE NOT deleted GROUP BY 1 ORDER BY 1"
        )
        return {str(row[0]): int(row[1]) for row in rows}

    # --- attempts

    def add_attempt(self, run_id: int, task_key: str, number: int) -> Attempt:
        attempt_id = self.new_id()
        fields = {"task_key": task_key, "number": number, "state": "PENDING", "created": now_ms()}
        self._insert("attempts", attempt_id=attempt_id, run_id=run_id, **fields)
        return self.attempt(attempt_id)

    def update_attempt(self, attempt_id: int, **fields: Any) -> Attempt:
        self._update("attempts", "attempt_id", attempt_id, fields)
        return self.attempt(attempt_id)

    def attempt(self, attempt_id: int) -> Attempt:
        row = self._db.execute("SELECT * FROM attempts WHERE attempt_id = ?", (attempt_id,)).fetchone()
        if row is None:
            raise KeyError(attempt_id)
        return Attempt(**dict(row))

    def attempts(self, run_id: int) -> list[Attempt]:
        rows = self._db.execute("SELECT * FROM attempts WHERE run_id = ? ORDER BY attempt_id", (run_id,))
        return [Attempt(**dict(row)) for row in rows]

    # --- logins

    def add_login(self, token: str, subject: str, expires: int) -> None:
        self._db.execute("DELETE FROM logins WHERE expires < ?", (int(time.time()) - 3600,))
        self._db.execute("INSERT INTO logins VALUES (?,?,?)", (token, subject, expires))

    def login_subject(self, token: str) -> str | None:
        row = self._db.execute(
            "SELECT subject FROM logins WHERE token = ? AND expires > ?", (token, int(time.time()))
        ).fetchone()
        return None if row is None else str(row[0])

    def _insert(self, table: str, **fields: Any) -> None:
        names, marks = ", ".join(fields), ",".join("?" * len(fields))
        self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(fields.values()))  # noqa: S608

    def _update(self, table: str, key: str, identity: int, fields: dict[str, Any]) -> None:
        changes = ", ".join(f"{name} = ?" for name in fields)
        self._db.execute(f"UPDATE {table} SET {changes} WHERE {key} = ?", (*fields.values(), identity))  # noqa: S608


def _run(row: sqlite3.Row) -> Run:
    fields = dict(row)
    for name in ("parameters", "overriding"):
        fields[name] = json.loads(fields[name])
    for name in ("was_queued", "cancel_asked", "deleted"):
        fields[name] = bool(fields[name])
    return Run(**fields)
