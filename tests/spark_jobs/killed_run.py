"""python -m tests.spark_jobs.killed_run FOLDER TABLE: a run that is killed with 9, Spark and all, in the middle of a
commit to TABLE: as soon as a new data file of it appears. In a process group of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from spark_jobs.session import open_session
from tests.spark_jobs.workshop import Workshop, row


def uploads(shop: Workshop) -> None:
    """The same in both processes, down to the generations."""
    shop.day(1, *[row(f"K{n}") for n in range(40)], row("BAD", status="lost"))
    shop.day(2, *[row(f"K{n}", "2026-01-02 10:00:00", "shipped") for n in range(20, 60)])


def kill_when_written(table: Path) -> None:
    while not any(table.glob("*.parquet")):
        pass  # every moment counts, and it is over within seconds
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    folder, table = Path(sys.argv[1]), sys.argv[2]
    shop = Workshop(open_session(), folder)
    uploads(shop)
    threading.Thread(target=kill_when_written, args=[folder / "warehouse" / table], daemon=True).start()
    shop.ingest()
    raise SystemExit("the run came to its end")


if __name__ == "__main__":
    main()
