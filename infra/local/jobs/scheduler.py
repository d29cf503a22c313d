"""Schedule runs: slots per job, the queue, continuous jobs, cancellation, and recovery after a restart.

Everything happens in the event loop's thread, and nothing is awaited between checking and writing. If two requests
have the same token, or two runs compete for one slot, exactly one wins.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from infra.local.jobs.execution import Cancellation, Execution
from infra.local.jobs.job_settings import Job
from infra.local.jobs.posted_jobs import Jobs
from infra.local.jobs.store import Run, Store, now_ms
from infra.local.jobs.tasks import RunTasks

JOB_GONE = "The job no longer exists."
SERVER_STOPPED = "The local jobs server stopped while the run was active."
RESTART_SECONDS = 1.0
"""Between two runs of a continuous job; doubled for each failure in a row, up to the limit, as on the platform."""
MAX_RESTART_SECONDS = 60.0


@dataclass
class RunHandle:
    """An active run: its asyncio task, and what cancels it."""

    task: asyncio.Task[None]
    cancellation: Cancellation


class Scheduler:
    def __init__(self, store: Store, jobs: Jobs, execution: Execution, queue_timeout: float) -> None:
        self._store = store
        self._jobs = jobs
        self._execution = execution
        self._queue_timeout = queue_timeout
        self._active: dict[int, RunHandle] = {}
        self._failures_in_a_row: Counter[int] = Counter()
        self._stopping = False

    def submit(self, job: Job, overriding: dict[str, str], token: str | None, queue: bool) -> Run:
        now = now_ms()
        fate: dict[str, Any]
        if self._has_free_slot(job):
            fate = {"state": "PENDING", "started": now}
        elif queue:
            fate = {"state": "QUEUED"}
        else:
            limit = f"the limit of {job.max_concurrent_runs} maximum concurrent runs"
            fate = {"state": "SKIPPED", "result": "MAXIMUM_CONCURRENT_RUNS_REACHED", "ended": now}
            fate["message"] = f"Skipping this run because {limit} has been reached."
        run = self._store.add_run(
            job_id=job.job_id,
            run_name=job.name,
            parameters={**job.parameters, **overriding},
            overriding=overriding,
            token=token,
            created=now,
            **fate,
        )
        self._start_or_queue(run)
        return run

    def cancel(self, run: Run) -> None:
        """Cancel the run; no-op if it has already ended."""
        if run.state == "QUEUED":
            self._end(run, "TERMINATED", "CANCELED", "Run cancelled.")
        elif run.active and run.run_id in self._active:
            self._store.update_run(run.run_id, state="TERMINATING")
            self._active[run.run_id].cancellation.requested.set()

    def keep_running(self, job: Job) -> None:
        """Start a run of a continuous job if it has none; no-op for others. Call when a job is new or a run has ended."""
        if job.continuous and not self._stopping and not self._store.runs(job_id=job.job_id, active=True, limit=1):
            self.submit(job, {}, None, queue=False)

    def job_deleted(self, job_id: int) -> None:
        """Cancel the runs of a job that is deleted."""
        for run in self._store.runs(job_id=job_id, active=True):
            self.cancel(run)

    async def recover(self) -> None:
        """Recover the last server's runs: interrupted runs fail, queued runs stay queued."""
        for run in reversed(self._store.runs(active=True)):
            attempts = self._store.attempts(run.run_id)
            for attempt in attempts:
                if attempt.pid and attempt.ended is None:
                    await self._execution.end_orphan(run.run_id, attempt.pid)
            if run.job_id not in self._jobs:
                self._fail_internally(run, JOB_GONE)
            elif run.state == "QUEUED" or (run.state == "PENDING" and not attempts):
                self._start_or_queue(self._store.update_run(run.run_id, state="QUEUED"))
            else:
                self._fail_internally(run, SERVER_STOPPED)
        for job in self._jobs.values():
            self._promote(job)
            self.keep_running(job)

    async def stop(self) -> None:
        """End the active runs and wait until they are gone. Queued runs stay queued for the next server."""
        self._stopping = True
        handles = list(self._active.values())
        for handle in handles:
            handle.cancellation.at_once.set()
            handle.cancellation.requested.set()
        await asyncio.gather(*(handle.task for handle in handles), return_exceptions=True)

    def _has_free_slot(self, job: Job) -> bool:
        return self._store.count_holding_a_slot(job.job_id) < job.max_concurrent_runs

    def _start_or_queue(self, run: Run) -> None:
        if run.state == "QUEUED":
            remaining = run.created / 1000 + self._queue_timeout - time.time()
            asyncio.get_running_loop().call_later(max(0.0, remaining), self._expire, run.run_id)
        elif run.state == "PENDING":
            cancellation = Cancellation()
            tasks = RunTasks(self._store, self._jobs, self._execution, run, self._jobs[run.job_id], cancellation)
            self._active[run.run_id] = RunHandle(asyncio.create_task(self._drive(tasks)), cancellation)

    def _expire(self, run_id: int) -> None:
        """Remove a run from the queue if it still waits, as the platform does after 48 hours."""
        run = self._store.run(run_id)
        if run and run.state == "QUEUED":
            message = "Run was removed from the queue because it waited too long."
            self._end(run, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", message)

    def _promote(self, job: Job) -> None:
        while not self._stopping and self._has_free_slot(job):
            run = self._store.oldest_queued(job.job_id)
            if run is None:
                return
            self._start_or_queue(self._store.update_run(run.run_id, state="PENDING", started=now_ms()))

    async def _drive(self, tasks: RunTasks) -> None:
        """Run all tasks of a run and record its end, whatever happens."""
        run, job = tasks.run, tasks.job
        result = "FAILED"
        try:
            result, message = await tasks.finish()
        except Exception as error:  # noqa: BLE001 - our own errors end the run as an internal error, as on the platform
            self._fail_internally(run, f"The local jobs server failed: {error!r}")
        else:
            # A run that was canceled by a request is TERMINATING.
            if result == "CANCELED" and self._stopping and self._store.state(run.run_id) != "TERMINATING":
                self._fail_internally(run, SERVER_STOPPED)
            else:
                self._end(run, "TERMINATED", result, message)
        finally:
            del self._active[run.run_id]
            if job.job_id in self._jobs:
                self._promote(self._jobs[job.job_id])
                self._restart_later(job.job_id, failed=result not in ("SUCCESS", "CANCELED"))

    def _restart_later(self, job_id: int, *, failed: bool) -> None:
        self._failures_in_a_row[job_id] = self._failures_in_a_row[job_id] + 1 if failed else 0
        pause = min(RESTART_SECONDS * 2.0 ** self._failures_in_a_row[job_id], MAX_RESTART_SECONDS)

        def restart() -> None:
            if job_id in self._jobs:
                self.keep_running(self._jobs[job_id])

        if self._jobs[job_id].continuous and not self._stopping:
            asyncio.get_running_loop().call_later(pause, restart)

    def _end(self, run: Run, state: str, result: str, message: str) -> None:
        self._store.update_run(run.run_id, state=state, result=result, message=message, ended=now_ms())

    def _fail_internally(self, run: Run, message: str) -> None:
        for attempt in self._store.attempts(run.run_id):
            if attempt.ended is None or attempt.result == "CANCELED":
                self._store.update_attempt(
                    attempt.attempt_id,
                    state="INTERNAL_ERROR",
                    result="FAILED",
                    error=message,
                    ended=attempt.ended or now_ms(),
                )
        self._end(run, "INTERNAL_ERROR", "FAILED", message)
