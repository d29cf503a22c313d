"""The parts of the server wired together, and the uvicorn server that runs them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.faults import FaultMiddleware
from infra.local.jobs.answers import ApiError, answer_error, fault_body
from infra.local.jobs.api import JobsApi
from infra.local.jobs.bundle import Bundle
from infra.local.jobs.endpoints import Endpoints, Fields
from infra.local.jobs.execution import Execution
from infra.local.jobs.governance import Governance
from infra.local.jobs.login import USER, Login, LoginRules
from infra.local.jobs.pages import page_routes
from infra.local.jobs.posted_jobs import Jobs
from infra.local.jobs.scheduler import Scheduler
from infra.local.jobs.sql_statements import SqlStatements
from infra.local.jobs.store import Store
from infra.local.jobs.workspace import Workspace


class JobsServer(uvicorn.Server):
    """Prints a line when it is ready, and ends the runs before it waits for connections; stops within 3 seconds."""

    def __init__(
        self,
        bundle: Bundle,
        python: Path | None,
        env_cache: Path,
        data_dir: Path,
        address: str,
        rules: LoginRules,
        run_variables: Mapping[str, str],
        queue_timeout: float,
        grace: float,
        sql_warehouse: Callable[[Login], SqlStatements],
    ) -> None:
        self._bundle = bundle
        self._address = address
        self._store = Store(data_dir / "jobs.sqlite")
        self._workspace = Workspace(data_dir / "workspace.sqlite")
        jobs = Jobs(bundle.jobs, self._store, self._workspace)
        execution = Execution(python, env_cache, data_dir / "runs", run_variables, grace)
        self._scheduler = Scheduler(self._store, jobs, execution, queue_timeout)
        self._login = Login(rules, self._store)
        self._endpoints = Endpoints(self._login)
        self._sql = sql_warehouse(self._login)
        application = Starlette(
            routes=[
                *JobsApi(jobs, self._store, self._scheduler, execution, address).routes(self._endpoints),
                *self._workspace.routes(self._endpoints),
                *Governance(self._store, self._workspace, jobs).routes(self._endpoints),
                self._endpoints.route("GET", "/api/2.0/preview/scim/v2/Me", _current_user),
                self._endpoints.route("POST", "/telemetry-ext", _telemetry),
                *self._login.routes(),
                *self._sql.routes(),
                *page_routes(jobs, self._store, execution),
                Route("/_local/stats", self._stats),
            ],
            exception_handlers={ApiError: answer_error, 404: self._endpoints.answer_unknown},
        )
        self._faults = FaultMiddleware(application, fault_body)
        super().__init__(
            uvicorn.Config(
                self._faults,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=1,
                lifespan="off",
                server_header=False,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._scheduler.recover()
        await super().startup(sockets)
        if self.started:
            named = (f"job.{job.key}={job.job_id}" for job in self._bundle.jobs)
            print("ready", self._address, *named, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._faults.clear()
        await self._scheduler.stop()
        self._sql.stop()
        await super().shutdown(sockets)
        self._store.close()
        self._workspace.close()

    async def _stats(self, _request: Request) -> Response:
        """Requests that a fault kept from the application are not counted here; the list of faults counts them."""
        return JSONResponse(
            {**self._login.counts, "requests": dict(self._endpoints.requests), "runs": self._store.count_by_state()}
        )


def _current_user(_fields: Fields) -> Fields:
    return {"id": "1", "userName": USER, "displayName": "Developer", "active": True, "groups": [{"display": "admins"}]}


def _telemetry(fields: Fields) -> Fields:
    """Nothing is kept. The CLI sends again what is not counted."""
    return {"errors": [], "numProtoSuccess": len(fields.get("protoLogs") or [])}
