"""Reading a file on the driver gives the contract's result, by columns or record by record."""

from __future__ import annotations

from io import BytesIO
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.reading import driver_batches
from spark_jobs.reading.driver_batches import read_file
from spark_jobs.reading.staged_rows import as_arrow, validate_stream
from tests.feed_strategies import feeds_with_files
from tests.spark_jobs.reading.readings import FILE, HEADER, LATEST, contract_says, generated_files, rows_of
from tests.strategies import ARRIVAL, files

ROW = "O{n},T{n},,,pending,{address},2026-01-31 10:00:00"


@pytest.mark.parametrize("worth", [0, driver_batches.WORTH_COLUMNS])
def test_every_generated_file_is_read_as_the_contract_reads_it(worth: int) -> None:
    with patch.object(driver_batches, "WORTH_COLUMNS", worth):
        for content in generated_files():
            assert rows_of(read_file(ORDER_TRACKING, FILE, LATEST, content)) == contract_says(content), content


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(feeds_with_files() | files(feed=CUSTOMER_ORDERS).map(lambda content: (CUSTOMER_ORDERS, content)))
def test_a_file_of_any_feed_is_read_as_the_contract_reads_it(generated: tuple[Feed, bytes]) -> None:
    feed, content = generated
    latest = latest_allowed(feed, ARRIVAL)
    with patch.object(driver_batches, "WORTH_COLUMNS", 0):
        table = read_file(feed, FILE, latest, content)
    expected = pa.Table.from_batches([as_arrow(feed, list(validate_stream(feed, FILE, latest, BytesIO(content))))])
    assert table.sort_by("row_number").to_pylist() == expected.sort_by("row_number").to_pylist()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("address", ["1 Main St", '"12 Oak Ave, Springfield"', '"two\nlines"', "lone\rCR"])
def test_long_files_with_any_line_end(end: str, bom: str, address: str) -> None:
    rows = [ROW.format(n=n, address=address if n % 7 == 0 else "") for n in range(600)]
    content = (bom + end.join([HEADER, *rows])).encode()
    assert len(content) > driver_batches.WORTH_COLUMNS
    assert rows_of(read_file(ORDER_TRACKING, FILE, LATEST, content)) == contract_says(content)


def test_what_goes_to_spark_is_hardly_larger_than_the_file() -> None:
    """Spark gets the table in slices: an array that shares one large buffer would send all of it with every slice."""
    content = "\n".join([HEADER, *(ROW.format(n=n, address="x" * 50) for n in range(20_000))]).encode()
    table = read_file(ORDER_TRACKING, FILE, LATEST, content)
    sent = pa.BufferOutputStream()
    with pa.ipc.new_stream(sent, table.schema) as stream:
        for batch in table.to_batches(max_chunksize=500):
            stream.write_batch(batch)
    assert sent.getvalue().size < 2 * len(content)
