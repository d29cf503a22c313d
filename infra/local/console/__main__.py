"""`python -m infra.local.console`: the options, the `ready` line, and a quick, clean shutdown."""

from __future__ import annotations

import signal
import socket
import sys

import click
import uvicorn

from infra.local.listening import HOST, PortUnavailable, listen
from infra.local.uploads import connect
from spark_jobs import bootstrap
from spark_jobs.settings import BucketLayout, IngestSettings

TOKEN = "local"  # noqa: S105 - the local jobs server accepts it from anyone on this machine


@click.command(help="Serve the console of a local stack: a live page about files, runs and orders.")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="Port to listen on; 0 picks a free port.")
@click.option("--bucket", required=True, help="Bucket that files are uploaded to.")
@click.option("--storage", required=True, metavar="URL", help="The storage server.")
@click.option("--jobs", required=True, metavar="URL", help="The jobs server.")
@click.option("--job-id", type=int, required=True, help="The job that loads files.")
@click.option("--warehouse", required=True, help="Folder of Delta tables.")
@click.option("--max-bad-row-ratio", type=click.FloatRange(0, 1), default=0.1, help="As in the function.")
def main(port: int, bucket: str, storage: str, jobs: str, job_id: int, warehouse: str, max_bad_row_ratio: float) -> None:
    # uvicorn raises the signal again after its shutdown; exit with status 0 instead of dying from the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        listener = listen(HOST, port)
    except PortUnavailable as error:
        print(f"console: {error}", file=sys.stderr)
        sys.exit(2)
    from databricks.sdk import WorkspaceClient

    from infra.local.console.app import Console, Sources
    from infra.local.console.runs import Runs

    settings = IngestSettings(BucketLayout(bucket), warehouse=warehouse)
    sources = Sources(
        settings,
        bootstrap.build_dependencies(settings).store,
        bootstrap.build_engine(settings, ""),
        Runs(WorkspaceClient(host=jobs, token=TOKEN), job_id),
        connect(storage),
        max_bad_row_ratio,
    )
    chosen = listener.getsockname()[1]
    _Server(
        uvicorn.Config(
            Console(sources).application(chosen),
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    ).run(sockets=[listener])


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            print(f"ready http://{HOST}:{sockets[0].getsockname()[1]}", flush=True)


if __name__ == "__main__":
    main()
