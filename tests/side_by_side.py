"""All checks and tests in two processes side by side, as most of them leave one of two cores idle.

python -m tests.side_by_side        `make test`

One lane runs what shares the Spark session, the other one everything else. The second lane's output is shown as it
comes, the first one's when both have ended; the last lines are pytest's two summaries. Exit status 1 if anything failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
PYTEST = [sys.executable, "-m", "pytest", "--durations=15"]
SPARK = [*PYTEST, "-m", "spark"]
OTHERS = [*PYTEST, "-m", "not spark"]
CHECKS = [["make", "--no-print-directory", target] for target in ("lint", "types", "architecture")]


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        spark = subprocess.Popen(SPARK, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True)
        try:
            failed = [command for command in CHECKS if subprocess.run(command, cwd=ROOT, check=False).returncode]
            status, summary = run_live(OTHERS)
            spark.wait()
        finally:
            spark.kill()
            spark.wait()
        spark_summary = show(log)
    print(f"\n{time.monotonic() - started:.0f} s in all")
    for command in failed:
        print(f"FAILED {' '.join(command[-1:])}")
    print(spark_summary, summary, sep="\n")
    return int(bool(failed or status or spark.returncode))


def run_live(command: list[str]) -> tuple[int, str]:
    """Shows all lines but the last one, which is returned with the exit status."""
    last = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(last, end="", flush=True)
            last = line
        process.wait()
    return process.returncode, last.strip()


def show(log: IO[str]) -> str:
    """Shows all lines of the log but the last one, which is returned."""
    log.seek(0)
    *lines, last = log.read().rstrip("\n").split("\n")
    print("\ntests that share the Spark session:\n", *lines, sep="\n")
    return last


if __name__ == "__main__":
    raise SystemExit(main())
