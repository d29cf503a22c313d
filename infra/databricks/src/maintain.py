"""The task of the maintenance job: OPTIMIZE and VACUUM the tables of all feeds. It is safe while an ingest run is active.

VACUUM keeps the default 7 days, because a run reads older versions of its tables (time travel). The job's wheel knows
the feeds, so the job installs it.
"""

from __future__ import annotations

import sys
from typing import Any

from spark_jobs.contract.feeds import FEEDS


def maintain(spark: Any, catalog: str, schema: str) -> int:
    """Returns the number of tables."""
    prefixes = "|".join(f"{feed.table_prefix}_*" for feed in FEEDS.values())
    found = spark.sql(f"SHOW TABLES IN `{catalog}`.`{schema}` LIKE '{prefixes}'").collect()
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
