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
from infra.local.jobs.answers import ApiError, answer_error, answer_unknown_path, fault_body
from infra.local.jobs.api import JobsApi
from infra.local.jobs.bundle import Bundle
from infra.local.jobs.execution import Execution
from infra.local.jobs.login import Login, LoginRules
from infra.local.jobs.pages import page_routes
from infra.local.jobs.scheduler import Scheduler
from infra.local.jobs.sql_statements import SqlStatements
from infra.local.jobs.store import Store


class JobsServer(uvicorn.Server):
    """Prints a line when it is ready, and ends the runs before it waits for connections; stops within 3 seconds."""

    def __init__(
        self,
        bundle: Bundle,
        python: Path,
        data_dir: Path,
        address: str,
        rules: LoginRules,
        run_variables: Mapping[str, str],
        queue_timeout: float,
        sql_warehouse: Callable[[Login], SqlStatements],
    ) -> None:
        jobs = {job.job_id: job for job in bundle.jobs}
        self._jobs = jobs
        self._address = address
        self._store = Store(data_dir / "jobs.sqlite")
        execution = Execution(python, data_dir / "runs", run_variables)
        self._scheduler = Scheduler(self._store, jobs, execution, queue_timeout)
        self._login = Login(rules, self._store)
        self._sql = sql_warehouse(self._login)
        self._api = JobsApi(jobs, self._store, self._scheduler, execution, self._login, address)
        application = Starlette(
            routes=[
                *self._api.routes(),
                *self._login.routes(),
                *self._sql.routes(),
                *page_routes(jobs, self._store, execution),
                Route("/_local/stats", self._stats),
            ],
            exception_handlers={ApiError: answer_error, 404: answer_unknown_path},
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
            named = (f"job.{job.key}={job.job_id}" for job in self._jobs.values())
            print("ready", self._address, *named, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._faults.clear()
        await self._scheduler.stop()
        self._sql.stop()
        await super().shutdown(sockets)
        self._store.close()

    async def _stats(self, _request: Request) -> Response:
        """Requests that a fault kept from the application are not counted here; the list of faults counts them."""
        return JSONResponse(
            {**self._login.counts, "requests": dict(self._api.requests), "runs": self._store.count_by_state()}
        )
