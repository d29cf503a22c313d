"""`python -m infra.local.storage --port P --data-dir D`"""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

import click

from infra.local.listening import PortUnavailable, listen
from infra.local.storage.errors import ApiError
from infra.local.storage.names import check_bucket_name
from infra.local.storage.server import serve
from infra.local.storage.service import DataDirInUse, open_service


@click.command(help="Run a local Cloud Storage server. It implements the JSON API and stores its data in a folder.")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="Port to listen on; 0 picks a free port.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the data.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--bucket", "buckets", multiple=True, metavar="NAME", help="Bucket to create; may be repeated.")
@click.option("--notify", metavar="URL", help="URL that receives finalized events (the function).")
def main(port: int, data_dir: Path, host: str, buckets: tuple[str, ...], notify: str | None) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        for bucket in buckets:
            check_bucket_name(bucket)
        listener = listen(host, port)
        service = open_service(data_dir, buckets, notify)
    except (PortUnavailable, DataDirInUse, ApiError, OSError) as error:
        print(f"storage: {error}", file=sys.stderr)
        sys.exit(2)
    with contextlib.suppress(KeyboardInterrupt):
        serve(service, listener)


if __name__ == "__main__":
    main()
