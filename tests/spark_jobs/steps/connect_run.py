"""A whole ingest under Spark Connect, in a process of its own: Connect and classic sessions can't share a process.

python -m tests.spark_jobs.steps.connect_run FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.spark_jobs.connect import connect_session
from tests.spark_jobs.harness import JobHarness, csv, row


def main(folder: Path) -> None:
    harness = JobHarness(connect_session(), folder)
    plain = [row(f"K{n}", f"2026-01-02 10:{n // 60:02d}:{n % 60:02d}") for n in range(600)]
    harness.day(2, *plain, row("T1", "2026-01-02 10:00:00", "shipped"), "x,T9,,,lost,,2026-01-01 10:00:00")
    harness.ingest(small_batch_bytes=0)  # parsed by Spark; small batches are read on the driver
    harness.day(1, row("T1", "2026-01-01 10:00:00"), row("T2", "2026-01-01 10:00:00", address='"a, b"'))
    harness.upload("order_tracking_2026_01_03.csv", csv('A1,T3,,,pending,"two\nlines",2026-01-03 10:00:00'))
    harness.ingest(small_batch_bytes=0)
    harness.day(4, row("T2", "2026-01-04 10:00:00", "delivered"))
    harness.ingest()
    harness.assert_right()
    if len(harness.target()) != 603 or len(harness.rejected_rows()) != 1:
        raise AssertionError(f"{len(harness.target())} rows, {len(harness.rejected_rows())} rejected")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    print("right under Connect")
