"""Cold start: importing main.py next to importing a bare functions-framework handler, in new processes, interleaved.

Run by ``make bench-import``. Exits 1 where main takes more than 1.2 times as long.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL = 1.2
ROUNDS = 15
ROOT = Path(__file__).parents[2]
BARE = "import functions_framework\n\n\n@functions_framework.cloud_event\ndef handle(event):\n    pass\n"


def seconds_to_import(folder: Path) -> float:
    """A new process that imports the folder's main.py, interpreter start included; wall clock."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import main"], cwd=folder, check=True)
    return time.perf_counter() - started


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder)
        (bare / "main.py").write_text(BARE)
        for warm_up in (bare, ROOT):
            seconds_to_import(warm_up)
        times = [(seconds_to_import(bare), seconds_to_import(ROOT)) for _ in range(ROUNDS)]
    baseline, ours = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = ours / baseline
    print(f"bare functions-framework handler  {baseline * 1000:6.0f} ms")
    print(f"main.py                           {ours * 1000:6.0f} ms")
    print(f"ratio                             {ratio:6.2f}   (goal: at most {GOAL}; medians of {ROUNDS}, interleaved)")
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
