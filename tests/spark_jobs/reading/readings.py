"""The result of the contract's own Python for a file, and staged rows, in one form to compare."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.reading.staged_rows import WHOLE_FILE_ROW, as_arrow, validate_stream
from tests.strategies import ARRIVAL, files

LATEST = latest_allowed(ORDER_TRACKING, ARRIVAL)
FILE = "b/source/order_tracking_2026_01_31.csv#1"
HEADER = ",".join(ORDER_TRACKING.column_names)
SCHEMA = as_arrow(ORDER_TRACKING, []).schema
Rows = dict[int, Any]
"""Row number -> the staged row without number and file; only row 0 if the file as a whole has a violation."""


def contract_says(content: bytes) -> Rows:
    validated = list(validate_stream(ORDER_TRACKING, FILE, LATEST, BytesIO(content)))
    return rows_of(pa.Table.from_batches([as_arrow(ORDER_TRACKING, validated)]))


def rows_of(table: pa.Table) -> Rows:
    """Fails on a duplicate row number. Of violations of the file, only a code counts."""
    at = table.column_names.index("last_update_timestamp")
    table = table.set_column(at, "last_update_timestamp", table.column(at).cast(pa.int64()))
    rows: Rows = {}
    for row in table.drop_columns("file_id").to_pylist():
        number = row.pop("row_number")
        assert number not in rows or number == WHOLE_FILE_ROW
        rows[number] = row if number else row["violations"][0]["code"]
    return {WHOLE_FILE_ROW: rows[WHOLE_FILE_ROW]} if WHOLE_FILE_ROW in rows else rows


@lru_cache(maxsize=1)
def generated_files() -> list[bytes]:
    """Some hundred files, valid, damaged and hostile: one Spark job reads them all. An empty object is never marked."""
    collected: list[bytes] = []

    @settings(
        max_examples=400,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(files())
    def collect(content: bytes) -> None:
        collected.append(content)

    collect()
    return list(dict.fromkeys(content for content in collected if content))
