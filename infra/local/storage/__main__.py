"""`python -m infra.local.storage --port P --data-dir D`: the options, the `ready` line, and a quick, clean shutdown."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path

import click
import uvicorn

from infra.local.listening import PortUnavailable, listen
from infra.local.storage import buckets
from infra.local.storage.answers import ApiError
from infra.local.storage.app import make_app
from infra.local.storage.service import DataDirInUse, Service, open_service

GRACE_SECONDS = 0.5


@click.command(help="Run a local Cloud Storage server. It implements the JSON API and stores its data in a folder.")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="Port to listen on; 0 picks a free port.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the data.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--bucket", "bucket_names", multiple=True, metavar="NAME", help="Bucket to create; may be repeated.")
@click.option("--notify", metavar="URL", help="URL that receives finalized events (the function).")
@click.option("--pubsub", metavar="HOST:PORT", help="Pub/Sub emulator that receives the buckets' notifications.")
def main(
    port: int, data_dir: Path, host: str, bucket_names: tuple[str, ...], notify: str | None, pubsub: str | None
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # uvicorn raises the signal again after its shutdown; exit with status 0 instead of dying from the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        listener = listen(host, port)
        service = open_service(data_dir, notify, pubsub)
        for name in bucket_names:
            service.database.write_blocking(lambda tx, name=name: buckets.ensure(tx, name))  # type: ignore[misc]
    except (PortUnavailable, DataDirInUse, ApiError, OSError) as error:
        print(f"storage: {error}", file=sys.stderr)
        sys.exit(2)
    address = f"[{host}]" if ":" in host else host
    server = _Server(service, f"http://{address}:{listener.getsockname()[1]}")
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        service.close()


class _Server(uvicorn.Server):
    def __init__(self, service: Service, url: str) -> None:
        super().__init__(
            uvicorn.Config(
                make_app(service),
                http="h11",
                ws="none",
                lifespan="off",
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._service = service
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        await self._service.events.start()
        await self._service.notifications.start()
        print(f"ready {self._url}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        aborting = asyncio.create_task(self._abort_connections())
        await super().shutdown(sockets=sockets)
        aborting.cancel()
        await self._service.events.stop()
        await self._service.notifications.stop()

    async def _abort_connections(self) -> None:
        """Close connections that are still busy after the grace period; otherwise uvicorn cancels them and logs errors."""
        await asyncio.sleep(GRACE_SECONDS)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


if __name__ == "__main__":
    main()
