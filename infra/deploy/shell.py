"""Other programs, run by their name. One small class, so that a test can put a record of calls in its place."""

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

PATIENCE_SECONDS = 600
"""For one question; Terraform's first one downloads its providers."""


class CommandFailed(Exception):
    """The message is the command and what it said."""


class Shell:
    """Runs in the repository's root. Prints what it runs, so that everything can be repeated by hand.

    ``env`` comes on top of this process's environment.
    """

    def run(self, *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
        """With its output on the terminal, and its questions asked there."""
        shown = [f"{name}={shlex.quote(value)}" for name, value in (env or {}).items()]
        print("+", *shown, shlex.join(command), file=sys.stderr, flush=True)
        try:
            done = subprocess.run(command, cwd=cwd, check=False, env={**os.environ, **(env or {})})
        except FileNotFoundError:
            raise CommandFailed(f"{command[0]} is not installed") from None
        if done.returncode:
            raise CommandFailed(f"{shlex.join(command)} ended with {done.returncode}; what it said is above")

    def ask(self, *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
        """Its standard output. Raises CommandFailed, also where the program is not installed."""
        try:
            done = subprocess.run(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                check=False,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
            )
        except FileNotFoundError:
            raise CommandFailed(f"{command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{shlex.join(command)} gave no answer within {PATIENCE_SECONDS} s") from None
        if done.returncode:
            raise CommandFailed(f"{shlex.join(command)}: {(done.stderr or done.stdout).strip()[-500:]}")
        return done.stdout.strip()

    def ask_json(self, *command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Any:
        try:
            return json.loads(self.ask(*command, cwd=cwd, env=env))
        except json.JSONDecodeError:
            raise CommandFailed(f"{shlex.join(command)} answered something that is not JSON") from None
