"""`python -m infra.pins`: pin all that the job's wheel installs, in spark_jobs/pyproject.toml.

Serverless resolves a wheel's requirements anew at every run, so a range could bring a version that nobody has tested. The
pins are in the wheel's own metadata, which every installer obeys: serverless, job clusters and the local stack.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from infra.local.installer import LAST_LINES, find_uv, run_quietly, uv_sources

PROJECT = Path(__file__).resolve().parents[1] / "spark_jobs" / "pyproject.toml"
GROUP = "job"
PYTHONS = ("3.11", "3.12")
"""Of the local stack; and of serverless environment 4 and Databricks Runtime 17.3."""
PLATFORM = "x86_64-manylinux_2_28"
DEPENDENCIES = re.compile(r"^dependencies = \[\n(?P<lines>.*?)^\]\n", re.MULTILINE | re.DOTALL)


class PinError(RuntimeError):
    """The message says what to change in the group."""


def resolve(project: Path, python: str) -> list[str]:
    """The newest versions that the group allows on that Python, as sorted `name==version`. Raises PinError."""
    uv = find_uv(Path(sys.executable))
    if uv is None:
        raise PinError("uv is missing; `make setup` installs it")
    sources, environment = uv_sources()
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", f"--group={project}:{GROUP}"]
    # Wheels only: a job's start is no time to build anything.
    command += [f"--python-version={python}", f"--python-platform={PLATFORM}", "--only-binary=:all:", *sources]
    done = run_quietly(command, environment)
    if done.returncode:
        lines = done.stdout.strip().splitlines()[-LAST_LINES:]
        raise PinError("\n".join([f"the group {GROUP} in {project} can't be installed on Python {python}:", *lines]))
    return sorted(done.stdout.split())


def agreed(found: dict[str, list[str]]) -> list[str]:
    """The pins, which must be the same on every Python. `found` has them by Python. Raises PinError."""
    first, *others = found.values()
    differing = sorted(set(first).union(*others) - set(first).intersection(*others))
    if differing:
        raise PinError(
            f"Python {' and '.join(found)} need different versions: {', '.join(differing)}. The job has one list for both: "
            f"add a range to the group {GROUP} that both can install"
        )
    return first


def write(project: Path, pins: list[str]) -> list[str]:
    """Replace the project's dependencies. Returns the changes, for people: `-name==version` and `+name==version`."""
    text = project.read_text("utf-8")
    found = DEPENDENCIES.search(text)
    if found is None:
        raise PinError(f"{project} has no list `dependencies = [` to write to")
    before = set(re.findall(r'"([^"]+)"', found["lines"]))
    lines = "".join(f'    "{pin}",\n' for pin in pins)
    project.write_text(text[: found.start("lines")] + lines + text[found.end("lines") :], "utf-8")
    changes = {f"-{pin}" for pin in before.difference(pins)} | {f"+{pin}" for pin in set(pins) - before}
    return sorted(changes, key=lambda change: (change[1:], change[0]))


def main() -> None:
    try:
        changes = write(PROJECT, agreed({python: resolve(PROJECT, python) for python in PYTHONS}))
    except PinError as error:
        sys.exit(f"error: {error}")
    print("\n".join(changes) if changes else "the pins are up to date")


if __name__ == "__main__":
    main()
