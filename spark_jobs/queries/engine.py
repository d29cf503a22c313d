"""What a query engine does for the operator's commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

Scalar = str | bool | int | Decimal | date | datetime
"""A parameter's value; times are aware."""
Row = dict[str, Any]


class NoTable(LookupError):
    """A table of the statement doesn't exist: no run has created it yet."""


class Engine(Protocol):
    """Runs statements in Spark's dialect of SQL, as far as DuckDB knows it too: names may be in backticks, ``:name`` is a
    parameter, ``unix_micros`` is known; texts are never literals. Unqualified names are tables of one folder or schema.
    """

    @property
    def max_parameters(self) -> int:
        """How many parameters a statement may have."""
        ...

    def rows(self, statement: str, parameters: Mapping[str, Scalar] | None = None) -> list[Row]:
        """The result, by column name. Times are aware, in UTC. Structs, maps and arrays are not supported: a statement
        turns them into text with ``to_json``. Raises NoTable.
        """
        ...
