"""Function and job write the same report, whichever of them rejects a file: one file for each violation code.

The function rejects through its handler, the job through `find_rejected` and `rejection`, both on a fake bucket. What
staging found is given to the job as counts: how Spark comes to them is tested in tests/spark_jobs/reading.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.handler import handle_upload
from spark_jobs.batches import FileCounts, WaitingFile
from spark_jobs.contract.feeds import CUSTOMER_ORDERS
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.object_names import rejected_name, report_name
from spark_jobs.contract.rejections import rejection
from spark_jobs.contract.violations import RULES
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.run import Run
from spark_jobs.steps.stage import find_rejected
from tests.fakes.dependencies import BUCKET, HEADER, NAME, FakeDependencies

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROW = b"A1,T1,2026-01-10,2026-01-12,delivered,1 Main St,2026-01-12 10:00:00\n"
NOT_IN_THE_BYTES = {
    "content_encoding": "a property of the object",
    "metadata": "a property of the object",
    "rejected_by_operator": "an operator decides",
    "unknown_value": "no declared feed has an enumeration other than a status",
}
WHOLE_FILE: dict[str, bytes] = {
    "encoding": HEADER + ROW + ROW.replace(b"Main", b"caf\xe9"),
    "line_ends": HEADER + ROW + ROW.replace(b"\n", b"\r") + ROW,
    "no_header": b"\n\r\n",
    "missing_column": HEADER.replace(b"status,", b"") + ROW,
    "unknown_column": HEADER.replace(b"status", b"state") + ROW,
    "duplicate_column": HEADER.replace(b"address", b"status") + ROW,
    "header_quoting": HEADER.replace(b"status", b'"sta"tus') + ROW,
    "unclosed_quote": HEADER + ROW + ROW.replace(b"1 Main", b'"1 Main'),
    "record_too_long": HEADER + ROW + b"x" * 1_100_000 + b"\n",
    "too_many_bad_rows": HEADER + ROW * 3 + ROW.replace(b"delivered", b"lost"),
}
ROWS: dict[str, bytes] = {
    "field_count": b"A1,T1,delivered\n",
    "stray_quote": ROW.replace(b"Main", b'"Main"'),
    "control_character": ROW.replace(b"Main", b"\x1b[1m"),
    "required": ROW.replace(b"T1", b""),
    "too_long": ROW.replace(b"T1", b"T" * 65),
    "bad_date": ROW.replace(b"2026-01-10", b"2026-02-30"),
    "date_order": ROW.replace(b"2026-01-10", b"2026-01-13"),
    "unknown_status": ROW.replace(b"delivered", b"on its way"),
    "bad_timestamp": ROW.replace(b"10:00:00", b"24:00:00"),
    "timestamp_in_future": ROW.replace(b"2026-01-12 10:00:00", b"2062-01-12 10:00:00"),
}
ITEM = '"product_id":"P-1","quantity":1,"unit_price":1'
ORDERS: dict[str, dict[str, str]] = {
    "bad_form": {"customer_email": "ada.example.com"},
    "bad_number": {"order_total": "1,000.00"},
    "out_of_range": {"order_total": "1.005"},
    "bad_json": {"items": "[{" + ITEM + "},]"},
    "wrong_type": {"items": "[{" + ITEM.replace(":1,", ':"1",') + "}]"},
    "record_count": {"items": "[]"},
    "unknown_field": {"items": "[{" + ITEM + ',"color":"red"}]'},
    "duplicate_field": {"items": "[{" + ITEM + ',"quantity":2}]'},
}


def orders_file(values: dict[str, str]) -> bytes:
    """A file of customer orders: a valid row, and two with these values."""
    text = io.StringIO()
    examples = {column.name: column.example for column in CUSTOMER_ORDERS.columns}
    writer = csv.DictWriter(text, CUSTOMER_ORDERS.column_names, lineterminator="\n")
    writer.writeheader()
    writer.writerows([examples, *[examples | values] * 2])
    return text.getvalue().encode()


FILES = {code: (NAME, content) for code, content in WHOLE_FILE.items()}
FILES |= {code: (NAME, HEADER + ROW + row * 2) for code, row in ROWS.items()}
FILES |= {code: ("source/customer_orders_2026_01_31.csv", orders_file(values)) for code, values in ORDERS.items()}
FILES["file_name"] = ("source/orders.csv", HEADER + ROW)


def test_every_code_that_the_bytes_of_a_file_can_cause_is_compared() -> None:
    assert set(FILES) | set(NOT_IN_THE_BYTES) == set(RULES)


@pytest.mark.parametrize("code", FILES)
def test_function_and_job_write_the_same_report(code: str) -> None:
    fake = FakeDependencies()
    stored = fake.store.upload(*FILES[code])
    by_job = report_of_job(fake, stored.file.name, fault=code if RULES[code].whole_file else None)
    handle_upload(stored.file, fake.deps)
    by_function = json.loads(fake.store.content(report_name(rejected_name(stored.file, "source/", "rejected/"))))
    assert code in by_function["counts"]
    assert by_job | {"seconds": 0} == by_function | {"seconds": 0}


def report_of_job(fake: FakeDependencies, name: str, fault: str | None) -> dict[str, Any]:
    stored = fake.store.stat(BUCKET, name)
    assert stored is not None
    mark = AcceptedMark(stored.file.generation, 0, 0, 0, partial=True, splittable=False)
    waiting = WaitingFile(stored, mark, stored.created)
    in_rows = fault is None or fault == "too_many_bad_rows"
    counts = FileCounts(rows=4, bad_rows=2) if in_rows else FileCounts(fault=fault)
    deps = Dependencies(fake.store, fake.announcer, now=fake.clock)
    run = Run(IngestSettings(BucketLayout(BUCKET), warehouse="unused"), deps, spark=cast("SparkSession", None))
    (result,) = find_rejected(run, {stored.file: counts}, {stored.file: waiting}).values()
    prefixes = {"source_prefix": "source/", "rejected_prefix": "rejected/"}
    report: dict[str, Any] = json.loads(rejection(stored.file, stored.created, result, seconds=0, **prefixes).report)
    return report
