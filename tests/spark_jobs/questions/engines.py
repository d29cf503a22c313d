"""Spark as an engine for the questions, as it runs them on Databricks; and what the engines' answers have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_jobs.queries.engine import NoChanges, NoTable, Row, Scalar

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkEngine:
    """Unqualified names are tables of ``folder``."""

    max_parameters = 250

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark, self._folder = spark, folder
        tables = sorted((log.parent.name for log in folder.glob("*/_delta_log")), key=len, reverse=True)
        self._name = re.compile(rf"\b({'|'.join(tables)})\b")

    def rows(self, statement: str, parameters: Mapping[str, Scalar] | None = None) -> list[Row]:
        from pyspark.errors import AnalysisException

        text = self._name.sub(lambda found: f"delta.`{self._folder}/{found[1]}`", statement)
        try:
            found = self._spark.sql(text, args=dict(parameters or {})).collect()
        except AnalysisException as error:
            match error.getCondition():
                case "DELTA_TIMESTAMP_GREATER_THAN_COMMIT":
                    raise NoChanges(str(error)) from None
                case "TABLE_OR_VIEW_NOT_FOUND":
                    raise NoTable(str(error)) from None
            raise
        return [{name: _aware(value) for name, value in row.asDict().items()} for row in found]

    def version(self, table: str) -> int | None:
        return int(self.rows(f"DESCRIBE HISTORY {table} LIMIT 1")[0]["version"])


def _aware(value: Any) -> Any:
    """Spark gives naive times, in the zone of this process."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def comparable(value: Any) -> Any:
    """Without what engines may differ in: the last bits of a float, and microseconds, which a warehouse doesn't give."""
    match value:
        case datetime():
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        case bool() | int() | date() | str() | None:
            return value
        case Decimal():
            return f"{value:f}"
    return round(value, 6)


def column_type(value: Any) -> str:
    """The catalog's word for a value's type."""
    match value:
        case bool():
            return "flag"
        case int() | float() | Decimal():
            return "number"
        case datetime():
            return "time" if value.utcoffset() is not None else "naive time"
        case date():
            return "date"
        case str():
            return "text"
    return type(value).__name__
