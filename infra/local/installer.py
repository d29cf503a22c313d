"""Installs Python packages quietly: with uv if it is there, otherwise with pip. Standard library only."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

# pip's settings that decide where packages come from. uv doesn't read them itself.
_SOURCES = {"index-url": "--default-index", "extra-index-url": "--index", "find-links": "--find-links"}
LAST_LINES = 15


class InstallError(RuntimeError):
    """pip failed; the message ends with its last lines."""


def install(python: Path, *arguments: str) -> None:
    """Install into that Python's environment what the arguments name, as in ``pip install``. Raises InstallError."""
    uv = find_uv(python)
    if uv:
        sources, environment = uv_sources()
        command = [uv, "pip", "install", "--quiet", "--python", str(python), *sources, *arguments]
        # First from the cache alone: an index that doesn't confirm what is cached has PySpark built again, for 20 s.
        if any(run_quietly([*command, *more], environment).returncode == 0 for more in (["--offline"], [])):
            return
    # Whatever uv has against this machine or these packages: pip decides, and says what is wrong.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    done = run_quietly([*pip, "install", *arguments])
    if done.returncode:
        raise InstallError("pip install failed:\n" + "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:]))


def find_uv(python: Path) -> str | None:
    """The one in that environment, in the running one, or on PATH."""
    beside = os.pathsep.join(str(path.parent) for path in (python, Path(sys.executable)))
    return shutil.which("uv", path=beside) or shutil.which("uv")


def uv_sources() -> tuple[list[str], dict[str, str]]:
    """The options and the environment with which uv takes packages from where pip does."""
    settings = pip_settings()
    # pip's certificates also for uv; what is set for uv itself stays.
    return _uv_sources(settings), ({"SSL_CERT_FILE": settings["cert"]} if "cert" in settings else {}) | os.environ


def run_quietly(command: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Both streams are in ``stdout``. A Ctrl-C ends the command as well."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
    )


def pip_settings() -> dict[str, str]:
    """What pip is configured with on this machine, by the setting's name; the environment outranks files."""
    shown = run_quietly([sys.executable, "-m", "pip", "config", "list"]).stdout
    found: dict[str, str] = {}
    for line in sorted(shown.splitlines(), key=lambda line: not line.startswith("global.")):
        name, equals, value = line.partition("=")
        section, dot, setting = name.rpartition(".")
        if equals and dot and section in ("global", "install", ":env:"):
            found[setting] = str(ast.literal_eval(value))
    return found


def _uv_sources(settings: dict[str, str]) -> list[str]:
    options = ["--no-index"] if settings.get("no-index", "").lower() in ("1", "true", "yes", "on") else []
    for setting, option in _SOURCES.items():
        for value in settings.get(setting, "").split():
            options += [option, value]
    return options
