"""The scripts of the jobs that look after the tables."""

from __future__ import annotations

import runpy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.settings import IngestSettings, Places
from spark_jobs.tables import Tables, create_tables

FOLDER = Path(__file__).resolve().parents[3] / "infra" / "databricks" / "src"
MAINTAIN = runpy.run_path(str(FOLDER / "maintain.py"))
WATCH = runpy.run_path(str(FOLDER / "watch.py"))


@dataclass
class Row:
    tableName: str = ""
    file_id: str = ""


@dataclass
class Warehouse:
    """Answers a query with its rows, remembers every statement."""

    rows: list[Row]
    has_tables: bool = True
    said: list[str] = field(default_factory=list)

    @property
    def catalog(self) -> Warehouse:
        return self

    def tableExists(self, name: str) -> bool:
        return self.has_tables

    def sql(self, statement: str) -> Warehouse:
        self.said.append(statement)
        return self

    def collect(self) -> list[Row]:
        return self.rows if self.said[-1].startswith(("SHOW", "SELECT")) else []


def test_every_table_of_ours_is_compacted_and_then_vacuumed_with_the_default_retention() -> None:
    spark = Warehouse([Row("orders_target"), Row("orders_stage")])
    assert MAINTAIN["maintain"](spark, "main", "order_tracking") == 2
    assert spark.said == [
        "SHOW TABLES IN `main`.`order_tracking` LIKE 'orders_*'",
        "OPTIMIZE `main`.`order_tracking`.`orders_stage`",
        "VACUUM `main`.`order_tracking`.`orders_stage`",
        "OPTIMIZE `main`.`order_tracking`.`orders_target`",
        "VACUUM `main`.`order_tracking`.`orders_target`",
    ]


def test_a_log_that_does_not_balance_fails_the_watch_and_names_the_files() -> None:
    spark = Warehouse([Row(file_id="b/source/order_tracking_2026_01_31.csv#7")])
    with pytest.raises(RuntimeError, match=r"1 files don't balance .*order_tracking_2026_01_31\.csv#7"):
        WATCH["watch"](spark, "main", "order_tracking")


def test_the_watch_is_content_with_a_balanced_log_and_with_none_yet() -> None:
    WATCH["watch"](Warehouse([]), "main", "order_tracking")
    nothing = Warehouse([Row(file_id="never asked")], has_tables=False)
    WATCH["watch"](nothing, "main", "order_tracking")
    assert nothing.said == []


def test_the_watch_asks_for_columns_that_the_log_has() -> None:
    """Names are in two places; the job's own definition of the table is the one that counts."""
    created: list[str] = []

    class Recorder:
        def sql(self, statement: str) -> None:
            created.append(statement)

    settings = IngestSettings(Places("b"), catalog="main", schema="order_tracking")
    recorder: Any = Recorder()
    create_tables(recorder, Tables.of(settings), ORDER_TRACKING)
    (log,) = [statement for statement in created if "orders_ingest_log" in statement]
    spark = Warehouse([])
    WATCH["unbalanced"](spark, "main", "order_tracking")
    assert "`orders_ingest_log`" in spark.said[0]
    for column in ("file_id", "balanced", "logged_at"):
        assert column in spark.said[0]
        assert f"`{column}`" in log
