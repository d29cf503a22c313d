"""Small batches are read on the driver by the contract's own Python, each file as exactly the generation that was taken."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING

from spark_jobs.cloud.ports import FileGone
from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.counts import Counts, count_rows
from spark_jobs.judging import StagedRow, as_arrow, judge_stream
from spark_jobs.parsing import staged_ddl
from spark_jobs.staging import STORAGE_CALLS_AT_ONCE
from spark_jobs.taking import WaitingFile
from spark_jobs.winners import flags
from spark_jobs.world import World

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def read_here(spark: SparkSession, feed: Feed, files: Sequence[WaitingFile], world: World) -> tuple[DataFrame, Counts]:
    """Judged rows with their flags, as Spark's own parsing gives them; and their counts.

    Raises FileGone and WorldTrouble.
    """
    import pyarrow as pa

    def content(waiting: WaitingFile) -> bytes:
        with world.store.reading(waiting.file) as stream:
            if stream is None:
                raise FileGone(str(waiting.file))
            return stream.read()

    rows: list[StagedRow] = []
    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        for waiting, found in zip(files, pool.map(content, files), strict=True):
            rows += judge_stream(feed, str(waiting.file), latest_allowed(feed, waiting.arrival), BytesIO(found))
    flagged = flags(rows, feed)
    batch = as_arrow(feed, rows)
    for at, name in enumerate(("newest", "tied")):
        batch = batch.append_column(name, pa.array([flag[at] for flag in flagged], pa.bool_()))
    table = pa.Table.from_batches([batch])
    frame = spark.createDataFrame(table, f"{staged_ddl(feed)}, newest BOOLEAN, tied BOOLEAN")
    return frame, count_rows(rows, flagged, feed)
