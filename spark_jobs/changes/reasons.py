"""Why a query failed, as one sentence for the person who can act. Under Connect there is nothing but the error's text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.violations import shorten
from spark_jobs.steps.record import FEED_GONE
from spark_jobs.store.tables import current_version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OUTAGE = re.compile(rf"{TransientError.__name__}: ([^\n]+)")
_OTHER_TABLE = re.compile("DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE")
_OVER = "start over: `order-tracking changes --from beginning` with a new, empty --checkpoint (docs/live.md)"


def reason(error: Exception, spark: SparkSession, settings: ChangesSettings, feed: Feed) -> str:
    """The sentence, without the feed."""
    text = str(error)
    if outage := _OUTAGE.search(text):
        return outage[1]
    if _OTHER_TABLE.search(text):
        return (
            f"the target was dropped and created again, so its versions start at 0: consumers empty their copies; {_OVER}"
        )
    if FEED_GONE.search(text):
        now = current_version(spark, settings.tables_of(feed).target)
        since = _read_to(spark, settings.checkpoint_of(feed))
        missing = f"of the target's versions {since} to {now}" if since is not None else f"before version {now}"
        return f"VACUUM or the clean-up of the log has removed changes {missing}, which consumers now lack; {_OVER}"
    return f"{type(error).__name__}: {shorten(_last_line(text))}"


def _last_line(text: str) -> str:
    """An error in Python ends with its message; Spark's own begins with it."""
    python = text.partition("Traceback (most recent call last)")[2]
    found = re.findall(r"^([\w.]+: .+)$", python, re.MULTILINE)
    return str(found[-1]) if found else text.partition("\n")[0]


def _read_to(spark: SparkSession, checkpoint: str) -> int | None:
    """The version at which the next batch begins; None if that can't be seen."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F

    try:
        offsets = spark.read.text(f"{checkpoint}/offsets").select("value", F.col("_metadata.file_name")).collect()
        commits = spark.read.text(f"{checkpoint}/commits").select(F.col("_metadata.file_name")).distinct().collect()
    except AnalysisException:
        return None
    done = max((int(row["file_name"]) for row in commits if row["file_name"].isdigit()), default=None)
    lines = [row["value"] for row in offsets if row["file_name"] == str(done)]
    found = [json.loads(line)["reservoirVersion"] for line in lines if "reservoirVersion" in line]
    return int(found[0]) if found else None
