"""The runs of the job, as an operator asks for them; Databricks' SDK, read only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from spark_jobs.cloud.ports import TransientError


@dataclass(frozen=True)
class JobRun:
    """``state`` is the result where there is one, the life cycle state otherwise. ``started`` is aware."""

    run_id: int
    state: str
    started: datetime
    page: str


class JobRuns(Protocol):
    """What `status` asks about runs."""

    def recent(self, limit: int) -> list[JobRun]:
        """The latest first. Raises WorldTrouble."""


class DatabricksJobRuns:
    """JobRuns over databricks-sdk, logged in from the environment."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id

    def recent(self, limit: int) -> list[JobRun]:
        from itertools import islice

        from databricks.sdk import WorkspaceClient
        from databricks.sdk.errors.base import DatabricksError

        try:
            client = WorkspaceClient()
            found = list(islice(client.jobs.list_runs(job_id=self._job_id), limit))
        except (DatabricksError, TimeoutError, ValueError, OSError) as error:
            raise TransientError(f"Databricks job {self._job_id}: {type(error).__name__}: {error}") from error
        runs = []
        for run in found:
            state = run.state and (run.state.result_state or run.state.life_cycle_state)
            started = datetime.fromtimestamp((run.start_time or 0) / 1000, UTC)
            runs.append(JobRun(run.run_id or 0, state.value if state else "UNKNOWN", started, run.run_page_url or ""))
        return runs
