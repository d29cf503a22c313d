"""What must be on the machine. Each lack is one sentence that says what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_JAVA = 17  # Spark 4 is built for it


class Missing(Exception):
    """A prerequisite isn't there. The message is one sentence for the person at the keyboard."""


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> None:
    if version[:2] < OLDEST_PYTHON:
        raise Missing(
            f"Python 3.11 or newer is needed, this is {'.'.join(map(str, version))} ({sys.executable}): "
            "make the environment anew with a newer one."
        )


def java_home() -> Path:
    """The home of a Java that Spark starts with: JAVA_HOME where set, else the ``java`` on PATH. Raises Missing."""
    configured = os.environ.get("JAVA_HOME")
    binary = Path(configured, "bin", "java") if configured else Path(shutil.which("java") or "")
    install = "install Java 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17)"
    if configured and not binary.is_file():
        raise Missing(f"JAVA_HOME is {configured}, where there is no bin/java: correct it, or {install}.")
    if not binary.is_file():
        raise Missing(f"Java isn't on PATH and JAVA_HOME isn't set: {install}.")
    shown = subprocess.run([binary, "-version"], capture_output=True, text=True, check=False, timeout=60)
    release = java_release(shown.stderr + shown.stdout)
    if release is None:
        raise Missing(f"{binary} doesn't say which version it is, so it is no working Java: {install}.")
    if release < OLDEST_JAVA:
        raise Missing(f"Spark needs Java 17 or newer, {binary} is Java {release}: {install} and set JAVA_HOME to it.")
    # The binary on PATH is often a chain of links; the home is where the last one leads.
    return Path(configured) if configured else binary.resolve().parent.parent


def java_release(shown: str) -> int | None:
    """The feature release in what ``java -version`` prints: 17 of ``"17.0.15"``, 8 of ``"1.8.0_422"``."""
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(found[1]) if found else None
