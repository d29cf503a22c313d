"""The latest runs with their steps, through the real Jobs API client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.local.console.timelines import Bar, bars, steps_in

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun

LATEST = 10


@dataclass(frozen=True)
class ShownRun:
    """``state`` is the result once there is one. Times are aware; ``end`` is None while the run is active. ``waited``: the
    seconds before its code started (the queue, and the platform's start). ``error``: why it failed, if it did."""

    run_id: int
    state: str
    start: datetime
    end: datetime | None
    page: str
    waited: float
    seconds: float
    bars: list[Bar]
    error: str = ""

    @property
    def active(self) -> bool:
        return self.end is None


class Runs:
    """The runs of one job. The log of a run that has ended is read once."""

    def __init__(self, client: WorkspaceClient, job_id: int) -> None:
        self._client, self._job_id = client, job_id
        self._ended: dict[int, ShownRun] = {}

    def latest(self, now: datetime) -> list[ShownRun]:
        """Newest first. ``now`` is aware. Raises DatabricksError or OSError."""
        found = self._client.jobs.list_runs(job_id=self._job_id, expand_tasks=True, limit=LATEST)
        runs = [run for run, _ in zip(found, range(LATEST), strict=False)]
        shown = [self._ended.get(run.run_id or 0) or self._shown(run, now) for run in runs]
        self._ended = {one.run_id: one for one in shown if not one.active}
        return shown

    def _shown(self, run: BaseRun, now: datetime) -> ShownRun:
        start = _time(run.start_time)
        end = _time(run.end_time) if run.end_time else None
        log, error = self._output(run)
        steps = steps_in(log)
        until = end or now
        state = run.state
        result = state.result_state or state.life_cycle_state if state else None
        return ShownRun(
            run_id=run.run_id or 0,
            state=result.value if result else "UNKNOWN",
            start=start,
            end=end,
            page=run.run_page_url or "",
            waited=max(((steps[0].start if steps else until) - start).total_seconds(), 0.0),
            seconds=(until - start).total_seconds(),
            bars=bars(steps, start, until),
            error=error,
        )

    def _output(self, run: BaseRun) -> tuple[str, str]:
        """The log so far and the error, of the run's tasks; a queued run has none."""
        log, error = "", ""
        for task in run.tasks or []:
            if task.run_id:
                output = self._client.jobs.get_run_output(task.run_id)
                log, error = output.logs or log, error or output.error or ""
        return log, error


def _time(milliseconds: int | None) -> datetime:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC)
