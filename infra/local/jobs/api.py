"""The part of the Jobs API, versions 2.1 and 2.2, that our clients use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.routing import BaseRoute

from infra.local.jobs.answers import invalid, malformed
from infra.local.jobs.endpoints import Endpoints, Fields
from infra.local.jobs.execution import Execution
from infra.local.jobs.job_settings import Job
from infra.local.jobs.posted_jobs import Jobs
from infra.local.jobs.run_json import job_json, run_json, task_json
from infra.local.jobs.scheduler import Scheduler
from infra.local.jobs.store import Attempt, Run, Store

MAX_TOKEN = 64
MAX_JOBS = 100
MAX_RUNS = 25
MAX_LOG_BYTES = 5 * 1024 * 1024
# Task-level parameters. The platform rejects them if the job declares job parameters.
LEGACY = (
    "jar_params",
    "notebook_params",
    "python_params",
    "python_named_params",
    "spark_submit_params",
    "sql_params",
    "dbt_commands",
    "pipeline_params",
)


class JobsApi:
    def __init__(self, jobs: Jobs, store: Store, scheduler: Scheduler, execution: Execution, address: str) -> None:
        self._jobs = jobs
        self._store = store
        self._scheduler = scheduler
        self._execution = execution
        self._address = address

    def routes(self, endpoints: Endpoints) -> list[BaseRoute]:
        table: list[tuple[str, str, Callable[[Fields], Fields]]] = [
            ("POST", "jobs/create", self.create_job),
            ("POST", "jobs/reset", self.reset_job),
            ("POST", "jobs/delete", self.delete_job),
            ("GET", "jobs/list", self.list_jobs),
            ("GET", "jobs/get", self.get_job),
            ("POST", "jobs/run-now", self.run_now),
            ("GET", "jobs/runs/list", self.list_runs),
            ("GET", "jobs/runs/get", self.get_run),
            ("GET", "jobs/runs/get-output", self.get_output),
            ("POST", "jobs/runs/cancel", self.cancel_run),
            ("POST", "jobs/runs/delete", self.delete_run),
        ]
        return [
            endpoints.route(method, f"/api/{version}/{path}", answer)
            for version in ("2.1", "2.2")
            for method, path, answer in table
        ]

    # --- jobs

    def list_jobs(self, fields: Fields) -> Fields:
        jobs = list(self._jobs.values())
        if "name" in fields:
            jobs = [job for job in jobs if job.name.lower() == str(fields["name"]).lower()]
        limit, offset = _page(fields, MAX_JOBS)
        items = [job_json(job) for job in jobs[offset : offset + limit + 1]]
        if fields.get("expand_tasks") != "true":
            for item in items:
                for name in ("tasks", "environments", "job_clusters", "parameters"):
                    item["settings"].pop(name, None)
        return _paged("jobs", items, offset, limit)

    def get_job(self, fields: Fields) -> Fields:
        return job_json(self._job(fields))

    def create_job(self, fields: Fields) -> Fields:
        job_id = self._jobs.create(fields)
        self._scheduler.keep_running(self._jobs[job_id])
        return {"job_id": job_id}

    def reset_job(self, fields: Fields) -> Fields:
        job_id = _number(fields, "job_id")
        self._jobs.reset(job_id, fields.get("new_settings"))
        self._scheduler.keep_running(self._jobs[job_id])
        return {}

    def delete_job(self, fields: Fields) -> Fields:
        job_id = _number(fields, "job_id")
        self._jobs.delete(job_id)
        self._scheduler.job_deleted(job_id)
        return {}

    # --- runs

    def run_now(self, fields: Fields) -> Fields:
        job = self._job(fields)
        token = fields.get("idempotency_token") or None
        run = self._known(token) if token is not None else None
        if run is None:
            queue = fields.get("queue")
            queued = bool(queue.get("enabled")) if isinstance(queue, dict) else job.queue
            run = self._scheduler.submit(job, _job_parameters(job, fields), token, queued)
        return {"run_id": run.run_id, "number_in_job": run.run_id}

    def _known(self, token: Any) -> Run | None:
        """The run that has this token, even if it has ended."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN:
            raise invalid(f"The idempotency token must have at most {MAX_TOKEN} characters.")
        run = self._store.run_of_token(token)
        if run is not None and run.deleted:
            raise invalid(f"The run with the idempotency token {token} has been deleted.")
        return run

    def list_runs(self, fields: Fields) -> Fields:
        active, completed = (fields.get(name) == "true" for name in ("active_only", "completed_only"))
        if active and completed:
            raise invalid("active_only and completed_only cannot be both set to true.")
        limit, offset = _page(fields, MAX_RUNS)
        runs = self._store.runs(
            job_id=_number(fields, "job_id", None),
            active=active if active or completed else None,
            start_from=_number(fields, "start_time_from", None),
            start_to=_number(fields, "start_time_to", None),
            limit=limit + 1,
            offset=offset,
        )
        items = [self._run_json(run) for run in runs]
        if fields.get("expand_tasks") != "true":
            for item in items:
                del item["tasks"]
        return _paged("runs", items, offset, limit)

    def get_run(self, fields: Fields) -> Fields:
        run, attempt = self._run_or_attempt(fields)
        if attempt is None:
            return self._run_json(run)
        task = task_json(attempt, self._jobs.get(run.job_id), self._page_url(run))
        return {**self._run_json(run), **task, "tasks": [task]}

    def get_output(self, fields: Fields) -> Fields:
        """The output of a task run, or of a job run with only one task, as on the platform."""
        run, attempt = self._run_or_attempt(fields)
        attempts = self._store.attempts(run.run_id)
        if attempt is None and len({item.task_key for item in attempts}) > 1:
            raise invalid(
                "Retrieving the output of runs with multiple tasks is not supported."
                " Please retrieve the output of each individual task run instead."
            )
        attempt = attempt or (attempts[-1] if attempts else None)
        logs, truncated = self._execution.log_tail(run.run_id, MAX_LOG_BYTES)
        answer = {"metadata": self._run_json(run), "logs": logs, "logs_truncated": truncated}
        if attempt and attempt.error:
            answer |= {"error": attempt.error, "error_trace": attempt.error_trace}
        elif run.result not in (None, "SUCCESS"):
            answer["error"] = run.message
        return answer

    def cancel_run(self, fields: Fields) -> Fields:
        self._scheduler.cancel(self._run(_number(fields, "run_id")))
        return {}

    def delete_run(self, fields: Fields) -> Fields:
        run = self._run(_number(fields, "run_id"))
        if run.active:
            raise invalid(f"Cannot delete active run {run.run_id}. Please cancel the run first.")
        self._store.update_run(run.run_id, deleted=True)
        return {}

    # --- lookup

    def _job(self, fields: Fields) -> Job:
        job_id = _number(fields, "job_id")
        if job_id not in self._jobs:
            raise invalid(f"Job {job_id} does not exist.")
        return self._jobs[job_id]

    def _run(self, run_id: int) -> Run:
        run = self._store.run(run_id)
        if run is None or run.deleted:
            raise invalid(f"Run {run_id} does not exist.")
        return run

    def _run_or_attempt(self, fields: Fields) -> tuple[Run, Attempt | None]:
        run_id = _number(fields, "run_id")
        attempt = self._store.attempt(run_id)
        return self._run(attempt.run_id if attempt else run_id), attempt

    def _run_json(self, run: Run) -> Fields:
        return run_json(run, self._store.attempts(run.run_id), self._jobs.get(run.job_id), self._page_url(run))

    def _page_url(self, run: Run) -> str:
        return f"{self._address}/run/{run.run_id}"


def _job_parameters(job: Job, fields: Fields) -> dict[str, str]:
    """The parameters that the request overrides."""
    legacy = [name for name in LEGACY if fields.get(name)]
    if legacy:
        raise invalid(f"{legacy[0]} cannot be used: the job declares job parameters, use job_parameters.")
    given = fields.get("job_parameters") or {}
    if not isinstance(given, dict):
        raise malformed("job_parameters is not an object")
    for name, value in given.items():
        if name not in job.parameters:
            defined = ", ".join(job.parameters)
            raise invalid(f"Job parameter {name} is not defined in job {job.job_id} (defined: {defined}).")
        if not isinstance(value, str):
            raise malformed(f"expected a string for job parameter {name}")
    return given


def _number(fields: Fields, name: str, default: Any = ...) -> Any:
    value = fields.get(name)
    if value is None or value == "":
        if default is ...:
            raise invalid(f"Missing required field: {name}")
        return default
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise invalid(f"Invalid value for {name}: {value!r} is not a number.") from None
    if abs(number) >= 2**63:
        raise invalid(f"Invalid value for {name}: {value!r} is out of range.")
    return number


def _page(fields: Fields, most: int) -> tuple[int, int]:
    """Limit and offset. Page tokens are offsets."""
    limit = _number(fields, "limit", 20)
    if not 1 <= limit <= most:
        raise invalid(f"Invalid limit {limit}: must be between 1 and {most}.")
    return limit, max(0, _number(fields, "page_token", 0))


def _paged(name: str, items: list[Fields], offset: int, limit: int) -> Fields:
    """One page of a list. The items are those of the page, and one more if there are further pages."""
    answer: Fields = {"has_more": len(items) > limit}
    if items:  # as on the platform: no field if nothing was found
        answer[name] = items[:limit]
    if len(items) > limit:
        answer["next_page_token"] = str(offset + limit)
    return answer
