"""Checks and tests in lanes side by side: most tests wait for a process or for Spark and leave a core idle.

python -m tests.side_by_side check|test        `make check`, `make test`

Each command's output is shown when it has ended. The last lines are pytest's summaries. Exit status 1 if anything failed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTEST = (sys.executable, "-m", "pytest", "--durations=15", "-m")
FEWER = (sys.executable, "-m", "pytest", "--hypothesis-profile=fewer", "--durations=15", "-m")
"""With fewer generated examples: `make check` is for the inner loop, `make test` tries all of them."""
CHECKS = tuple(("make", "--no-print-directory", target) for target in ("lint", "types", "architecture"))
NO_SPARK = "not spark and not e2e"
LOCAL = "tests/infra/local"
CLOUD = "tests/spark_jobs/cloud"
LANES = {
    # One lane computes, the others wait for servers. Divided so that all take about as long.
    "check": (
        (*CHECKS, (*FEWER, NO_SPARK, "tests", "--ignore=tests/infra", f"--ignore={CLOUD}")),
        ((*FEWER, NO_SPARK, LOCAL, f"--ignore={LOCAL}/storage"),),
        ((*FEWER, NO_SPARK, "tests/infra", f"--ignore={LOCAL}"), (*FEWER, NO_SPARK, f"{LOCAL}/storage")),
        ((*FEWER, NO_SPARK, CLOUD),),
    ),
    # One process has the Spark session; the end-to-end tests start processes of their own.
    "test": (
        ((*PYTEST, "spark"),),
        (*CHECKS, (*PYTEST, "not spark")),
    ),
}


@dataclass(frozen=True)
class Result:
    command: tuple[str, ...]
    status: int
    summary: str


def main(which: str) -> int:
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        results = [result for lane in pool.map(run_lane, LANES[which]) for result in lane]
    print(f"\n{time.monotonic() - started:.0f} s in all")
    for result in results:
        if result.status:
            print(f"FAILED: {' '.join(result.command)}")
    print(*(result.summary for result in results if "pytest" in result.command), sep="\n")
    return int(any(result.status for result in results))


def run_lane(commands: tuple[tuple[str, ...], ...]) -> list[Result]:
    return [run(command) for command in commands]


def run(command: tuple[str, ...]) -> Result:
    """Shows the output; pytest's last line is kept for the end."""
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    *lines, summary = done.stdout.rstrip("\n").split("\n")
    shown = lines if "pytest" in command else [*lines, summary]
    title = f"--- {' '.join(command)}: {time.monotonic() - started:.0f} s"
    print("\n".join([title, *shown]), flush=True)  # one call, so that the lanes' lines don't mix
    return Result(command, done.returncode, summary)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
