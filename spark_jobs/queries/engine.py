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


class NoChanges(LookupError):
    """The table hasn't changed since the time that ``table_changes`` is asked about; Delta calls that an error."""


class Engine(Protocol):
    """Runs statements in Spark's dialect of SQL, as far as DuckDB knows it too: names may be in backticks, ``:name`` is a
    parameter; ``unix_micros``, ``unix_date``, ``to_date`` (of a time) and, as a column, ``explode`` are known. What comes
    from outside is a parameter, never part of the text. Unqualified names are tables of one folder or schema.

    ``table_changes('TABLE', :time)`` has the columns of Delta's change feed. DuckDB gives updated rows only, before and
    after: `_change_type` is ``update_preimage`` or ``update_postimage``.
    """

    @property
    def max_parameters(self) -> int:
        """How many parameters a statement may have."""
        ...

    def rows(self, statement: str, parameters: Mapping[str, Scalar] | None = None) -> list[Row]:
        """The result, by column name. Times are aware, in UTC. Structs, maps and arrays are not supported: a statement
        turns them into text with ``to_json``. Raises NoTable and NoChanges.
        """
        ...

    def version(self, table: str) -> int | None:
        """The table's current version; None if there is no such table."""
        ...
