"""Merging an update file into a large table: the usual notebook, the job, delta-rs, on the same rows and in one run.

python -m tests.bench.merge [ROWS=10000000] [ROUNDS=5]        `make bench-merge`

Interleaved, warmed by rounds that don't count, medians. Goals are held against notebook and delta-rs as they come; both
are shown with better settings, too. Exits 1 where a goal isn't met.
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.store.session import open_session
from tests.bench.arguments import number
from tests.bench.contenders import TARGET, Contender, DeltaRs, Load, Notebook, Ours, PruningDeltaRs, TunedNotebook
from tests.bench.figures import Goal, keep, long_lived, show_goals, work_folder
from tests.bench.newest_wins import Difference, differences
from tests.bench.order_rows import ANYWHERE, RECENT, Pattern, write_late, write_updates

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KINDS = (Notebook, TunedNotebook, Ours, DeltaRs, PruningDeltaRs)
WARM_UPS = 2
LATE_ROWS = 1000
# time against the notebook and against delta-rs, share of the notebook's bytes
GOALS = {"recent": (0.5, 1.0, 1 / 30), "anywhere": (0.9, 1.5, 1 / 9)}
REST_GOAL = 0.3
COUNTED = ("stage", "merge")


def main() -> int:
    rows, rounds = number("ROWS", 10_000_000), number("ROUNDS", 5)
    long_lived()
    spark = open_session()
    spark.sparkContext.setLogLevel("ERROR")
    folder = work_folder("merge")
    contenders = [kind(spark, _base(kind.name, rows)) for kind in KINDS]
    for contender in contenders:
        _built(contender, rows)
    goals: list[Goal] = []
    for pattern in (RECENT, ANYWHERE):
        update = folder / f"{pattern.name}.csv"
        write_updates(update, pattern, rows)
        loads = _measure(contenders, update, folder, rounds)
        wrong = _wrong_after(spark, contenders, rows, update)
        _show(pattern, rows, loads, wrong)
        goals += _goals(pattern, loads)
        measured = {name: _medians(costs) for name, costs in loads.items()}
        keep("merge", {"rows": rows, "rounds": rounds, pattern.name: measured})
    late = folder / "late.csv"
    write_late(late, LATE_ROWS, rows)
    keep("merge", {"late": _show_late(spark, contenders, rows, late, folder)})
    shutil.rmtree(folder)
    return show_goals(goals)


def _base(name: str, rows: int) -> Path:
    """Kept between runs; all but ours begin from the same kind of table."""
    if name != Ours.name:
        return work_folder("tables") / f"{rows}-plain"
    return work_folder("tables") / f"{rows}-ours-{Ours.declaration()}"


def _built(contender: Contender, rows: int) -> None:
    done = contender.warehouse / "complete"
    if not done.exists():
        print(f"building the table of {rows:,} rows for {contender.name} …", flush=True)
        shutil.rmtree(contender.warehouse, ignore_errors=True)
        contender.build(rows)
        done.touch()


def _measure(contenders: Sequence[Contender], update: Path, folder: Path, rounds: int) -> dict[str, list[Load]]:
    """By contender's name. Each contender's last round stays on the disk, to be looked at."""
    loads: dict[str, list[Load]] = {contender.name: [] for contender in contenders}
    for turn in range(WARM_UPS + rounds):
        for contender in contenders:
            old = contender.warehouse
            contender.begin(folder / f"{update.stem}-{_file_name(contender)}-{turn}")
            if old.parent == folder:
                shutil.rmtree(old)
            load = contender.load(update)
            if turn >= WARM_UPS:
                loads[contender.name].append(load)
    return loads


def _file_name(contender: Contender) -> str:
    return re.sub(r"\W+", "-", contender.name)


def _wrong_after(spark: SparkSession, contenders: Sequence[Contender], rows: int, update: Path) -> dict[str, Difference]:
    return {c.name: differences(spark, c.target, _base(c.name, rows) / TARGET, update) for c in contenders}


def _medians(loads: Sequence[Load]) -> dict[str, object]:
    steps = {step: round(statistics.median(load.steps[step] for load in loads), 3) for step in loads[0].steps}
    return {
        "seconds": round(_seconds(loads), 3),
        "bytes": int(statistics.median(load.bytes for load in loads)),
        "files_rewritten": int(statistics.median(load.files_rewritten for load in loads)),
        "peak_mib": round(statistics.median(load.peak_mib for load in loads)),
        "steps": steps,
    }


def _seconds(loads: Sequence[Load]) -> float:
    return statistics.median(load.seconds for load in loads)


def _bytes(loads: Sequence[Load]) -> float:
    return statistics.median(load.bytes for load in loads)


def _show(pattern: Pattern, rows: int, loads: dict[str, list[Load]], wrong: dict[str, Difference]) -> None:
    baseline = loads[Notebook.name]
    updates = int(pattern.rows * pattern.updates)
    print(f"\n{pattern.name}: {pattern.rows:,} rows ({updates:,} updates) into {rows:,}; medians of {len(baseline)}")
    print(f"{'':18}{'seconds':>9}{'ratio':>8}{'MB written':>12}{'ratio':>8}{'files rewritten':>17}{'peak MiB':>10}  result")
    for name, costs in loads.items():
        figures = _medians(costs)
        print(
            f"{name:18}{_seconds(costs):9.2f}{_seconds(costs) / _seconds(baseline):8.2f}"
            f"{_bytes(costs) / 1e6:12.2f}{_bytes(costs) / _bytes(baseline):8.3f}"
            f"{figures['files_rewritten']:17}{figures['peak_mib']:10}  {wrong[name]}"
        )
    steps = _medians(loads[Ours.name])["steps"]
    assert isinstance(steps, dict)
    print("the job's steps: " + "  ".join(f"{step} {seconds:.2f}" for step, seconds in steps.items()), flush=True)


def _goals(pattern: Pattern, loads: dict[str, list[Load]]) -> list[Goal]:
    notebook, ours, delta_rs = (loads[kind.name] for kind in (Notebook, Ours, DeltaRs))
    time, against_delta_rs, written = GOALS[pattern.name]
    rest = statistics.median(
        sum(seconds for step, seconds in load.steps.items() if step not in (*COUNTED, "run"))
        / sum(load.steps[step] for step in COUNTED)
        for load in ours
    )
    return [
        Goal(f"{pattern.name}: time against the notebook", _seconds(ours) / _seconds(notebook), time),
        Goal(f"{pattern.name}: time against delta-rs", _seconds(ours) / _seconds(delta_rs), against_delta_rs),
        Goal(f"{pattern.name}: bytes against the notebook", _bytes(ours) / _bytes(notebook), written),
        Goal(f"{pattern.name}: everything but stage and merge, against them", rest, REST_GOAL),
    ]


def _show_late(spark: SparkSession, contenders: Sequence[Contender], rows: int, late: Path, folder: Path) -> dict[str, int]:
    """A file that comes late must change nothing."""
    print(f"\na late file: {LATE_ROWS:,} rows, all of them older than the table's")
    wrong = {}
    for contender in contenders:
        contender.begin(folder / f"late-{_file_name(contender)}")
        contender.load(late)
        found = differences(spark, contender.target, _base(contender.name, rows) / TARGET, late)
        wrong[contender.name] = found.rows
        print(f"{contender.name:18}{found}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
