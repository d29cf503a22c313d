"""Web pages: the list of runs, and one run with its error and the end of its log (run_page_url points to it)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.jobs.execution import Execution
from infra.local.jobs.job import Job
from infra.local.jobs.runs import Attempt, Run, RunFilter, now_ms
from infra.local.jobs.store import Store

RUNS_ON_A_PAGE = 100
LOG_BYTES = 64 * 1024


def page_routes(jobs: Mapping[int, Job], store: Store, execution: Execution) -> list[BaseRoute]:
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True)

    async def all_runs(request: Request) -> Response:
        offset = request.query_params.get("before", "0")
        start = int(offset) if offset.isdigit() else 0
        runs = store.runs(RunFilter(), RUNS_ON_A_PAGE + 1, start)
        return HTMLResponse(
            templates.get_template("runs.html").render(
                title="Local jobs server",
                refresh=any(run.active for run in runs),
                jobs=jobs.values(),
                runs=[_run_row(run) for run in runs[:RUNS_ON_A_PAGE]],
                older=start + RUNS_ON_A_PAGE if len(runs) > RUNS_ON_A_PAGE else 0,
            )
        )

    async def one_run(request: Request) -> Response:
        try:
            run = store.run(request.path_params["run_id"])
        except KeyError:
            return HTMLResponse("No such run.", status_code=404)
        attempts = store.attempts(run.run_id)
        log, cut = execution.log_tail(run.run_id, LOG_BYTES)
        return HTMLResponse(
            templates.get_template("run.html").render(
                title=f"Run {run.run_id}",
                refresh=run.active,
                run=_run_row(run),
                error=next((item.error_trace or item.error for item in reversed(attempts) if item.error), ""),
                parameters=[(name, value, name in run.overriding) for name, value in run.parameters.items()],
                attempts=[_attempt_row(attempt) for attempt in attempts],
                log_file=execution.log_file(run.run_id),
                log=log,
                cut=cut,
                shown=LOG_BYTES // 1024,
            )
        )

    return [Route("/", all_runs), Route("/run/{run_id:int}", one_run)]


def _run_row(run: Run) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "name": run.run_name,
        "state": (run.result if run.state == "TERMINATED" else run.state) or run.state,
        "message": run.message,
        "created": datetime.fromtimestamp(run.created / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "duration": _seconds(run.created, run.ended),
        "queued": _seconds(run.created, run.started or run.ended) if run.was_queued else "",
    }


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.attempt_id,
        "task": attempt.task_key,
        "number": attempt.number,
        "state": (attempt.result if attempt.state == "TERMINATED" else attempt.state) or attempt.state,
        "duration": _seconds(attempt.called, attempt.ended) if attempt.called else "",
    }


def _seconds(start: int, end: int | None) -> str:
    return f"{((end or now_ms()) - start) / 1000:.1f} s"
