"""Run other programs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.deploy.upload_set import ROOT

QUERY_TIMEOUT_SECONDS = 600
"""For one query; Terraform's first one downloads its providers."""


class CommandFailed(Exception):
    """The message contains the command and its error output."""


class Shell:
    """Runs commands in the repository root. Prints the commands that change anything, so that they can be repeated by hand.

    ``env`` is added to this process's environment.
    """

    def run(self, *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
        """Run a command with its input and output on the terminal. Raises CommandFailed."""
        shown = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items()]
        print("+", *shown, shlex.join(command), file=sys.stderr, flush=True)
        try:
            done = subprocess.run(command, cwd=cwd, check=False, env={**os.environ, **(env or {})})
        except FileNotFoundError:
            raise CommandFailed(f"{command[0]} is not installed") from None
        if done.returncode:
            raise CommandFailed(f"{shlex.join(command)} failed with status {done.returncode}; see its output above")

    def ask(self, *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
        """Run a command and return its standard output. Raises CommandFailed, also if the program is not installed."""
        try:
            done = subprocess.run(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                check=False,
                capture_output=True,
                text=True,
                timeout=QUERY_TIMEOUT_SECONDS,
            )
        except FileNotFoundError:
            raise CommandFailed(f"{command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{shlex.join(command)} timed out after {QUERY_TIMEOUT_SECONDS} s") from None
        if done.returncode:
            raise CommandFailed(f"{shlex.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout.strip()

    def ask_json(self, *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Any:
        try:
            return json.loads(self.ask(*command, cwd=cwd, env=env))
        except json.JSONDecodeError:
            raise CommandFailed(f"{shlex.join(command)} did not print JSON") from None
