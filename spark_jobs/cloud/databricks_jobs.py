"""Adapter for the Databricks Jobs API, the only user of its SDK besides the login (`functions.databricks_login`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from spark_jobs.cloud.ports import FailedRun, JobRun, TransientError
from spark_jobs.contract.parameters import RunParameters

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun, RunState, RunTask

T = TypeVar("T")

LATEST_RUNS = 24
"""How many runs are searched for failed ones: the largest page size of the API, so that one call is enough."""


class DatabricksJob:
    """Implements Job with databricks-sdk. Connects at the first call, because most events don't need it."""

    def __init__(self, connect: Callable[[], WorkspaceClient], job_id: int) -> None:
        self._connect = connect
        self._job_id = job_id
        self._client: WorkspaceClient | None = None

    def launch(self, token: str, parameters: RunParameters) -> int:
        # The SDK retries a POST after a lost response: without the token, that would start a second run.
        waiter = self._call(
            lambda client: client.jobs.run_now(
                job_id=self._job_id, idempotency_token=token, job_parameters=parameters.as_job_parameters()
            )
        )
        return int(waiter.run_id)

    def has_active_run(self) -> bool:
        return self._call(lambda client: any(True for _ in client.jobs.list_runs(job_id=self._job_id, active_only=True)))

    def failed_runs(self, since: datetime) -> list[FailedRun]:
        def find(client: WorkspaceClient) -> list[FailedRun]:
            # Not filtered by start_time_from: a run that just ended may have started hours ago. The API lists the latest
            # start first, and runs don't overlap, so the latest to start are the latest to end.
            runs = client.jobs.list_runs(job_id=self._job_id, completed_only=True, expand_tasks=True, limit=LATEST_RUNS)
            latest = [run for run in islice(runs, LATEST_RUNS) if _ended(run) >= since]
            return [failed for run in latest for failed in _failures(client, run)]

        return self._call(find)

    def recent_runs(self, limit: int) -> list[JobRun]:
        found = self._call(lambda client: list(islice(client.jobs.list_runs(job_id=self._job_id), limit)))
        runs = []
        for run in found:
            state = run.state and (run.state.result_state or run.state.life_cycle_state)
            started = datetime.fromtimestamp((run.start_time or 0) / 1000, UTC)
            runs.append(JobRun(run.run_id or 0, state.value if state else "UNKNOWN", started, run.run_page_url or ""))
        return runs

    def _call(self, call: Callable[[WorkspaceClient], T]) -> T:
        from databricks.sdk.errors.base import DatabricksError
        from requests.exceptions import RequestException

        try:
            if self._client is None:
                self._client = self._connect()
            return call(self._client)
        except (DatabricksError, RequestException, TimeoutError, ValueError, OSError) as error:
            # The SDK raises ValueError for a login that isn't configured or is refused.
            raise TransientError(f"Databricks job {self._job_id}: {type(error).__name__}: {error}") from error


def _failures(client: WorkspaceClient, run: BaseRun) -> list[FailedRun]:
    """The run's failed tasks. Its own result doesn't tell: it is that of the last task, whatever happened before."""
    # A task that is retried occurs once per attempt, the latest one last.
    tasks = {task.task_key or "": task for task in run.tasks or []}
    ended, run_id = _ended(run), run.run_id or 0
    failed = [
        FailedRun(run_id, ended, _reason(client, task), key) for key, task in tasks.items() if _has_failed(task.state)
    ]
    if not failed and _has_failed(run.state):
        failed.append(FailedRun(run_id, ended, (run.state and run.state.state_message) or ""))
    return failed


def _has_failed(state: RunState | None) -> bool:
    """Failed on its own, by its time limit or by the platform. What was canceled or skipped didn't fail."""
    outcomes = {one.value for one in (state.result_state, state.life_cycle_state) if one} if state else set()
    return bool(outcomes & {"FAILED", "TIMEDOUT", "INTERNAL_ERROR"})


def _ended(run: BaseRun) -> datetime:
    return datetime.fromtimestamp((run.end_time or 0) / 1000, UTC)


def _reason(client: WorkspaceClient, task: RunTask) -> str:
    """The error that the task raised. Its own message is only "Workload failed, see run output for details"."""
    from databricks.sdk.errors.base import DatabricksError

    error = None
    if task.run_id:
        try:
            error = client.jobs.get_run_output(task.run_id).error
        except DatabricksError:
            # A task that failed before its code started may have no output. The caller handles a TimeoutError.
            error = None
    return error or (task.state and task.state.state_message) or ""
