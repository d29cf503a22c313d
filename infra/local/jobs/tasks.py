"""Run the tasks of one run, one after the other: conditions, attempts, retries, time limits, and the run's result."""

from __future__ import annotations

import time
from dataclasses import dataclass

from infra.local.jobs.execution import Cancellation, Execution, Outcome, Wheel
from infra.local.jobs.job_settings import Job, WheelTask, fill_dynamic
from infra.local.jobs.posted_jobs import Jobs, NoWheel
from infra.local.jobs.run_json import WORKLOAD_FAILED
from infra.local.jobs.store import Run, Store, now_ms

ENDS_THE_RUN = ("CANCELED", "TIMEDOUT")


@dataclass(frozen=True)
class RunTasks:
    """The tasks of one run, as its job was when it started. Unlike on the platform, none run in parallel."""

    store: Store
    jobs: Jobs
    execution: Execution
    run: Run
    job: Job
    cancellation: Cancellation

    async def finish(self) -> tuple[str, str]:
        """Run all tasks; returns the run's result and message."""
        job = self.job
        if job.unsupported_task:
            what = f"task {job.unsupported_task} is not a python_wheel_task; only those run locally"
            return "FAILED", _failure(job.unsupported_task, what)
        # All tasks are there from the beginning, like on the platform.
        attempts = {task.task_key: self.store.add_attempt(self.run.run_id, task.task_key, 0) for task in job.tasks}
        deadline = time.monotonic() + job.timeout_seconds if job.timeout_seconds else None
        outcomes: dict[str, Outcome] = {}
        for task in job.tasks:
            outcome = outcomes[task.task_key] = await self._run_task(task, attempts[task.task_key], outcomes, deadline)
            out_of_time = deadline is not None and time.monotonic() >= deadline
            if outcome.result == "CANCELED" or (outcome.result == "TIMEDOUT" and out_of_time):
                for later in job.tasks:
                    if later.task_key not in outcomes:
                        self._end_attempt(attempts[later.task_key], Outcome("CANCELED", outcome.error))
                return outcome.result, outcome.error
        return _result(job, outcomes)

    async def _run_task(
        self, task: WheelTask, attempt_id: int, outcomes: dict[str, Outcome], deadline: float | None
    ) -> Outcome:
        """Run a task, with as many retries as it allows; never retry after a cancellation or a time limit."""
        failed = next((key for key in task.depends_on if outcomes[key].result != "SUCCESS"), None)
        if failed and task.run_if == "ALL_SUCCESS":
            return self._end_attempt(attempt_id, Outcome("UPSTREAM_FAILED", f"Task {failed}, which it depends on, failed."))
        run = self.run
        known = {f"job.parameters.{name}": value for name, value in run.parameters.items()}
        known["job.run_id"] = str(run.run_id)
        arguments = [task.package_name, task.entry_point, *(fill_dynamic(value, known) for value in task.parameters)]
        for number in range(task.max_retries + 1):
            if number:
                attempt_id = self.store.add_attempt(run.run_id, task.task_key, number)
            self.store.update_attempt(attempt_id, state="PENDING", created=now_ms())
            try:
                wheel = self.jobs.wheel(self.job, task.task_key)
            except NoWheel as error:
                outcome = Outcome("FAILED", str(error))
            else:
                outcome = await self._run_attempt(attempt_id, wheel, arguments, _earlier(deadline, task.timeout_seconds))
            self._end_attempt(attempt_id, outcome)
            if outcome.result != "FAILED" or (deadline is not None and time.monotonic() >= deadline):
                break
        return outcome

    async def _run_attempt(
        self, attempt_id: int, wheel: Wheel | None, arguments: list[str], deadline: float | None
    ) -> Outcome:
        def on_start(pid: int) -> None:
            self.store.update_attempt(attempt_id, state="RUNNING", called=now_ms(), pid=pid)
            if self.store.state(self.run.run_id) == "PENDING":
                self.store.update_run(self.run.run_id, state="RUNNING")

        return await self.execution.attempt(
            self.run.run_id,
            attempt_id,
            wheel,
            arguments,
            timeout=None if deadline is None else max(0.0, deadline - time.monotonic()),
            cancellation=self.cancellation,
            on_start=on_start,
        )

    def _end_attempt(self, attempt_id: int, outcome: Outcome) -> Outcome:
        self.store.update_attempt(attempt_id, state="TERMINATED", ended=now_ms(), **vars(outcome))
        return outcome


def _earlier(deadline: float | None, timeout_seconds: float) -> float | None:
    """The run's deadline, or the end of a task's own time limit from now if that is earlier (0: it has none)."""
    ends = [
        *([deadline] if deadline is not None else []),
        *([time.monotonic() + timeout_seconds] if timeout_seconds else []),
    ]
    return min(ends, default=None)


def _result(job: Job, outcomes: dict[str, Outcome]) -> tuple[str, str]:
    """The run's result and message. As on the platform, only the leaves decide whether it failed."""
    failed = {key: outcome for key, outcome in outcomes.items() if outcome.result not in ("SUCCESS", "UPSTREAM_FAILED")}
    if not failed:
        return "SUCCESS", ""
    key, outcome = next(iter(failed.items()))
    message = _failure(key, WORKLOAD_FAILED if outcome.error_trace else outcome.error)
    of_leaves = {outcomes[key].result for key in job.leaves}
    return ("SUCCESS_WITH_FAILURES" if of_leaves == {"SUCCESS"} else "FAILED"), message


def _failure(task_key: str, why: str) -> str:
    return f"Task {task_key} failed with message: {why.rstrip('.')}."
