"""Keeps the tables' files few and the deleted ones gone. The maintenance job's only task; safe beside a running ingest.

VACUUM keeps the default 7 days: a run that resumes after a crash reads its tables as they were when it began.
"""

from __future__ import annotations

import sys
from typing import Any


def statements(catalog: str, schema: str, tables: list[str]) -> list[str]:
    """In the order of running. orders_stage is overwritten whole by every run, so its old files are the most."""
    names = [f"`{catalog}`.`{schema}`.`{table}`" for table in sorted(tables)]
    return [f"{verb} {name}" for name in names for verb in ("OPTIMIZE", "VACUUM")]


def maintain(spark: Any, catalog: str, schema: str) -> int:
    """Returns how many tables there were."""
    found = [row.tableName for row in spark.sql(f"SHOW TABLES IN `{catalog}`.`{schema}` LIKE 'orders_*'").collect()]
    for statement in statements(catalog, schema, found):
        print(statement, flush=True)
        spark.sql(statement).collect()
    return len(found)


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    if len(sys.argv) != 3:
        raise SystemExit("usage: maintain.py CATALOG SCHEMA")
    print(maintain(SparkSession.builder.getOrCreate(), *sys.argv[1:]), "tables")
