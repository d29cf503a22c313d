"""Reading a file on the driver gives the contract's result, by columns or record by record."""

from __future__ import annotations

from unittest.mock import patch

import pyarrow as pa
import pytest

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.reading import driver_batches
from spark_jobs.reading.driver_batches import read_file
from tests.spark_jobs.reading.readings import FILE, HEADER, LATEST, contract_says, generated_files, rows_of

ROW = "O{n},T{n},,,pending,{address},2026-01-31 10:00:00"


@pytest.mark.parametrize("worth", [0, driver_batches.WORTH_COLUMNS])
def test_every_generated_file_is_read_as_the_contract_reads_it(worth: int) -> None:
    with patch.object(driver_batches, "WORTH_COLUMNS", worth):
        for content in generated_files():
            assert rows_of(read_file(ORDER_TRACKING, FILE, LATEST, content)) == contract_says(content), content


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
