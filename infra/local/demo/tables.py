"""Read the Delta tables with delta-rs, like any reader other than Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_table(warehouse: Path, table: str, columns: str = "*") -> list[dict[str, Any]]:
    """The rows of a table; empty if the table does not exist yet. ``columns`` is SQL."""
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    folder = warehouse / table
    if not DeltaTable.is_deltatable(str(folder)):
        return []
    # With the query engine, because to_pyarrow_table does not support deletion vectors.
    batches = QueryBuilder().register(table, DeltaTable(str(folder))).execute(f"SELECT {columns} FROM {table}")  # noqa: S608
    rows: list[dict[str, Any]] = pa.table(batches.read_all()).to_pylist()
    return rows
