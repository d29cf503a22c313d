"""The version at which a checkpoint's stream starts, noted beside it once and for all.

Delta asks for it whenever the first batch comes again, and it must be the same then.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def start_version(spark: SparkSession, checkpoint: str, version: Callable[[], int]) -> int:
    """The noted version; on the first start, notes the current one. Two processes at once may both note theirs: any of
    them is a start, and all that come later take the lowest."""
    noted = _lowest(spark, checkpoint)
    if noted is not None:
        return noted
    started_at = version()
    # Written by Spark, because only Spark can reach every place that a checkpoint can have.
    spark.sql(f"SELECT '{started_at:d}' AS value").write.text(f"{checkpoint}/start/{uuid.uuid4().hex}")
    noted = _lowest(spark, checkpoint)
    return started_at if noted is None else noted


def _lowest(spark: SparkSession, checkpoint: str) -> int | None:
    from pyspark.errors import AnalysisException

    try:
        lines = spark.read.text(f"{checkpoint}/start/*").collect()
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return None
    return min((int(line["value"]) for line in lines), default=None)
