"""From an upload to rows that can be queried, on the local stack, split into where the time goes.

python -m tests.bench.latency [UPLOADS=3] [ROWS=20000] [WINDOW=2]        `make bench-latency`
python -m tests.bench.latency LIVE=1        with a continuous run, see `tests.bench.live`

Every upload is alone and starts a run of its own, in a new process, as a rare file does. Medians. Exits 1 if a file isn't
merged, or if the goal isn't met.
"""

from __future__ import annotations

import re
import statistics
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from spark_jobs.contract.marks import MARK_KEY
from tests.bench import live
from tests.bench.arguments import number
from tests.bench.figures import keep, work_folder
from tests.bench.local_stack import RunningStack, local_stack, moment_of
from tests.bench.order_rows import RECENT, Pattern, write_updates

PATIENCE_SECONDS = 300
PARTS = {
    "event": "upload finished, event delivered",
    "validate": "every row validated by the function",
    "launch": "marked, run created",
    "window": "run queued, process started, end of the launch window",
    "spark": "Spark started, tables looked up",
    "take": "listed, looked up in the log, noted as taken",
    "stage": "parsed and staged",
    "merge": "merged: from here on the rows can be queried",
    "record": "rejected rows and log line",
    "archive": "announced and moved",
}
QUERYABLE = "merge"
WIDTH = 60
_STEP_LINE = re.compile(r"^.{23} .*step=(\w+) seconds=([\d.]+)", re.MULTILINE)


def main() -> int:
    if number("LIVE", 0):
        return live.main()
    uploads, rows, window = number("UPLOADS", 3), number("ROWS", 20_000), number("WINDOW", 2)
    update = work_folder("latency-files") / "update.csv"
    splits = []
    with local_stack("latency", window) as stack:
        for day in range(uploads + 1):
            write_updates(update, Pattern("daily", rows, RECENT.reach, RECENT.updates), rows * 10, seed=day)
            split = _upload(stack, update.read_bytes(), day)
            if day:  # the first one has the function import its clients and the job create its tables
                splits.append(split)
    medians = {part: statistics.median(split[part] for split in splits) for part in PARTS}
    _show(medians, rows, window, uploads)
    keep("latency", {"rows": rows, "window": window, "seconds": {part: round(s, 2) for part, s in medians.items()}})
    return 0


def _upload(stack: RunningStack, content: bytes, day: int) -> dict[str, float]:
    """Seconds by part."""
    before = len(stack.runs())
    date = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=day)
    blob = stack.bucket.blob(f"source/order_tracking_{date:%Y_%m_%d}.csv")
    blob.upload_from_string(content, content_type="text/csv")
    accepted_at: list[tuple[float, float]] = []

    def marked() -> bool:
        found = stack.bucket.get_blob(blob.name)
        if found is not None and MARK_KEY in (found.metadata or {}):
            accepted_at.append((found.updated.timestamp(), _validation_seconds(stack)))
        return bool(accepted_at)

    stack.until(marked, PATIENCE_SECONDS, pause=0.02)
    stack.until(stack.settled, PATIENCE_SECONDS)
    [run] = stack.runs()[before:]
    return _split(
        blob.time_created.timestamp(), *accepted_at[0], (run.start_time or 0) / 1000, stack.log_of(run.run_id or 0)
    )


def _validation_seconds(stack: RunningStack) -> float:
    """From the function's log line about the file that it accepted last."""
    stack.until(lambda: bool(re.search(r'"accepted"', _function_log(stack))), PATIENCE_SECONDS)
    accepted = [line for line in _function_log(stack).splitlines() if '"message": "accepted"' in line]
    found = re.search(r'"seconds": ([\d.]+)', accepted[-1])
    assert found
    return float(found.group(1))


def _function_log(stack: RunningStack) -> str:
    return (stack.stack.folder.logs / "function.log").read_text()


def _split(uploaded: float, marked: float, validation: float, created: float, log: str) -> dict[str, float]:
    """Every part is the time between two moments, so that nothing is left out and nothing counted twice."""
    ends: dict[str, float] = {}
    listed = 0.0
    for found in _STEP_LINE.finditer(log):
        step, took, at = found.group(1), float(found.group(2)), moment_of(found.group(0))
        if step == "list" and not listed:
            listed = at - took
        ends.setdefault(step, at)
    moments = [uploaded, marked - validation, marked, created, listed, ends["tables"]]
    moments += [ends[step] for step in ("take", "stage", "merge", "record", "archive")]
    return {part: max(0.0, after - before) for part, (before, after) in zip(PARTS, pairwise(moments), strict=True)}


def _show(medians: dict[str, float], rows: int, window: int, uploads: int) -> None:
    whole = sum(medians.values())
    names = list(PARTS)
    queryable = sum(medians[part] for part in names[: names.index(QUERYABLE) + 1])
    print(f"{rows:,} rows, window of {window} s, a new process for each run; medians of {uploads}")
    done = 0.0
    for part, seconds in medians.items():
        bar = " " * round(done / whole * WIDTH) + "█" * max(1, round(seconds / whole * WIDTH))
        print(f"{part:8}{seconds:7.2f} s  {bar:{WIDTH + 2}}  {PARTS[part]}")
        done += seconds
    print(f"queryable after {queryable:.1f} s, archived after {whole:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
