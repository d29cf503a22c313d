"""Schedule runs: slots per job, the queue, attempts and retries, cancellation, and recovery after a restart.

Everything happens in the event loop's thread, and nothing is awaited between checking and writing. If two requests
have the same token, or two runs compete for one slot, exactly one wins.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.local.jobs.execution import EntryPointCall, Execution, Outcome
from infra.local.jobs.job import Job, WheelTask
from infra.local.jobs.runs import Attempt, Run, RunFilter, now_ms
from infra.local.jobs.sessions import end_orphaned_session
from infra.local.jobs.store import Store
from infra.local.jobs.substitution import fill_dynamic
from infra.local.jobs.task_values import dynamic_values

# Texts of the real API, as far as they are known.
WORKLOAD_FAILED = "Workload failed, see run output for details"
SERVER_STOPPED = "The local jobs server stopped while the run was active."
CODES = {"SUCCESS": "SUCCESS", "FAILED": "RUN_EXECUTION_ERROR", "TIMEDOUT": "CANCELED", "CANCELED": "USER_CANCELED"}


@dataclass
class RunHandle:
    """An active run: its asyncio task, and the event that cancels it."""

    task: asyncio.Task[None]
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


class Scheduler:
    def __init__(self, store: Store, jobs: Mapping[int, Job], execution: Execution, queue_timeout: float) -> None:
        self._store = store
        self._jobs = jobs
        self._execution = execution
        self._queue_timeout = queue_timeout
        self._active: dict[int, RunHandle] = {}
        self._stopping = False

    def submit(self, job: Job, overriding: dict[str, str], token: str | None, queue: bool) -> Run:
        free = self._store.count_holding_a_slot(job.job_id) < job.max_concurrent_runs
        state, result, message, code = "PENDING", None, "", None
        if not free and queue:
            state = "QUEUED"
        elif not free:
            state, result = "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED"
            message = f"Skipping this run because the limit of {job.max_concurrent_runs} maximum concurrent runs"
            message += " has been reached."
            code = "MAX_CONCURRENT_RUNS_EXCEEDED"
        run = self._store.add_run(
            job_id=job.job_id,
            run_name=job.name,
            parameters={**job.parameters, **overriding},
            overriding=overriding,
            token=token,
            state=state,
            result=result,
            message=message,
            code=code,
        )
        self._start_or_queue(run)
        return run

    def cancel(self, run: Run) -> None:
        """Cancel the run; no-op if it has already ended."""
        if run.state == "QUEUED":
            self._end(run, "TERMINATED", "CANCELED", "Run cancelled.", CODES["CANCELED"])
        elif run.active and run.run_id in self._active:
            self._store.update_run(run.run_id, state="TERMINATING", cancel_asked=True)
            self._active[run.run_id].cancelled.set()

    def _expire(self, run_id: int) -> None:
        """Remove a run from the queue if it still waits, as the platform does after 48 hours."""
        run = self._store.run(run_id)
        if run.state != "QUEUED":
            return
        message = "Run was removed from the queue because it waited too long."
        self._end(run, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", message, "MAX_CONCURRENT_RUNS_EXCEEDED")

    def recover(self) -> None:
        """Recover the last server's runs: interrupted runs fail, queued runs stay queued."""
        for run in reversed(self._store.runs(RunFilter(active_only=True), limit=1_000_000)):
            attempts = self._store.attempts(run.run_id)
            for attempt in attempts:
                if attempt.pid and attempt.ended is None:
                    end_orphaned_session(attempt.pid, str(self._execution.folder(run.run_id)))
            if run.job_id not in self._jobs:
                self._fail_internally(run, "The job is no longer in the bundle.")
            elif run.state == "QUEUED" or (run.state == "PENDING" and not attempts):
                self._start_or_queue(self._store.update_run(run.run_id, state="QUEUED"))
            else:
                self._fail_internally(run, SERVER_STOPPED)
        for job_id in self._jobs:
            self._promote(job_id)

    async def stop(self) -> None:
        """End the active runs and wait until they are gone. Queued runs stay queued for the next server."""
        self._stopping = True
        handles = list(self._active.values())
        for handle in handles:
            handle.cancelled.set()
        await asyncio.gather(*(handle.task for handle in handles), return_exceptions=True)

    def _start_or_queue(self, run: Run) -> None:
        if run.state == "QUEUED":
            remaining = run.created / 1000 + self._queue_timeout - time.time()
            asyncio.get_running_loop().call_later(max(0.0, remaining), self._expire, run.run_id)
        elif run.state == "PENDING":
            run = self._store.update_run(run.run_id, started=now_ms())
            self._active[run.run_id] = RunHandle(asyncio.create_task(self._drive(run)))

    def _promote(self, job_id: int) -> None:
        job = self._jobs[job_id]
        while not self._stopping and self._store.count_holding_a_slot(job_id) < job.max_concurrent_runs:
            run = self._store.oldest_queued(job_id)
            if run is None:
                return
            self._start_or_queue(self._store.update_run(run.run_id, state="PENDING"))

    async def _drive(self, run: Run) -> None:
        """Run all tasks of a run and record its end, whatever happens."""
        try:
            failed_task, outcome = await self._run_tasks(run)
        except Exception as error:  # noqa: BLE001 - our own errors end the run as an internal error, as on the platform
            self._fail_internally(self._store.run(run.run_id), f"The local jobs server failed: {error!r}")
        else:
            if outcome.result == "CANCELED" and self._stopping and not self._store.run(run.run_id).cancel_asked:
                self._fail_internally(run, SERVER_STOPPED)
            else:
                message = _run_message(failed_task, outcome)
                self._end(run, "TERMINATED", outcome.result, message, CODES[outcome.result])
        finally:
            self._active.pop(run.run_id, None)
            self._promote(run.job_id)

    async def _run_tasks(self, run: Run) -> tuple[str, Outcome]:
        job = self._jobs[run.job_id]
        deadline = time.monotonic() + job.timeout_seconds if job.timeout_seconds else None
        if job.unsupported_tasks:
            what = f"task {job.unsupported_tasks[0]} is not a python_wheel_task; only those run locally"
            return job.unsupported_tasks[0], Outcome("FAILED", what)
        for task in job.tasks:
            outcome = await self._run_task(run, job, task, deadline)
            if outcome.result != "SUCCESS":
                return task.task_key, outcome
        return "", Outcome("SUCCESS")

    async def _run_task(self, run: Run, job: Job, task: WheelTask, deadline: float | None) -> Outcome:
        """Run a task, with as many retries as it allows; never retry after a cancellation."""
        handle = self._active[run.run_id]
        number = 0
        while True:
            attempt = self._store.add_attempt(run.run_id, task.task_key, number)
            outcome = await self._run_attempt(run, job, task, attempt, deadline)
            retryable = outcome.result == "FAILED" or (outcome.result == "TIMEDOUT" and task.retry_on_timeout)
            exhausted = task.max_retries >= 0 and number >= task.max_retries  # -1: no limit
            out_of_time = deadline is not None and time.monotonic() >= deadline
            if not retryable or exhausted or out_of_time:
                return outcome
            number += 1
            try:
                await asyncio.wait_for(handle.cancelled.wait(), task.min_retry_interval_ms / 1000)
            except TimeoutError:
                continue
            return Outcome("CANCELED", "Run cancelled.")

    async def _run_attempt(self, run: Run, job: Job, task: WheelTask, attempt: Attempt, deadline: float | None) -> Outcome:
        known = dynamic_values(run, job, task, attempt)
        parameters = tuple(fill_dynamic(value, known) for value in task.parameters)
        limits = [task.timeout_seconds] if task.timeout_seconds else []
        limits += [max(0.0, deadline - time.monotonic())] if deadline is not None else []

        def on_start(pid: int) -> None:
            self._store.update_attempt(attempt.attempt_id, state="RUNNING", called=now_ms(), pid=pid)
            if self._store.run(run.run_id).state == "PENDING":
                self._store.update_run(run.run_id, state="RUNNING")

        outcome = await self._execution.attempt(
            run.run_id,
            attempt.attempt_id,
            EntryPointCall(task.package_name, task.entry_point, parameters),
            timeout=min(limits) if limits else None,
            cancelled=self._active[run.run_id].cancelled,
            on_start=on_start,
        )
        now = now_ms()
        self._store.update_attempt(
            attempt.attempt_id,
            state="TERMINATED",
            result=outcome.result,
            message=WORKLOAD_FAILED if outcome.result == "FAILED" else outcome.error,
            code=CODES[outcome.result],
            returned=now,
            ended=now,
            error=outcome.error,
            error_trace=outcome.error_trace,
        )
        return outcome

    def _end(self, run: Run, state: str, result: str, message: str, code: str) -> None:
        self._store.update_run(run.run_id, state=state, result=result, message=message, code=code, ended=now_ms())

    def _fail_internally(self, run: Run, message: str) -> None:
        for attempt in self._store.attempts(run.run_id):
            if attempt.ended is None or attempt.result == "CANCELED":
                self._store.update_attempt(
                    attempt.attempt_id,
                    state="INTERNAL_ERROR",
                    result="FAILED",
                    message=message,
                    code="INTERNAL_ERROR",
                    error=message,
                    ended=attempt.ended or now_ms(),
                )
        self._end(run, "INTERNAL_ERROR", "FAILED", message, "INTERNAL_ERROR")


def _run_message(failed_task: str, outcome: Outcome) -> str:
    if outcome.result == "FAILED":
        why = WORKLOAD_FAILED if outcome.error_trace or not outcome.error else outcome.error
        return f"Task {failed_task} failed with message: {why.rstrip('.')}."
    return outcome.error
