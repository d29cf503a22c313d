"""Schedule runs: slots per job, the queue, attempts and retries, cancellation, and recovery after a restart.

Everything happens in the event loop's thread, and nothing is awaited between checking and writing. If two requests
have the same token, or two runs compete for one slot, exactly one wins.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from infra.local.jobs.bundle import Job, WheelTask, fill_dynamic
from infra.local.jobs.execution import Execution, Outcome, Wheel
from infra.local.jobs.posted_jobs import Jobs, NoWheel
from infra.local.jobs.run_json import WORKLOAD_FAILED
from infra.local.jobs.store import Run, Store, now_ms

JOB_GONE = "The job no longer exists."
SERVER_STOPPED = "The local jobs server stopped while the run was active."


@dataclass
class RunHandle:
    """An active run: its asyncio task, and the event that cancels it."""

    task: asyncio.Task[None]
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


class Scheduler:
    def __init__(self, store: Store, jobs: Jobs, execution: Execution, queue_timeout: float) -> None:
        self._store = store
        self._jobs = jobs
        self._execution = execution
        self._queue_timeout = queue_timeout
        self._active: dict[int, RunHandle] = {}
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
            self._active[run.run_id].cancelled.set()

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

    async def stop(self) -> None:
        """End the active runs and wait until they are gone. Queued runs stay queued for the next server."""
        self._stopping = True
        handles = list(self._active.values())
        for handle in handles:
            handle.cancelled.set()
        await asyncio.gather(*(handle.task for handle in handles), return_exceptions=True)

    def _has_free_slot(self, job: Job) -> bool:
        return self._store.count_holding_a_slot(job.job_id) < job.max_concurrent_runs

    def _start_or_queue(self, run: Run) -> None:
        if run.state == "QUEUED":
            remaining = run.created / 1000 + self._queue_timeout - time.time()
            asyncio.get_running_loop().call_later(max(0.0, remaining), self._expire, run.run_id)
        elif run.state == "PENDING":
            self._active[run.run_id] = RunHandle(asyncio.create_task(self._drive(run, self._jobs[run.job_id])))

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

    async def _drive(self, run: Run, job: Job) -> None:
        """Run all tasks of a run, as its job was when it started, and record its end, whatever happens."""
        try:
            message, outcome = await self._run_tasks(run, job)
        except Exception as error:  # noqa: BLE001 - our own errors end the run as an internal error, as on the platform
            self._fail_internally(run, f"The local jobs server failed: {error!r}")
        else:
            # A run that was canceled by a request is TERMINATING.
            if outcome.result == "CANCELED" and self._stopping and self._store.state(run.run_id) != "TERMINATING":
                self._fail_internally(run, SERVER_STOPPED)
            else:
                self._end(run, "TERMINATED", outcome.result, message)
        finally:
            del self._active[run.run_id]
            if job.job_id in self._jobs:
                self._promote(self._jobs[job.job_id])

    async def _run_tasks(self, run: Run, job: Job) -> tuple[str, Outcome]:
        """The run's message, and the outcome of its last task."""
        deadline = time.monotonic() + job.timeout_seconds if job.timeout_seconds else None
        if job.unsupported_task:
            what = f"task {job.unsupported_task} is not a python_wheel_task; only those run locally"
            return _failure(job.unsupported_task, what), Outcome("FAILED", what)
        for task in job.tasks:
            outcome = await self._run_task(run, job, task, deadline)
            if outcome.result == "FAILED":
                return _failure(task.task_key, WORKLOAD_FAILED if outcome.error_trace else outcome.error), outcome
            if outcome.result != "SUCCESS":
                return outcome.error, outcome
        return "", Outcome("SUCCESS")

    async def _run_task(self, run: Run, job: Job, task: WheelTask, deadline: float | None) -> Outcome:
        """Run a task, with as many retries as it allows; never retry after a cancellation or the job's time limit."""
        known = {f"job.parameters.{name}": value for name, value in run.parameters.items()}
        known["job.run_id"] = str(run.run_id)
        arguments = [task.package_name, task.entry_point, *(fill_dynamic(value, known) for value in task.parameters)]
        for number in range(task.max_retries + 1):
            attempt_id = self._store.add_attempt(run.run_id, task.task_key, number)
            try:
                wheel = self._jobs.wheel(job, task.task_key)
            except NoWheel as error:
                outcome = Outcome("FAILED", str(error))
            else:
                outcome = await self._run_attempt(run, attempt_id, wheel, arguments, deadline)
            self._store.update_attempt(attempt_id, state="TERMINATED", ended=now_ms(), **vars(outcome))
            if outcome.result != "FAILED" or (deadline is not None and time.monotonic() >= deadline):
                break
        return outcome

    async def _run_attempt(
        self, run: Run, attempt_id: int, wheel: Wheel | None, arguments: list[str], deadline: float | None
    ) -> Outcome:
        def on_start(pid: int) -> None:
            self._store.update_attempt(attempt_id, state="RUNNING", called=now_ms(), pid=pid)
            if self._store.state(run.run_id) == "PENDING":
                self._store.update_run(run.run_id, state="RUNNING")

        return await self._execution.attempt(
            run.run_id,
            attempt_id,
            wheel,
            arguments,
            timeout=None if deadline is None else max(0.0, deadline - time.monotonic()),
            cancelled=self._active[run.run_id].cancelled,
            on_start=on_start,
        )

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


def _failure(task_key: str, why: str) -> str:
    return f"Task {task_key} failed with message: {why.rstrip('.')}."
