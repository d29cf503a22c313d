"""Fails, and thereby has the job notify somebody, where a file of the last day was logged with counts that don't add up.

The ingest run itself goes on in that case: the other files of its batch did nothing wrong.
"""

from __future__ import annotations

import sys
from typing import Any

SHOWN = 20


def unbalanced(spark: Any, catalog: str, schema: str) -> list[str]:
    """File ids, the newest first. 26 hours, so that two days overlap; the log may not be there before the first run."""
    if not spark.catalog.tableExists(f"`{catalog}`.`{schema}`.`orders_ingest_log`"):
        return []
    rows = spark.sql(
        f"SELECT file_id FROM `{catalog}`.`{schema}`.`orders_ingest_log`"  # noqa: S608 - names of this deployment's own
        " WHERE balanced = false AND logged_at >= current_timestamp() - INTERVAL 26 HOURS ORDER BY logged_at DESC"
    ).collect()
    return [row.file_id for row in rows]


def watch(spark: Any, catalog: str, schema: str) -> None:
    """Raises RuntimeError naming the files."""
    files = unbalanced(spark, catalog, schema)
    if files:
        shown = ", ".join(files[:SHOWN]) + (" ..." if len(files) > SHOWN else "")
        raise RuntimeError(f"{len(files)} files don't balance in orders_ingest_log: {shown}")


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    if len(sys.argv) != 3:
        raise SystemExit("usage: watch.py CATALOG SCHEMA")
    watch(SparkSession.builder.getOrCreate(), *sys.argv[1:])
    print("every file of the last day balances")
