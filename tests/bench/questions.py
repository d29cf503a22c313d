"""Asks every question about large tables: DuckDB as the operator's commands use it, and Spark as the baseline in one run;
two questions of DataFusion (deltalake) as well, because another engine could be chosen.

python -m tests.bench.questions [ROWS=10000000] [LINES=400000]        `make bench-questions`

DuckDB and DataFusion answer in processes of their own; seconds of the whole page include Python's start. Spark is warm.
Exits 1 where a goal isn't met.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.engine import Engine
from spark_jobs.questions.answers import ask
from spark_jobs.questions.catalog import Question, question_named, questions_of
from spark_jobs.store.session import open_session
from tests.bench.arguments import number, text
from tests.bench.figures import ROOT, Goal, keep, long_lived, show_goals, work_folder
from tests.bench.memory import heap_peak, python_peaks, resident_peak
from tests.bench.order_rows import ARRIVAL
from tests.bench.question_tables import build
from tests.spark_jobs.questions.engines import SparkEngine

PAGE_SECONDS, PAGE_MIB = 10.0, 1024.0
QUESTIONS = [question for feed in FEEDS.values() for question in questions_of(feed)]
FOR_DATAFUSION = [
    question_named(ORDER_TRACKING, "status_funnel"),
    question_named(CUSTOMER_ORDERS, "orders_by_status"),
]
"""Their text is plain SQL; others name parameters and functions of Spark."""


@dataclass(frozen=True)
class Cost:
    """``mib``: growth of the process's memory at most, or for Spark the use of the JVM's heap."""

    seconds: float
    mib: float


@dataclass(frozen=True)
class Page:
    """All questions in one process: by question, and in all, with Python's start and at the peak."""

    costs: dict[str, Cost]
    seconds: float
    mib: float


def main() -> int:
    rows, lines = number("ROWS", 10_000_000), number("LINES", 400_000)
    folder = work_folder("tables") / f"questions-{rows}-{lines}"
    if engine := text("ENGINE", ""):
        return _in_this_process(engine, folder)
    long_lived()
    spark = open_session()
    spark.sparkContext.setLogLevel("ERROR")
    build(spark, folder, rows, lines)
    page, other = _in_its_own("duckdb", rows, lines), _in_its_own("datafusion", rows, lines)
    baseline: dict[str, Cost] = {}
    engine_of_spark = SparkEngine(spark, folder)
    _rows(engine_of_spark, QUESTIONS[0])  # warm
    for question in QUESTIONS:
        with heap_peak(spark) as peak:
            started = time.perf_counter()
            _rows(engine_of_spark, question)
            seconds = time.perf_counter() - started
        baseline[_name(question)] = Cost(seconds, peak[0])
    _show(page, other, baseline)
    keep(
        "questions",
        {"rows": rows, "lines": lines, "duckdb": asdict(page), "spark": {k: asdict(v) for k, v in baseline.items()}},
    )
    return show_goals(
        [
            Goal("DuckDB: all questions of all feeds, s", page.seconds, PAGE_SECONDS),
            Goal("DuckDB: memory of that process, MiB", page.mib, PAGE_MIB),
        ]
    )


def _name(question: Question) -> str:
    return f"{question.feed.name}: {question.name}"


def _rows(engine: Engine, question: Question) -> list[Any]:
    answer = ask(engine, question, ARRIVAL)
    assert not answer.missing, answer.missing
    return answer.rows


def _in_its_own(engine: str, rows: int, lines: int) -> Page:
    command = [sys.executable, "-m", "tests.bench.questions", f"ENGINE={engine}", f"ROWS={rows}", f"LINES={lines}"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - started
    found = json.loads(done.stdout)
    return Page({name: Cost(**cost) for name, cost in found["costs"].items()}, seconds, found["mib"])


def _in_this_process(engine: str, folder: Path) -> int:
    costs: dict[str, Cost] = {}
    highest = 0.0
    asked = FOR_DATAFUSION if engine == "datafusion" else QUESTIONS
    run = _datafusion(folder) if engine == "datafusion" else _duckdb(folder)
    for question in asked:
        with resident_peak() as peak:
            started = time.perf_counter()
            run(question)
            seconds = time.perf_counter() - started
        costs[_name(question)] = Cost(seconds, peak[0])
        highest = max(highest, python_peaks()[1])
    print(json.dumps({"costs": {name: asdict(cost) for name, cost in costs.items()}, "mib": highest}))
    return 0


def _duckdb(folder: Path) -> Callable[[Question], object]:
    engine = DeltaFolder(str(folder))
    return lambda question: _rows(engine, question)


def _datafusion(folder: Path) -> Callable[[Question], object]:
    from deltalake import DeltaTable, QueryBuilder

    def run(question: Question) -> object:
        table = f"{question.feed.table_prefix}_target"
        builder = QueryBuilder().register(table, DeltaTable(str(folder / table)))
        return builder.execute(question.statement).read_all()

    return run


def _show(page: Page, other: Page, baseline: dict[str, Cost]) -> None:
    print(f"\n{'':38}{'DuckDB s':>10}{'MiB':>7}{'Spark s':>10}{'heap MiB':>10}{'DataFusion s':>14}{'MiB':>7}")
    for name, cost in page.costs.items():
        spark, third = baseline[name], other.costs.get(name)
        last = f"{third.seconds:14.2f}{third.mib:7.0f}" if third else ""
        print(f"{name:38}{cost.seconds:10.2f}{cost.mib:7.0f}{spark.seconds:10.2f}{spark.mib:10.0f}{last}")
    together = sum(cost.seconds for cost in baseline.values())
    print(f"{'all':38}{page.seconds:10.2f}{page.mib:7.0f}{together:10.2f}{max(c.mib for c in baseline.values()):10.0f}")


if __name__ == "__main__":
    sys.exit(main())
