"""A feed that only this test declares, from the upload to a replay: what docs/feeds.md promises for any feed.

The real function's handler validates and rejects, the real job merges, the operator's commands answer.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from functions import check
from functions.handler import handle_upload
from spark_jobs import bootstrap
from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.column_types import CURRENCY, Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS, ORDER_TRACKING
from spark_jobs.contract.object_names import archive_name, rejected_name, report_name
from spark_jobs.contract.record_lists import Records
from spark_jobs.store import session
from spark_jobs.store.tables import Tables
from tests import oracle
from tests.fakes.dependencies import FakeDependencies
from tests.released_tables import unpack_tables
from tests.spark_jobs.harness import JobHarness
from tests.spark_jobs.operator.conftest import invoke

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PARCELS = Feed(
    name="parcels",
    title="parcels",
    about="One row per parcel and scan station.",
    file_prefix="parcels",
    table_prefix="parcels",
    columns=(
        Column("station", Text(8), required=True, example="ZRH-1"),
        Column("parcel", Integer(1, 10**12), required=True, example="17"),
        Column("scanned_at", Timestamp(), required=True, example="2026-01-31 10:00:00"),
        Column("size", Enumeration(("small", "medium", "extra large"), {"xl": "extra large"}), True, example="small"),
        Column("weight", Number(8, 3, low=Decimal(0)), example="1.250"),
        Column("declared_value", Number(10, 2, low=Decimal(0)), example="99.90"),
        Column("currency", Text(3, CURRENCY), example="CHF"),
        Column("posted_on", Date(), example="2026-01-30"),
        Column("due_on", Date(), example="2026-02-02"),
        Column("next_scan", Timestamp(future=True), example="2026-03-01 08:00:00"),
        Column(
            "contents",
            Records((Column("article", Text(20), required=True), Column("pieces", Integer(1, 99), required=True)), 5),
            example='[{"article":"kettle","pieces":2}]',
        ),
        Column("remark", Text(50), since=2, example="fragile"),
    ),
    key=("station", "parcel"),
    newest_by=(
        "scanned_at", "size", "weight", "declared_value", "currency",
        "posted_on", "due_on", "next_scan", "contents", "remark",
    ),
    not_before=(("due_on", "posted_on"), ("next_scan", "scanned_at")),
    version=2,
)  # fmt: skip
OLD_COLUMNS = PARCELS.column_names[:-1]


def parcels(*rows: dict[str, str], columns: tuple[str, ...] = PARCELS.column_names) -> bytes:
    """A file of rows that differ from the declaration's examples in these values."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({column.name: column.example for column in PARCELS.columns} | row for row in rows)
    return text.getvalue().encode()


class Pipeline:
    """The function, the job and the commands on one bucket."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.harness = JobHarness(spark, folder)
        self.settings = replace(self.harness.settings, feed=PARCELS)
        self.merged: list[oracle.Row] = []

    def upload(self, name: str, content: bytes) -> StoredFile:
        stored = self.harness.store.upload(f"source/{name}", content)
        self.function(stored)
        return stored

    def function(self, stored: StoredFile) -> None:
        function = FakeDependencies(clock=self.harness.clock, announcer=self.harness.announcer)
        function.store = self.harness.store
        handle_upload(stored.file, function.deps)

    def merge(self, *uploads: tuple[StoredFile, bytes]) -> None:
        self.harness.ingest()
        for stored, content in uploads:
            rows = oracle.read_file(content, stored.created, PARCELS) or []
            self.merged += [row for _, row in rows if row is not None]

    def target(self) -> dict[Any, oracle.Row]:
        rows = self.harness.spark.table(Tables.of(self.settings).target).select(*PARCELS.column_names).collect()
        found = [{name: plain(value) for name, value in row.asDict().items()} for row in rows]
        return {(row["station"], row["parcel"]): row for row in found}

    def command(self, name: str, *arguments: str) -> Any:
        return json.loads(invoke(name, "--warehouse", self.settings.warehouse, "--json", *arguments).stdout)


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return [record.asDict() for record in value] if isinstance(value, list) else value


@pytest.fixture
def pipeline(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setitem(FEEDS, PARCELS.name, PARCELS)
    pipeline = Pipeline(spark, tmp_path)
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings, **_: pipeline.harness.deps())
    monkeypatch.setattr(session, "open_session", lambda: spark)
    return pipeline


def test_a_declared_feed_works_from_the_upload_to_a_replay(pipeline: Pipeline, tmp_path: Path) -> None:
    harness = pipeline.harness
    first = parcels(
        {"parcel": "1"},
        {"parcel": "2", "scanned_at": "2026-01-31 09:00:00", "contents": '[{"pieces":1,"article":"a \\"b\\""}]'},
        {"parcel": "1", "station": "BSL-2", "weight": "", "contents": ""},
        columns=OLD_COLUMNS,
    )
    second = parcels(
        {"parcel": "1", "size": "xl", "declared_value": "99.9"},  # same time, larger size: it wins
        {"parcel": "2", "scanned_at": "2026-01-31 08:00:00"},  # older: it loses
        *({"parcel": str(n)} for n in range(10, 30)),
        {"parcel": "3", "contents": '[{"article":"a","pieces":100}]'},  # out of range
    )

    # Before the upload
    path = tmp_path / "parcels_2026_01_31.csv"
    path.write_bytes(second)
    checked = CliRunner().invoke(check.main, [str(path), "--json"])
    report = json.loads(checked.stdout)
    assert (report["feed"], report["verdict"], report["bad_rows"]) == ("parcels", "accepted", 1)
    assert report["counts"] == {"out_of_range": {"contents": 1}}
    assert report["violations"][0]["column"] == "contents[0].pieces"

    # Upload, validation and merge; a file of another feed takes the same run
    names = {"parcels_2026_01_30.csv": first, "eu/parcels_2026_01_31.csv": second}
    uploads = [(pipeline.upload(name, content), content) for name, content in names.items()]
    harness.day(1, "A1,T1,,,pending,,2026-01-01 10:00:00")
    pipeline.merge(*uploads)
    assert pipeline.target() == oracle.newest(pipeline.merged, PARCELS)
    assert pipeline.target()["ZRH-1", 1] == {
        "station": "ZRH-1",
        "parcel": 1,
        "scanned_at": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "size": "extra large",
        "weight": Decimal("1.250"),
        "declared_value": Decimal("99.90"),
        "currency": "CHF",
        "posted_on": date(2026, 1, 30),
        "due_on": date(2026, 2, 2),
        "next_scan": datetime(2026, 3, 1, 8, tzinfo=UTC),
        "contents": [{"article": "kettle", "pieces": 2}],
        "remark": "fragile",
    }
    assert set(harness.target()) == {"T1"}
    archived = archive_name(uploads[1][0].file, "source/", "archive/")
    assert archived.startswith("archive/2026/01/31/eu/parcels_2026_01_31.")
    assert harness.store.content(archived) == second

    # A rejected file
    broken = pipeline.upload("parcels_2026_02_01.csv", parcels({"size": "huge"}, {"parcel": "x"}, {}))
    report = json.loads(harness.store.content(report_name(rejected_name(broken.file, "source/", "rejected/"))))
    assert (report["feed"], report["verdict"]) == ("parcels", "rejected")
    assert report["counts"] == {"too_many_bad_rows": {"": 1}, "unknown_value": {"size": 1}, "bad_number": {"parcel": 1}}

    # The commands
    overview = pipeline.command("status")
    assert {entry["file"].split("/")[-1].split("#")[0] for entry in overview["files"]} == {
        "parcels_2026_01_30.csv", "parcels_2026_01_31.csv", "order_tracking_2026_01_01.csv",
    }  # fmt: skip
    assert [one["name"].split("/")[-1][:18] for one in pipeline.command("status", "--feed", "parcels")["rejected_24h"]] == [
        "parcels_2026_02_01"
    ]
    shown = pipeline.command("status", "--file", "parcels_2026_01_31.csv", "--key", "ZRH-1,2")
    assert shown["file"][0]["entry"]["rejected_rows"] == 1
    assert "was outranked by row 2 of" in shown["key"][0]["sentence"]

    # A replay changes nothing; this time Spark's workers read the file, as they read large ones
    before = pipeline.target()
    copies = pipeline.command("replay", "--from", "2026-01-30", "--to", "2026-01-30", "--feed", "parcels")
    (copy,) = (harness.store.stat("orders-data", one["to"]) for one in copies)
    assert copy is not None
    pipeline.function(copy)
    (entry,) = harness.ingest(small_batch_bytes=0)
    assert (entry.outcome, entry.rows, entry.inserted, entry.updated, entry.feed) == ("merged", 3, 0, 0, "parcels")
    assert entry.balanced
    assert pipeline.target() == before
    outcomes = {(outcome.feed, outcome.kind) for outcome in harness.announcer.outcomes}
    assert outcomes == {("parcels", "merged"), ("parcels", "rejected"), ("order_tracking", "merged")}


def test_a_feed_that_fails_does_not_stop_the_others_and_the_run_names_it(pipeline: Pipeline) -> None:
    harness = pipeline.harness
    table = Path(pipeline.settings.warehouse) / "parcels_attempts"
    table.mkdir()
    (table / "not-delta.parquet").write_bytes(b"x")  # the feed's tables can't be created here
    content = parcels({})
    waiting = pipeline.upload("parcels_2026_01_30.csv", content)
    harness.day(1, "A1,T1,,,pending,,2026-01-01 10:00:00")
    with pytest.raises(Exception, match="feed parcels: "):
        harness.ingest()
    assert set(harness.target()) == {"T1"}
    assert harness.store.stat("orders-data", waiting.file.name) is not None
    for file in table.iterdir():
        file.unlink()
    table.rmdir()
    pipeline.merge((waiting, content))
    assert pipeline.target() == oracle.newest(pipeline.merged, PARCELS)


CARRIER = Column("carrier", Text(64), since=2)
GROWN = replace(
    ORDER_TRACKING,
    columns=(*ORDER_TRACKING.columns, CARRIER),
    newest_by=(*ORDER_TRACKING.newest_by, "carrier"),
    version=2,
)


def test_a_column_is_added_to_tables_that_an_earlier_version_wrote_without_stopping_uploads(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """tests/data/tables_0_1_0.tar.gz: two files merged by version 0.1.0, whose log lines don't name the feed."""
    harness = JobHarness(spark, tmp_path)
    warehouse = Path(harness.settings.warehouse)
    shutil.rmtree(warehouse)
    unpack_tables(warehouse)
    assert harness.target()["T1"]["status"] == "delivered"
    harness.clock.advance(3600)

    def load(name: str, content: bytes) -> None:
        stored = harness.store.upload(f"source/{name}", content)
        function = FakeDependencies(clock=harness.clock, announcer=harness.announcer)
        function.store = harness.store
        handle_upload(stored.file, function.deps)
        (entry,) = harness.ingest()
        assert entry.balanced

    def carriers() -> dict[str, str | None]:
        rows = spark.table(harness.tables.target).select("tracking_num", "carrier").collect()
        return {row["tracking_num"]: row["carrier"] for row in rows if row["tracking_num"] in {"T1", "T2", "N1", "N2"}}

    old_header = ",".join(ORDER_TRACKING.column_names)
    with_carrier = f"{old_header},carrier\nA,N2,,,pending,,2026-01-04 10:00:00,DHL\nA,T2,,,shipped,,2026-01-04 10:00:00,\n"
    with monkeypatch.context() as patch, caplog.at_level("INFO", logger="spark_jobs"):
        patch.setitem(FEEDS, GROWN.name, GROWN)
        load("order_tracking_2026_01_03.csv", f"{old_header}\nA,N1,,,pending,,2026-01-03 10:00:00\n".encode())
        load("order_tracking_2026_01_04.csv", with_carrier.encode())
    assert carriers() == {"T1": None, "T2": None, "N1": None, "N2": "DHL"}
    added = [message.partition("orders_")[2] for message in caplog.messages if "step=migrate" in message]
    assert added == [f"{table}` has new columns: {name}" for table, name in
                     (("target", "carrier"), ("stage", "carrier"), ("ingest_log", "feed"))]  # fmt: skip

    # An older wheel still works on these tables.
    load("order_tracking_2026_01_05.csv", f"{old_header}\nA,N1,,,shipped,,2026-01-05 10:00:00\n".encode())
    assert harness.target()["N1"]["status"] == "shipped"
    assert [line["feed"] for line in harness.log().values()].count(None) == 2
