"""Run other programs in the repository root. ``env`` is added to this process's environment."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUERY_TIMEOUT_SECONDS = 600
"""For one query; Terraform's first one downloads its providers."""


class CommandFailed(Exception):
    """The message contains the command and its error output, or says where that is."""

    def __init__(self, message: str, errors: str = "") -> None:
        super().__init__(message)
        self.errors = errors


def run(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None, ok: tuple[int, ...] = (0,)) -> int:
    """Run a command that changes something, with its input and output on the terminal. Returns its status, which must be
    one of ``ok``. Raises CommandFailed, whose ``errors`` is what the command wrote to its error output.

    Prints the command first, so that it can be repeated by hand.
    """
    shown = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items()]
    print("+", *shown, shlex.join(command), file=sys.stderr, flush=True)
    try:
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **(env or {})}, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise CommandFailed(f"{command[0]} is not installed") from None
    with process:
        assert process.stderr  # noqa: S101 - it is a pipe
        errors = []
        for line in process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            errors.append(line)
    if process.returncode not in ok:
        message = f"{shlex.join(command)} failed with status {process.returncode}; see its output above"
        raise CommandFailed(message, "".join(errors))
    return process.returncode


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


def _run(
    command: tuple[str, ...], cwd: Path, env: Mapping[str, str] | None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    try:
        return subprocess.run(command, cwd=cwd, check=False, env={**os.environ, **(env or {})}, **options)
    except FileNotFoundError:
        raise CommandFailed(f"{command[0]} is not installed") from None
