"""The script of the maintenance job."""

from __future__ import annotations

import runpy
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spark_jobs.contract.feeds import FEEDS
from tests.infra.contracts.odd_feed import ODD

FOLDER = Path(__file__).resolve().parents[4] / "infra" / "databricks" / "src"
MAINTAIN = runpy.run_path(str(FOLDER / "maintain.py"))


@dataclass
class Row:
    tableName: str = ""


@dataclass
class Warehouse:
    """Records all statements and answers queries with its rows."""

    rows: list[Row]
    statements: list[str] = field(default_factory=list)

    def sql(self, statement: str) -> Warehouse:
        self.statements.append(statement)
        return self

    def collect(self) -> list[Row]:
        return self.rows if self.statements[-1].startswith(("SHOW", "SELECT")) else []


def test_each_table_of_each_feed_is_compacted_and_then_vacuumed_with_the_default_retention(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(FEEDS, ODD.name, ODD)
    spark = Warehouse([Row("orders_target"), Row("orders_stage")])
    assert MAINTAIN["maintain"](spark, "main", "order_tracking") == 2
    listing, *statements = spark.statements
    assert listing.startswith("SHOW TABLES IN `main`.`order_tracking` LIKE 'orders_*|customer_orders_*|")
    assert listing.endswith("odd_*'")
    assert statements == [
        "OPTIMIZE `main`.`order_tracking`.`orders_stage`",
        "VACUUM `main`.`order_tracking`.`orders_stage`",
        "OPTIMIZE `main`.`order_tracking`.`orders_target`",
        "VACUUM `main`.`order_tracking`.`orders_target`",
    ]
