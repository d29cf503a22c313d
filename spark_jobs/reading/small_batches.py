"""Small batches are read on the driver, each file as exactly the generation that was taken: mostly column by column
(`plain_columns`), otherwise by the contract's own Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING

from spark_jobs.batches import Counts, WaitingFile
from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileGone
from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.dependencies import Dependencies
from spark_jobs.reading.columns import read_columns
from spark_jobs.reading.counts import count_table
from spark_jobs.reading.deduplication import flag_table
from spark_jobs.reading.row_validation import validate_stream
from spark_jobs.reading.staged_rows import as_arrow, staged_ddl, staged_names, violations_type

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

STAGE_FILES = 2
"""Of a small batch: enough for it to be read by two cores."""
WORTH_COLUMNS = 16 * 1024
"""Bytes from which on a file is read column by column: some dozens of calls to Arrow."""


def read_here(
    spark: SparkSession, feed: Feed, files: Sequence[WaitingFile], deps: Dependencies
) -> tuple[DataFrame, Counts]:
    """Judged rows with their flags, as Spark's own parsing gives them; and their counts.

    Raises FileGone and WorldTrouble.
    """
    import pyarrow as pa

    def content(waiting: WaitingFile) -> bytes:
        with deps.store.open_file(waiting.file) as stream:
            if stream is None:
                raise FileGone(str(waiting.file))
            return stream.read()

    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        tables = [
            read_file(feed, str(waiting.file), latest_allowed(feed, waiting.arrival), found)
            for waiting, found in zip(files, pool.map(content, files), strict=True)
        ]
    # Spark takes an empty chunk for the end of the table: what follows would be lost without a word.
    table = flag_table(pa.concat_tables(tables), feed).combine_chunks()
    frame = spark.createDataFrame(table, f"{staged_ddl(feed)}, newest BOOLEAN, tied BOOLEAN")
    # Spark cuts it into a part, and so a file of the stage, for every 10,000 rows.
    return frame.coalesce(STAGE_FILES), count_table(table, feed)


def read_file(feed: Feed, file_id: str, latest: datetime, content: bytes) -> pyarrow.Table:
    """One file's judged rows, with the columns of ``parsing.staged_ddl``, in no particular order."""
    import pyarrow as pa

    plain = read_columns(feed, file_id, latest, content) if len(content) >= WORTH_COLUMNS else None
    if plain is None:
        return pa.Table.from_batches([as_arrow(feed, list(validate_stream(feed, file_id, latest, BytesIO(content))))])
    rows = plain.clean.num_rows
    clean = {
        **dict(zip(plain.clean.column_names, plain.clean.columns, strict=True)),
        "file_id": pa.repeat(pa.scalar(file_id), rows),
        "raw_line": pa.nulls(rows, pa.string()),
        "violations": pa.nulls(rows, violations_type()),
    }
    others = pa.Table.from_batches([as_arrow(feed, plain.others)])
    return pa.concat_tables([pa.table({name: clean[name] for name in staged_names(feed)}), others])
