"""The part of the Jobs API, versions 2.1 and 2.2, that our clients use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.jobs.answers import ApiError, invalid
from infra.local.jobs.execution import Execution
from infra.local.jobs.fields import job_parameters, number, page_offset, paged
from infra.local.jobs.job import Job
from infra.local.jobs.login import Login
from infra.local.jobs.run_json import job_json, run_json, task_json
from infra.local.jobs.runs import Attempt, Run, RunFilter
from infra.local.jobs.scheduler import Scheduler
from infra.local.jobs.store import Store

MAX_TOKEN = 64
MAX_PAGE = 25
MAX_LOG_BYTES = 5 * 1024 * 1024


class JobsApi:
    def __init__(
        self, jobs: Mapping[int, Job], store: Store, scheduler: Scheduler, execution: Execution, login: Login
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._scheduler = scheduler
        self._execution = execution
        self._login = login

    def routes(self) -> list[BaseRoute]:
        table: list[tuple[str, str, Callable[[Request, dict[str, Any]], Any]]] = [
            ("GET", "list", self.list_jobs),
            ("GET", "get", self.get_job),
            ("POST", "run-now", self.run_now),
            ("GET", "runs/list", self.list_runs),
            ("GET", "runs/get", self.get_run),
            ("GET", "runs/get-output", self.get_output),
            ("POST", "runs/cancel", self.cancel_run),
            ("POST", "runs/delete", self.delete_run),
        ]
        return [
            Route(f"/api/{version}/jobs/{path}", self._endpoint(answer), methods=[method])
            for version in ("2.1", "2.2")
            for method, path, answer in table
        ]

    def _endpoint(self, answer: Callable[[Request, dict[str, Any]], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            # Read the body first: nothing is awaited between here and the response, so requests can't interleave.
            body = await request.body()
            self._login.require(request)
            fields: Any = dict(request.query_params)
            if request.method == "POST":
                try:
                    fields = json.loads(body or b"{}")
                except ValueError:
                    fields = None
                if not isinstance(fields, dict):
                    raise ApiError(400, "MALFORMED_REQUEST", "Could not parse request object: not a JSON object")
            return JSONResponse(answer(request, fields))

        return endpoint

    # --- jobs

    def list_jobs(self, _request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        jobs = list(self._jobs.values())
        if "name" in fields:
            jobs = [job for job in jobs if job.name.lower() == str(fields["name"]).lower()]
        limit, offset = number(fields, "limit", 20), page_offset(fields)
        if not 1 <= limit <= 100:
            raise invalid(f"Invalid limit {limit}: must be between 1 and 100.")
        page = [job_json(job) for job in jobs[offset : offset + limit]]
        if fields.get("expand_tasks") != "true":
            for item in page:
                item["settings"] = {
                    name: value
                    for name, value in item["settings"].items()
                    if name not in ("tasks", "environments", "job_clusters", "parameters")
                }
        return paged("jobs", page, offset, limit, len(jobs) > offset + limit)

    def get_job(self, _request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        return job_json(self._job(number(fields, "job_id")))

    # --- runs

    def run_now(self, _request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        job = self._job(number(fields, "job_id"))
        token = fields.get("idempotency_token") or None
        if token is not None:
            known = self._known(token)
            if known is not None:
                return {"run_id": known.run_id, "number_in_job": known.run_id}
        overriding = job_parameters(job, fields)
        queue = fields.get("queue")
        queued = bool(queue.get("enabled")) if isinstance(queue, dict) else job.queue
        run = self._scheduler.submit(job, overriding, token, queued)
        return {"run_id": run.run_id, "number_in_job": run.run_id}

    def _known(self, token: Any) -> Run | None:
        """The run that has this token, even if it has ended."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN:
            raise invalid(f"The idempotency token must have at most {MAX_TOKEN} characters.")
        run = self._store.run_of_token(token)
        if run is not None and run.deleted:
            raise invalid(f"The run with the idempotency token {token} has been deleted.")
        return run

    def list_runs(self, request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        active, completed = (fields.get(name) == "true" for name in ("active_only", "completed_only"))
        if active and completed:
            raise invalid("active_only and completed_only cannot be both set to true.")
        limit, offset = number(fields, "limit", 20) or MAX_PAGE, page_offset(fields)
        if not 1 <= limit <= MAX_PAGE:
            raise invalid(f"Invalid limit {limit}: must be between 0 and {MAX_PAGE}.")
        wanted = RunFilter(
            job_id=number(fields, "job_id", None),
            active_only=active,
            completed_only=completed,
            start_from=number(fields, "start_time_from", None),
            start_to=number(fields, "start_time_to", None),
        )
        runs = self._store.runs(wanted, limit + 1, offset)
        expand = fields.get("expand_tasks") == "true"
        return paged(
            "runs", [self._run_json(request, run, expand) for run in runs[:limit]], offset, limit, len(runs) > limit
        )

    def get_run(self, request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        run, attempt = self._run_or_attempt(fields)
        if attempt is not None:
            task = task_json(attempt, self._jobs.get(run.job_id), self._page_url(request, run))
            return {**self._run_json(request, run), **task, "tasks": [task]}
        return self._run_json(request, run)

    def get_output(self, request: Request, fields: dict[str, Any]) -> dict[str, Any]:
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
        answer = {"metadata": self._run_json(request, run), "logs": logs, "logs_truncated": truncated}
        error = attempt.error if attempt else ""
        if not error and run.result not in (None, "SUCCESS"):
            error = run.message
        if error:
            answer["error"] = error
        if attempt and attempt.error_trace:
            answer["error_trace"] = attempt.error_trace
        return answer

    def cancel_run(self, _request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        self._scheduler.cancel(self._run(number(fields, "run_id")))
        return {}

    def delete_run(self, _request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        run = self._run(number(fields, "run_id"))
        if run.active:
            raise invalid(f"Cannot delete active run {run.run_id}. Please cancel the run first.")
        self._store.update_run(run.run_id, deleted=True)
        return {}

    # --- lookup

    def _job(self, job_id: int) -> Job:
        if job_id not in self._jobs:
            raise invalid(f"Job {job_id} does not exist.")
        return self._jobs[job_id]

    def _run(self, run_id: int) -> Run:
        try:
            run = self._store.run(run_id)
        except KeyError:
            raise invalid(f"Run {run_id} does not exist.") from None
        if run.deleted:
            raise invalid(f"Run {run_id} does not exist.")
        return run

    def _run_or_attempt(self, fields: dict[str, Any]) -> tuple[Run, Attempt | None]:
        run_id = number(fields, "run_id")
        try:
            attempt = self._store.attempt(run_id)
        except KeyError:
            return self._run(run_id), None
        return self._run(attempt.run_id), attempt

    def _run_json(self, request: Request, run: Run, expand: bool = True) -> dict[str, Any]:
        attempts = self._store.attempts(run.run_id)
        return run_json(run, attempts, self._jobs.get(run.job_id), self._page_url(request, run), expand)

    def _page_url(self, request: Request, run: Run) -> str:
        return f"{request.base_url}run/{run.run_id}"
