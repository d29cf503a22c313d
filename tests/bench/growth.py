"""A hundred daily loads in a row: does a load take longer, or write more, as table and history grow?

python -m tests.bench.growth [LOADS=100] [ROWS=1000000] [DAILY=20000]        `make bench-growth`

Each day brings new parcels and updates of recent ones, with a few bad rows. Nothing is cleaned up in between. Exits 1
where a goal isn't met.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

from spark_jobs.store.session import open_session
from tests.bench.arguments import number
from tests.bench.contenders import Load, Ours
from tests.bench.figures import Goal, keep, long_lived, show_goals, work_folder
from tests.bench.order_rows import RECENT, Pattern, write_updates
from tests.bench.table_folder import files_in, live_bytes

WARM_UP = 5
COMPARED = 10
LIMIT = 1.2
BAD_LINE = "ORD-BAD,,2026-01-01,,lost,nowhere,yesterday\n"
BAD_ROWS = 10


def main() -> int:
    loads, rows, daily = number("LOADS", 100), number("ROWS", 1_000_000), number("DAILY", 20_000)
    long_lived()
    spark = open_session()
    spark.sparkContext.setLogLevel("ERROR")
    folder = work_folder("growth")
    shutil.rmtree(folder)
    ours = Ours(spark, folder / "base")
    ours.build(rows)
    ours.begin(folder / "warm-up")
    _run(ours, folder, WARM_UP, rows, daily)
    ours.begin(folder / "warehouse")
    costs = _run(ours, folder, loads, rows, daily)
    first, last = costs[:COMPARED], costs[-COMPARED:]
    for name, some in (("first", first), ("last", last)):
        print(f"{name} {COMPARED}: {_seconds(some):6.2f} s, {_written(some) / 1e6:6.2f} MB written a load (medians)")
    tables = _tables(ours.warehouse)
    for table, (files, live_files, size, live) in tables.items():
        print(f"{table:22}{files:6} files ({live_files} live) {size / 1e6:9.2f} MB, live rows {live / 1e6:9.2f} MB")
    keep(
        "growth",
        {
            "loads": loads,
            "rows": rows,
            "daily": daily,
            "seconds": [round(_whole(load), 2) for load in costs],
            "bytes": [load.bytes for load in costs],
            "tables": {table: dict(zip(_COLUMNS, figures, strict=True)) for table, figures in tables.items()},
        },
    )
    shutil.rmtree(folder)
    return show_goals(
        [
            Goal(f"time of the last {COMPARED} loads against the first", _seconds(last) / _seconds(first), LIMIT),
            Goal(f"bytes of the last {COMPARED} loads against the first", _written(last) / _written(first), LIMIT),
        ]
    )


_COLUMNS = ("files", "live_files", "bytes", "live_bytes")


def _run(ours: Ours, folder: Path, loads: int, rows: int, daily: int) -> list[Load]:
    pattern = Pattern("daily", daily, RECENT.reach, RECENT.updates)
    costs = []
    for day in range(loads):
        update = folder / "daily.csv"
        held = rows + day * int(daily * (1 - pattern.updates))
        write_updates(update, pattern, held, seed=day, day=day)
        with update.open("a", encoding="utf-8") as file:
            file.write(BAD_LINE * BAD_ROWS)
        costs.append(ours.load(update, day))
        if (day + 1) % COMPARED == 0 and loads > WARM_UP:
            print(f"{day + 1:4} loads, the last ten {_seconds(costs[-COMPARED:]):.2f} s each", flush=True)
    return costs


def _whole(load: Load) -> float:
    return load.steps["run"]


def _seconds(loads: list[Load]) -> float:
    return statistics.median(_whole(load) for load in loads)


def _written(loads: list[Load]) -> float:
    return statistics.median(load.bytes for load in loads)


def _tables(warehouse: Path) -> dict[str, tuple[int, int, int, int]]:
    """By table: files on the disk and live ones, bytes on the disk and of live data files."""
    found = {}
    for table in sorted(warehouse.iterdir()):
        everything = files_in(table)
        live_files, live = live_bytes(table)
        found[table.name] = (len(everything), live_files, sum(everything.values()), live)
    return found


if __name__ == "__main__":
    sys.exit(main())
