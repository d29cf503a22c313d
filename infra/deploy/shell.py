"""Run other programs in the repository root. ``env`` is added to this process's environment."""

from __future__ import annotations

import codecs
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUERY_TIMEOUT_SECONDS = 600
"""For one query; Terraform's first one downloads its providers."""

TRANSIENT = re.compile(
    "|".join(
        (
            # An API that was enabled a moment ago.
            r"If you enabled this API recently",
            # A service account, or Google's own one for a service, that was created a moment ago.
            r"Service account \S+ does not exist",
            r"Permission denied while using the Eventarc Service Agent",
            # Rights that were granted a moment ago: Databricks reads the bucket when it creates the external location.
            r"does not have storage\.\w+\.\w+ access",
            # A log-based metric that was created a moment ago.
            r"Cannot find metric",
            # A service principal that was assigned to the workspace a moment ago.
            r"Principal \S+ not in workspace",
            r"Principal: \w+\([^)]*\) does not exist",
        )
    ),
    re.IGNORECASE,
)
"""What Google and Databricks answer in a first deployment, until all their servers know what it has just created."""
RETRY_DELAYS_SECONDS = (30, 60, 120, 180, 240)
"""Ten minutes in all: Google announces that long for metrics, and less for everything else."""
_KEPT_ERROR_CHARACTERS = 100_000
_NOT_TEXT = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[│╷╵]")


class CommandFailed(Exception):
    """The message contains the command and its error output."""


def run(
    *command: str,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (0,),
) -> int:
    """Run a command with its input and output on the terminal and return its exit status. Raises CommandFailed.

    Prints the command first, so that it can be repeated by hand.
    """
    _show(command, cwd, env)
    status = _run(command, cwd, env).returncode
    if status not in accepted:
        raise _failed(command, status)
    return status


def run_with_retries(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
    """Run a repeatable command as `run` does, and again after a while if its errors are TRANSIENT. Raises CommandFailed."""
    for delay in (*RETRY_DELAYS_SECONDS, None):
        _show(command, cwd, env)
        status, errors = _run_and_read_errors(command, cwd, env)
        if status == 0:
            return
        found = TRANSIENT.search(" ".join(_NOT_TEXT.sub(" ", errors).split()))
        if found is None or delay is None:
            raise _failed(command, status)
        print(
            f"\n{found[0]!r} is normal in a first deployment: what has just been created is not known everywhere yet."
            f" Trying again in {delay} s (Ctrl-C stops; you can repeat the step later).\n",
            file=sys.stderr,
            flush=True,
        )
        time.sleep(delay)


def ask(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return its standard output. Raises CommandFailed."""
    try:
        done = _run(command, cwd, env, capture_output=True, text=True, timeout=QUERY_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{shlex.join(command)} timed out after {QUERY_TIMEOUT_SECONDS} s") from None
    if done.returncode:
        raise CommandFailed(f"{shlex.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
    return str(done.stdout).strip()


def ask_json(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Any:
    try:
        return json.loads(ask(*command, cwd=cwd, env=env))
    except json.JSONDecodeError:
        raise CommandFailed(f"{shlex.join(command)} did not print JSON") from None


def _show(command: tuple[str, ...], cwd: Path, env: Mapping[str, str] | None) -> None:
    place = [] if cwd == ROOT else ["cd", shlex.quote(str(cwd)), "&&"]
    shown = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items()]
    print("+", *place, *shown, shlex.join(command), file=sys.stderr, flush=True)


def _failed(command: tuple[str, ...], status: int) -> CommandFailed:
    return CommandFailed(f"{shlex.join(command)} failed with status {status}; see its output above")


def _run(
    command: tuple[str, ...], cwd: Path, env: Mapping[str, str] | None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    try:
        return subprocess.run(command, cwd=cwd, check=False, env={**os.environ, **(env or {})}, **options)
    except FileNotFoundError:
        raise CommandFailed(f"{command[0]} is not installed") from None


def _run_and_read_errors(command: tuple[str, ...], cwd: Path, env: Mapping[str, str] | None) -> tuple[int, str]:
    """The exit status and the end of what it wrote to standard error, which also goes to ours.

    Input and standard output stay on the terminal, so that Terraform can ask and use colors.
    """
    read_end, write_end = os.pipe()
    try:
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stderr=write_end)
    except FileNotFoundError:
        os.close(read_end)
        raise CommandFailed(f"{command[0]} is not installed") from None
    finally:
        os.close(write_end)
    errors = ""
    # A block may end within a character.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with process, os.fdopen(read_end, "rb", buffering=0) as stream:
        while block := stream.read(8192):
            text = decoder.decode(block)
            sys.stderr.write(text)
            sys.stderr.flush()
            errors = (errors + text)[-_KEPT_ERROR_CHARACTERS:]
    return process.returncode, errors
