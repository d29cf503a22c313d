"""`python -m infra.local.jobs`: parse the options, check them before anything starts, and run the server."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from infra.local.jobs.bundle import Bundle, load_bundle
from infra.local.jobs.environment import DEFAULT_BUNDLE, DEFAULT_CACHE, prepare_environment, wheel_for
from infra.local.jobs.job import BundleError
from infra.local.jobs.locking import try_lock
from infra.local.jobs.login import LoginRules
from infra.local.jobs.server import JobsServer, ServerOptions, UvicornServer
from infra.local.jobs.wheel import WheelError
from infra.local.listening import PortUnavailable, listen

FOLDER = click.Path(path_type=Path)


def fail(message: str) -> SystemExit:
    print(f"error: {message}", file=sys.stderr)
    return SystemExit(2)


def pairs(values: tuple[str, ...], option: str, separator: str = "=") -> dict[str, str]:
    for value in values:
        if separator not in value:
            raise fail(f"{option} {value}: expected NAME{separator}VALUE")
    return {name: text for name, _, text in (value.partition(separator) for value in values)}


@click.command()
@click.option("--port", type=int, required=True, help="Port to listen on; 0 picks a free port.")
@click.option("--data-dir", type=FOLDER, required=True, help="Folder for state and run logs; kept across restarts.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--bundle", type=FOLDER, default=DEFAULT_BUNDLE, help="Bundle folder.")
@click.option("--target", default="local", show_default=True, help="Bundle target.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="Bundle variable; may be repeated.")
@click.option("--wheel", type=FOLDER, help="Use this wheel instead of building the bundle's.")
@click.option("--env-cache", type=FOLDER, default=DEFAULT_CACHE, help="Folder for the wheel's environments.")
@click.option("--run-env", multiple=True, metavar="NAME=VALUE", help="Environment variable for the runs; may be repeated.")
@click.option("--token", "tokens", multiple=True, default=("local",), show_default=True, help="Accepted bearer token.")
@click.option("--client", "clients", multiple=True, metavar="ID:SECRET", help="Accepted OAuth client credentials.")
@click.option("--federation-audience", "audiences", multiple=True, help="Enable token exchange for this audience.")
@click.option("--federation-issuer", default="", help="Required `iss` of the exchanged token.")
@click.option("--federation-subject", default="", help="Required `sub` of the exchanged token.")
@click.option("--federation-client-id", default="", help="Required `client_id` of the exchange.")
@click.option("--token-lifetime", type=int, default=3600, show_default=True, help="Lifetime of an issued token in seconds.")
@click.option("--queue-timeout", type=float, default=48 * 3600.0, show_default=True, help="Seconds that a run may queue.")
def main(
    port: int,
    data_dir: Path,
    host: str,
    bundle: Path,
    target: str,
    variables: tuple[str, ...],
    wheel: Path | None,
    env_cache: Path,
    run_env: tuple[str, ...],
    tokens: tuple[str, ...],
    clients: tuple[str, ...],
    audiences: tuple[str, ...],
    federation_issuer: str,
    federation_subject: str,
    federation_client_id: str,
    token_lifetime: int,
    queue_timeout: float,
) -> None:
    """Run the jobs of a Databricks bundle on this machine, behind the real Jobs API.

    Prints `ready http://HOST:PORT job_id=N …` when the server is up, and runs until Ctrl-C or SIGTERM.
    """
    # uvicorn raises the signal again after its shutdown; exit with status 0 instead of dying from the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        listener = listen(host, port)
    except PortUnavailable as error:
        raise fail(str(error)) from None
    lock = try_lock(data_dir / "lock")
    if lock is None:
        raise fail(f"a jobs server is already running on {data_dir}; stop it, or choose another --data-dir")
    try:
        loaded = load_bundle(bundle, target, pairs(variables, "--var"))
        environment = prepare_environment(wheel_for(loaded, wheel, env_cache), env_cache)
    except (BundleError, WheelError) as error:
        raise fail(str(error)) from None
    rules = LoginRules(
        tokens=tokens,
        clients=tuple(pairs(clients, "--client", ":").items()),
        audiences=audiences,
        issuer=federation_issuer,
        subject=federation_subject,
        client_id=federation_client_id,
        lifetime_seconds=token_lifetime,
    )
    options = ServerOptions(data_dir.resolve(), rules, pairs(run_env, "--run-env"), queue_timeout)
    address = f"http://{host}:{listener.getsockname()[1]}"
    server = JobsServer(loaded, environment, options)
    UvicornServer(server, lambda: print(ready_line(address, loaded), flush=True)).run(sockets=[listener])


def ready_line(address: str, bundle: Bundle) -> str:
    """Names the first job's id as job_id, and each job's id by its key."""
    named = " ".join(f"job.{job.key}={job.job_id}" for job in bundle.jobs)
    first = f"job_id={bundle.jobs[0].job_id} " if bundle.jobs else ""
    return f"ready {address} {first}{named}".rstrip()


if __name__ == "__main__":
    main()
