"""`python -m infra.local.jobs`: parse the options, check them before anything starts, and run the server."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from infra.local.installer import InstallError
from infra.local.jobs.bundle import Bundle, BundleError, load_bundle
from infra.local.jobs.environment import DEFAULT_BUNDLE, DEFAULT_CACHE, WheelError, prepare_environment
from infra.local.jobs.locking import try_lock
from infra.local.jobs.login import LoginRules
from infra.local.jobs.server import JobsServer
from infra.local.jobs.sql_statements import CHUNK_ROWS, RESULT_SECONDS, SqlStatements
from infra.local.listening import HOST, PortUnavailable, listen

FOLDER = click.Path(path_type=Path, resolve_path=True)


def pairs(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    for value in values:
        if "=" not in value:
            raise click.BadParameter(f"{value}: expected NAME=VALUE")
    return {name: text for name, _, text in (value.partition("=") for value in values)}


@click.command()
@click.option("--port", type=int, required=True, help="Port to listen on; 0 picks a free port.")
@click.option("--data-dir", type=FOLDER, required=True, help="Folder for state and run logs; kept across restarts.")
@click.option("--bundle", "bundle_dir", type=FOLDER, default=DEFAULT_BUNDLE, help="Bundle folder.")
@click.option("--no-bundle", is_flag=True, help="Read no bundle: jobs are deployed to the server with the Databricks CLI.")
@click.option("--target", default="local", show_default=True, help="Bundle target.")
@click.option("--var", "variables", multiple=True, callback=pairs, metavar="NAME=VALUE", help="Bundle variable.")
@click.option("--wheel", type=FOLDER, help="Use this wheel instead of building the bundle's.")
@click.option("--env-cache", type=FOLDER, default=DEFAULT_CACHE, help="Folder for the wheel's environments.")
@click.option("--run-env", multiple=True, callback=pairs, metavar="NAME=VALUE", help="Environment variable for the runs.")
@click.option("--queue-timeout", type=float, default=48 * 3600.0, show_default=True, help="Seconds that a run may queue.")
@click.option("--grace", type=float, default=20.0, show_default=True, help="Seconds that a canceled run may take to end.")
@click.option("--sql-chunk-rows", default=CHUNK_ROWS, show_default=True, help="Rows of a part of a SQL result.")
@click.option("--sql-result-seconds", default=RESULT_SECONDS, show_default=True, help="Seconds that a SQL result is kept.")
@click.option("--token", "tokens", multiple=True, default=("local",), show_default=True, help="Accepted bearer token.")
@click.option("--client", "clients", multiple=True, metavar="ID:SECRET", help="Accepted OAuth client credentials.")
@click.option("--federation-audience", "audience", default="", help="Enable token exchange for this audience.")
@click.option("--federation-issuer", "issuer", default="", help="Required `iss` of the exchanged token.")
@click.option("--federation-subject", "subject", default="", help="Required `sub` of the exchanged token.")
@click.option("--federation-client-id", "client_id", default="", help="Required `client_id` of the exchange.")
@click.option("--token-lifetime", "lifetime_seconds", default=3600, show_default=True, help="Seconds of an issued token.")
def main(
    port: int,
    data_dir: Path,
    bundle_dir: Path,
    no_bundle: bool,
    target: str,
    variables: dict[str, str],
    wheel: Path | None,
    env_cache: Path,
    run_env: dict[str, str],
    queue_timeout: float,
    grace: float,
    sql_chunk_rows: int,
    sql_result_seconds: float,
    **login: Any,
) -> None:
    """Run the jobs of a Databricks bundle on this machine, behind the real Jobs API.

    Prints `ready http://HOST:PORT job.KEY=ID …` when the server is up, and runs until Ctrl-C or SIGTERM.
    """
    # uvicorn raises the signal again after its shutdown; exit with status 0 instead of dying from the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        listener = listen(HOST, port)
        lock = try_lock(data_dir / "lock")
        if lock is None:
            sys.exit(_error(f"a jobs server is already running on {data_dir}; stop it, or choose another --data-dir"))
        bundle = Bundle((), ()) if no_bundle else load_bundle(bundle_dir, target, variables)
        python = None if no_bundle else prepare_environment(bundle, wheel, env_cache)
    except (PortUnavailable, BundleError, WheelError, InstallError) as error:
        sys.exit(_error(str(error)))
    address = f"http://{HOST}:{listener.getsockname()[1]}"
    tables = Path(variables.get("warehouse") or data_dir / "warehouse")
    sql = partial(SqlStatements, tables, chunk_rows=sql_chunk_rows, result_seconds=sql_result_seconds)
    rules = LoginRules(**login)
    server = JobsServer(bundle, python, env_cache, data_dir, address, rules, run_env, queue_timeout, grace, sql)
    server.run(sockets=[listener])


def _error(message: str) -> int:
    """Prints the message and returns the exit status."""
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
