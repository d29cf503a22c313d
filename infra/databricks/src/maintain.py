"""The task of the maintenance job: OPTIMIZE and VACUUM all tables. It is safe while an ingest run is active.

VACUUM keeps the default 7 days, because a run reads older versions of its tables (time travel).
"""

from __future__ import annotations

import sys
from typing import Any


def maintain(spark: Any, catalog: str, schema: str) -> int:
    """Returns the number of tables."""
    found = spark.sql(f"SHOW TABLES IN `{catalog}`.`{schema}` LIKE 'orders_*'").collect()
    for table in sorted(row.tableName for row in found):
        for verb in ("OPTIMIZE", "VACUUM"):
            statement = f"{verb} `{catalog}`.`{schema}`.`{table}`"
            print(statement, flush=True)
            spark.sql(statement).collect()
    return len(found)


if __name__ == "__main__":
    from pyspark.sql import SparkSession

    if len(sys.argv) != 3:
        raise SystemExit("usage: maintain.py CATALOG SCHEMA")
    print(maintain(SparkSession.builder.getOrCreate(), *sys.argv[1:]), "tables")
