"""Web pages: the list of runs, and one run with its error and the end of its log (run_page_url points to it)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.templating import Jinja2Templates

from infra.local.jobs.execution import Execution
from infra.local.jobs.job_settings import Job
from infra.local.jobs.store import Attempt, Run, Store, now_ms

LATEST = 100
LOG_BYTES = 64 * 1024


def page_routes(jobs: Mapping[int, Job], store: Store, execution: Execution) -> list[BaseRoute]:
    templates = Jinja2Templates(Path(__file__).with_name("templates"))
    templates.env.filters.update(state=_state, time=_time, seconds_until=_seconds_until)

    async def all_runs(request: Request) -> Response:
        return templates.TemplateResponse(
            request, "runs.html", {"jobs": jobs.values(), "runs": store.runs(limit=LATEST), "latest": LATEST}
        )

    async def one_run(request: Request) -> Response:
        run = store.run(request.path_params["run_id"])
        if run is None:
            return HTMLResponse("No such run.", status_code=404)
        log, cut = execution.log_tail(run.run_id, LOG_BYTES)
        shown = {
            "run": run,
            "attempts": store.attempts(run.run_id),
            "log_file": execution.log_file(run.run_id),
            "log": log,
            "cut": cut,
            "shown": LOG_BYTES // 1024,
        }
        return templates.TemplateResponse(request, "run.html", shown)

    return [Route("/", all_runs), Route("/run/{run_id:int}", one_run)]


def _state(one: Run | Attempt) -> str:
    return one.result if one.state == "TERMINATED" and one.result else one.state


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _seconds_until(start: int, end: int | None) -> str:
    return f"{((end or now_ms()) - start) / 1000:.1f} s"
