"""The one check for Java. Standard library only: set-up runs it before anything is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST = 17  # Spark 4 is built for it
_INSTALL = (
    f"install Java {OLDEST} (Debian, Ubuntu: apt-get install openjdk-{OLDEST}-jre-headless; "
    f"macOS: brew install openjdk@{OLDEST})"
)


class JavaError(Exception):
    """No Java that Spark can use was found. The message is one sentence that says what to do."""


@dataclass(frozen=True)
class Java:
    """``about`` is what ``java -version`` prints: it names the exact build."""

    home: Path
    about: str

    @property
    def binary(self) -> Path:
        return self.home / "bin" / "java"


def find_java() -> Java:
    """The Java that Spark will start: the one of JAVA_HOME if that is set, else the first on PATH. Raises JavaError."""
    configured = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    if configured:
        binary = Path(configured, "bin", "java")
        if not binary.is_file():
            raise JavaError(f"JAVA_HOME is {configured}, but there is no bin/java in it: correct it, or {_INSTALL}.")
    elif on_path:
        binary = Path(on_path)
    else:
        raise JavaError(f"Java isn't on PATH and JAVA_HOME isn't set: {_INSTALL}.")
    try:
        shown = subprocess.run([binary, "-version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError):
        raise JavaError(f"{binary} doesn't run: {_INSTALL}.") from None
    about = shown.stderr + shown.stdout
    release = java_release(about)
    if release is None:
        raise JavaError(f"{binary} doesn't report its version, so it is not a working Java: {_INSTALL}.")
    if release < OLDEST:
        raise JavaError(f"Spark needs Java {OLDEST} or newer, but {binary} is Java {release}: {_INSTALL}.")
    # The binary on PATH is often a chain of links; the home is where the last one leads.
    return Java(Path(configured) if configured else binary.resolve().parent.parent, about)


def java_release(shown: str) -> int | None:
    """The feature release in what ``java -version`` prints: 17 of ``"17.0.15"``, 8 of ``"1.8.0_422"``."""
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(found[1]) if found else None
