"""The HTTP server: the socket, uvicorn, the `ready` line, and a quick, clean shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from infra.local.storage.app import make_app
from infra.local.storage.service import Service

GRACE_SECONDS = 0.5


class _Connection(H11Protocol):
    """Give the application access to its connection (to reset it, and to notice that the client disconnected)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, "connection": self}


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, url: str) -> None:
        super().__init__(config)
        self._service = service
        self._url = url

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Exit with status 0 when asked to stop; uvicorn itself would raise the signal again."""
        caught = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        await self._service.deliveries.start()
        print(f"ready {self._url}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        aborting = asyncio.create_task(self._abort_connections())
        await super().shutdown(sockets=sockets)
        aborting.cancel()
        await self._service.deliveries.stop()

    async def _abort_connections(self) -> None:
        """Close connections that are still busy after the grace period; otherwise uvicorn cancels them and logs errors."""
        await asyncio.sleep(GRACE_SECONDS)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


def serve(service: Service, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    config = uvicorn.Config(
        make_app(service),
        http=_Connection,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, service, url)
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        service.close()
