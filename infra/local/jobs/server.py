"""The application, and the uvicorn server that runs it."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.faults import FaultMiddleware, Faults, fault_routes
from infra.local.jobs.answers import ApiError, answer_error, answer_unknown_path, fault_body
from infra.local.jobs.api import JobsApi
from infra.local.jobs.bundle import Bundle
from infra.local.jobs.environment import Environment
from infra.local.jobs.execution import Execution
from infra.local.jobs.job import stable_id
from infra.local.jobs.login import Login, LoginRules, login_routes
from infra.local.jobs.pages import page_routes
from infra.local.jobs.runs import RunFilter
from infra.local.jobs.scheduler import Scheduler
from infra.local.jobs.store import Store


@dataclass(frozen=True)
class ServerOptions:
    data_dir: Path
    login: LoginRules
    run_variables: Mapping[str, str]
    queue_timeout: float


class JobsServer:
    """The application and its parts. Call `stop` before waiting for open connections."""

    def __init__(self, bundle: Bundle, environment: Environment, options: ServerOptions) -> None:
        jobs = {job.job_id: job for job in bundle.jobs}
        self.faults = Faults()
        self._requests: Counter[str] = Counter()
        self._store = Store(options.data_dir / "jobs.sqlite")
        self._login = Login(options.login, self._store)
        execution = Execution(environment, options.data_dir / "runs", options.run_variables)
        self._scheduler = Scheduler(self._store, jobs, execution, options.queue_timeout)
        api = JobsApi(jobs, self._store, self._scheduler, execution, self._login)
        workspace_id = str(stable_id("workspace", bundle.name))
        routes = [
            *api.routes(),
            *login_routes(self._login, workspace_id, options.login.audiences),
            *page_routes(jobs, self._store, execution),
            *fault_routes(self.faults),
            *self._admin_routes(),
        ]
        application = Starlette(
            routes=routes, exception_handlers={ApiError: answer_error, 404: answer_unknown_path}, lifespan=self._lifespan
        )
        self.app: ASGIApp = FaultMiddleware(self._counted(application), self.faults, fault_body)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._scheduler.recover()
        yield
        await self._scheduler.stop()
        self._store.close()

    async def stop(self) -> None:
        self.faults.clear()
        await self._scheduler.stop()

    def _counted(self, app: ASGIApp) -> ASGIApp:
        """Count the requests that reach the application; the list of faults counts the others."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and not scope["path"].startswith("/_local/"):
                self._requests[f"{scope['method']} {scope['path']}"] += 1
            await app(scope, receive, send)

        return counting

    def _admin_routes(self) -> list[BaseRoute]:
        async def stats(_request: Request) -> Response:
            logins = self._login.counts
            return JSONResponse(
                {
                    "token_exchanges": logins["token_exchange"],
                    "client_credentials": logins["client_credentials"],
                    "logins_refused": logins["refused"],
                    "requests_refused": logins["requests_without_login"] + logins["requests_with_bad_login"],
                    "requests": dict(sorted(self._requests.items())),
                    "runs": self._store.count_by_state(),
                    "active_runs": len(self._store.runs(RunFilter(active_only=True), limit=1_000_000)),
                }
            )

        return [Route("/_local/stats", stats)]


class UvicornServer(uvicorn.Server):
    """Announces when it is ready, and ends the runs before it waits for connections; stops within 3 seconds."""

    def __init__(self, server: JobsServer, announce: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                server.app,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=1,
                lifespan="on",
                server_header=False,
            )
        )
        self._jobs_server = server
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._jobs_server.stop()
        await super().shutdown(sockets)
