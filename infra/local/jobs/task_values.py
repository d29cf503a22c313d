"""Values of the dynamic references `{{...}}` in a task's parameters."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.local.jobs.job import Job, WheelTask
from infra.local.jobs.runs import Attempt, Run


def dynamic_values(run: Run, job: Job, task: WheelTask, attempt: Attempt) -> dict[str, str]:
    started = datetime.fromtimestamp(run.created / 1000, UTC)
    return {
        "job.id": str(job.job_id),
        "job.name": job.name,
        "job.run_id": str(run.run_id),
        "job.start_time.iso_date": started.date().isoformat(),
        "job.start_time.iso_datetime": started.isoformat(timespec="milliseconds"),
        "job.start_time.timestamp_ms": str(run.created),
        "task.name": task.task_key,
        "task.run_id": str(attempt.attempt_id),
        "task.execution_count": str(attempt.number + 1),
        **{f"job.parameters.{name}": value for name, value in run.parameters.items()},
    }
