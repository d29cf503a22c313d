"""The task of the maintenance job: OPTIMIZE and VACUUM the tables of all feeds. It is safe while an ingest run is active.

VACUUM keeps the default 7 days, because a run reads older versions of its tables (time travel). The job's wheel knows
the feeds, so the job installs it.
"""

from __future__ import annotations

import sys
from typing import Any

from spark_jobs.contract.feeds import FEEDS


def statements(catalog: str, schema: str, tables: list[str]) -> list[str]:
    """The statements, in the order in which they run."""
    names = [f"`{catalog}`.`{schema}`.`{table}`" for table in sorted(tables)]
    return [f"{verb} {name}" for name in names for verb in ("OPTIMIZE", "VACUUM")]


def maintain(spark: Any, catalog: str, schema: str) -> int:
    """Run all statements. Returns the number of tables."""
    prefixes = "|".join(f"{feed.table_prefix}_*" for feed in FEEDS.values())
    found = [row.tableName for row in spark.sql(f"SHOW TABLES IN `{catalog}`.`{schema}` LIKE '{prefixes}'").collect()]
    for statement in statements(catalog, schema, found):
        print(statement, flush=True)
        spark.sql(statement).collect()
    return len(found)


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    if len(sys.argv) != 3:
        raise SystemExit("usage: maintain.py CATALOG SCHEMA")
    print(maintain(SparkSession.builder.getOrCreate(), *sys.argv[1:]), "tables")
