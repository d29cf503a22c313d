"""What must be on the machine. Each missing prerequisite is one sentence that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

from spark_jobs.store.java import JavaError, find_java

OLDEST_PYTHON = (3, 11)


class Missing(Exception):
    """A prerequisite isn't there. The message is one sentence for the person at the keyboard."""


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> None:
    if version[:2] < OLDEST_PYTHON:
        raise Missing(
            f"Python 3.11 or newer is needed, this is {'.'.join(map(str, version))} ({sys.executable}): "
            "make the environment again with a newer one."
        )


def java_home() -> Path:
    """The home of the Java that Spark will start. Raises Missing."""
    try:
        return find_java().home
    except JavaError as error:
        raise Missing(str(error)) from None
