"""Runs and attempts; their states have the API's names."""

from __future__ import annotations

import time
from dataclasses import dataclass

ACTIVE = ("QUEUED", "PENDING", "RUNNING", "TERMINATING")
HOLDING_A_SLOT = ("PENDING", "RUNNING", "TERMINATING")


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
    code: str | None
    created: int
    started: int | None
    ended: int | None
    was_queued: bool
    cancel_asked: bool
    deleted: bool

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


@dataclass(frozen=True)
class Attempt:
    """An attempt of a task. The wheel's process ran from `called` to `returned`."""

    attempt_id: int
    run_id: int
    task_key: str
    number: int
    state: str
    result: str | None
    message: str
    code: str | None
    created: int
    called: int | None
    returned: int | None
    ended: int | None
    pid: int | None
    error: str
    error_trace: str


@dataclass(frozen=True)
class RunFilter:
    job_id: int | None = None
    active_only: bool = False
    completed_only: bool = False
    start_from: int | None = None
    start_to: int | None = None
