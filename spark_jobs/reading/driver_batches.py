"""Small batches are read on the driver, each file as exactly the generation that was taken. Files whose records
are lines are validated column by column, all others by the contract's own Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING

from spark_jobs.batches import Counts, WaitingFile
from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileGone
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.records import BOM
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.dependencies import Dependencies
from spark_jobs.reading.batch_summary import count_table, flag_table
from spark_jobs.reading.columns import FileLayout, validate_lines
from spark_jobs.reading.headers import HEADER_BYTES, find_header
from spark_jobs.reading.staged_rows import WHOLE_FILE_ROW, as_arrow, staged_ddl, validate_stream

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

STAGE_FILES = 2
"""Files of the stage that a small batch is written to, so that two cores can read it."""
WORTH_COLUMNS = 16 * 1024
"""Bytes. For smaller files, the few dozen Arrow calls cost more than reading them row by row."""


def read_on_driver(
    spark: SparkSession, feed: Feed, files: Sequence[WaitingFile], deps: Dependencies
) -> tuple[DataFrame, Counts]:
    """Staged rows with their flags, and their counts.

    Raises FileGone and TransientError.
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
    # Spark takes an empty chunk for the end of the table and would silently lose the rows after it.
    table = flag_table(pa.concat_tables(tables), feed).combine_chunks()
    frame = spark.createDataFrame(table, f"{staged_ddl(feed)}, newest BOOLEAN, tied BOOLEAN")
    # Otherwise Spark makes a partition, and so a file of the stage, of every 10,000 rows.
    return frame.coalesce(STAGE_FILES), count_table(table, feed)


def read_file(feed: Feed, file_id: str, latest: datetime, content: bytes) -> pyarrow.Table:
    """One file's staged rows, in no particular order."""
    import pyarrow as pa

    batches = _read_lines(feed, file_id, latest, content) if len(content) >= WORTH_COLUMNS else None
    if batches is None:
        batches = [as_arrow(feed, list(validate_stream(feed, file_id, latest, BytesIO(content))))]
    return pa.Table.from_batches(batches, as_arrow(feed, []).schema)


def _read_lines(feed: Feed, file_id: str, latest: datetime, content: bytes) -> list[pyarrow.RecordBatch] | None:
    """None if a record isn't exactly one line, or if the file as a whole has a violation."""
    import pyarrow as pa
    import pyarrow.compute as pc

    header = find_header(feed, content[:HEADER_BYTES], whole=len(content) <= HEADER_BYTES)
    if header is None or header.violations or content.count(b"\r") != content.count(b"\r\n"):
        return None
    lines = [line for line in content.removeprefix(BOM).replace(b"\r\n", b"\n").split(b"\n") if line]
    numbers = pa.array(range(1, len(lines)), pa.int64())
    layout = FileLayout(file_id, header.positions, latest)
    batches = validate_lines(feed, layout, numbers, pa.array(lines[1:], pa.binary()))
    whole_file = (pc.any(pc.equal(batch.column("row_number"), WHOLE_FILE_ROW)).as_py() for batch in batches)
    return None if any(whole_file) else batches
