"""The demo's verdict finds each kind of problem, with tables written by delta-rs and a dictionary as the bucket."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from infra.local.demo.days import Upload, waves
from infra.local.demo.expected import READINGS
from infra.local.demo.verdict import OVERWRITTEN, Verdict, check_outcomes
from infra.local.uploads import Uploaded
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING

ARRIVED = datetime(2026, 2, 1, tzinfo=UTC)
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
HEADER = b"order_num,tracking_num,pck_recieved_date,package_deliver_date,status,address,last_update_timestamp\n"
CONTENT = HEADER + b"O1,T1,2026-01-05,,Shipped,,2026-01-05 10:00:00\nO2,T2,,,on its way,,2026-01-05 10:00:00\n"
ROW = {
    "order_num": "O1",
    "tracking_num": "T1",
    "pck_recieved_date": date(2026, 1, 5),
    "package_deliver_date": None,
    "status": "shipped",
    "address": None,
    "last_update_timestamp": AT,
}
TARGET_SCHEMA = pa.schema(
    [
        ("order_num", pa.string()),
        ("tracking_num", pa.string()),
        ("pck_recieved_date", pa.date32()),
        ("package_deliver_date", pa.date32()),
        ("status", pa.string()),
        ("address", pa.string()),
        ("last_update_timestamp", pa.timestamp("us", "UTC")),
    ]
)
NAME, BAD_NAME, ORDERS = (
    "order_tracking_2026_01_05.csv",
    "order_tracking_2026_01_06.csv",
    "customer_orders_2026_01_05.csv",
)
GOOD = (Upload(NAME, CONTENT, ""), Uploaded("b", f"source/{NAME}", 7, 1, ARRIVED))
BAD = (Upload(BAD_NAME, b"x", "", "rejected"), Uploaded("b", f"source/{BAD_NAME}", 8, 1, ARRIVED))
DRAFT = (Upload(NAME, b"x", "", None), Uploaded("b", f"source/{NAME}", 6, 1, ARRIVED))
OTHER_FEED = (Upload(ORDERS, b"x", ""), Uploaded("b", f"source/{ORDERS}", 9, 1, ARRIVED))
LINE = {
    "file_id": GOOD[1].file_id,
    "outcome": "merged",
    "reason": "",
    "rows": 2,
    "inserted": 1,
    "updated": 0,
    "outranked": 0,
    "rejected_rows": 1,
    "balanced": True,
}
REPORT = json.dumps({"violations": [{"message": "no header"}]}).encode()
OBJECTS = {
    "archive/2026/01/05/order_tracking_2026_01_05.7.csv": CONTENT,
    "rejected/order_tracking_2026_01_06.csv.8": b"x",
    "rejected/order_tracking_2026_01_06.csv.8.report.json": REPORT,
}


@dataclass
class StoredBlob:
    name: str
    content: bytes = b""

    def download_as_bytes(self) -> bytes:
        return self.content


class Bucket:
    """The part of the client that the verdict uses."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def list_blobs(self, _bucket: str) -> list[StoredBlob]:
        return [StoredBlob(name) for name in self._objects]

    def bucket(self, _name: str) -> Bucket:
        return self

    def blob(self, name: str) -> StoredBlob:
        return StoredBlob(name, self._objects[name])


Validate = Callable[..., Verdict]


@pytest.fixture
def verdict_of(tmp_path: Path) -> Validate:
    def verdict_of(rows: list[dict[str, Any]], line: dict[str, Any], objects: dict[str, bytes]) -> Verdict:
        write_deltalake(tmp_path / "orders_target", pa.Table.from_pylist(rows, TARGET_SCHEMA))
        write_deltalake(tmp_path / "orders_ingest_log", pa.Table.from_pylist([line]))
        write_deltalake(tmp_path / "orders_rejected_rows", pa.Table.from_pylist([{"file_id": line["file_id"]}]))
        return check_outcomes(ORDER_TRACKING, [DRAFT, GOOD, BAD, OTHER_FEED], Bucket(objects), "b", tmp_path)  # type: ignore[arg-type]

    return verdict_of


def test_correct_results_have_no_problems(verdict_of: Validate) -> None:
    verdict = verdict_of([ROW], LINE, OBJECTS)

    assert verdict.problems == []
    assert (verdict.expected, verdict.matching, verdict.bad_rows) == (1, 1, 1)
    assert [result.outcome for result in verdict.results] == [OVERWRITTEN, "merged", "rejected"]
    assert verdict.results[2].reason == "no header"


@pytest.mark.parametrize(
    ("rows", "line", "objects", "problem"),
    [
        ([{**ROW, "status": "pending"}], {}, {}, "T1: expected"),
        ([], {}, {}, "T1: expected"),
        ([ROW, {**ROW, "tracking_num": "T9"}], {}, {}, "T9: expected None"),
        ([ROW, ROW], {}, {}, "2 rows for 1 keys"),
        ([ROW], {"rows": 3}, {}, "don't balance"),
        ([ROW], {"balanced": False}, {}, "don't balance"),
        ([ROW], {"rejected_rows": 0, "rows": 1}, {}, "1 bad rows are quarantined, but the log counts 0"),
        ([ROW], {"outcome": "superseded"}, {}, "was superseded, expected merged"),
        ([ROW], {}, {"source/left.csv": b""}, "source/left.csv is still in the bucket"),
        ([ROW], {}, {"archive/2026/01/05/order_tracking_2026_01_05.7.csv": None}, "is not in archive/"),
        ([ROW], {}, {"rejected/order_tracking_2026_01_06.csv.8.report.json": None}, "was unknown, expected rejected"),
    ],
)
def test_each_problem_is_found(
    verdict_of: Validate, rows: list[dict[str, Any]], line: dict[str, Any], objects: dict[str, bytes | None], problem: str
) -> None:
    changed = {name: content for name, content in (OBJECTS | objects).items() if content is not None}

    verdict = verdict_of(rows, LINE | line, changed)

    assert any(problem in one for one in verdict.problems), verdict.problems


@pytest.mark.parametrize(
    ("column", "stored", "correct"),
    [
        ("items", list, True),
        ("items", lambda items: items[:1], False),
        ("items", lambda items: json.dumps(items, default=str), False),
        ("order_total", float, False),
        ("order_total", str, False),
    ],
)
def test_items_must_be_arrays_of_structs_and_amounts_decimals(
    tmp_path: Path, column: str, stored: Callable[[Any], Any], correct: bool
) -> None:
    upload = next(one for one in waves(10)[0] if one.name == ORDERS)
    uploaded = OTHER_FEED[1]
    rows = READINGS["customer_orders"].expected_target([(upload.content, ARRIVED)]).values()
    target = [row | {column: stored(row[column])} for row in rows]
    line = LINE | {"file_id": uploaded.file_id, "rows": 100, "inserted": 100, "rejected_rows": 0}
    write_deltalake(tmp_path / "customer_orders_target", pa.Table.from_pylist(target))
    write_deltalake(tmp_path / "customer_orders_ingest_log", pa.Table.from_pylist([line]))
    bucket = Bucket({"archive/2026/01/05/customer_orders_2026_01_05.9.csv": b""})

    verdict = check_outcomes(CUSTOMER_ORDERS, [(upload, uploaded)], bucket, "b", tmp_path)  # type: ignore[arg-type]

    assert (verdict.problems == []) is correct
    assert (verdict.matching == verdict.expected == 100) is correct
