"""A bucket, tables and a clock for tests of the job. Files get the marks that the function would write."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.ingest import ingest
from spark_jobs.steps.run import Run
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import Tables, create_tables
from tests import oracle
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeClock
from tests.fakes.mirrored_file_store import MirroredFileStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HEADER = ",".join(oracle.COLUMNS)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Crash(BaseException):
    """Simulates the death of the process."""


def crash_at(step: str) -> Callable[[str], None]:
    """A checkpoint at which the run dies as it leaves ``step``."""

    def checkpoint(reached: str) -> None:
        if reached == step:
            raise Crash(step)

    return checkpoint


def at(step: str, do: Callable[[], Any]) -> Callable[[str], None]:
    """A checkpoint that does something the first time that the run leaves ``step``."""
    left = [do]
    return lambda reached: left.pop()() if reached == step and left else None


def csv(*rows: str) -> bytes:
    return ("\n".join([HEADER, *rows]) + "\n").encode()


def row(key: str, stamp: str = "2026-01-01 10:00:00", status: str = "pending", address: str = "", order: str = "A1") -> str:
    return f"{order},{key},,,{status},{address},{stamp}"


@dataclass
class JobHarness:
    """``contents`` holds the bytes and arrival of every accepted file, by file id."""

    spark: SparkSession
    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    announcer: FakeAnnouncer = field(default_factory=FakeAnnouncer)
    contents: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copytree(empty_tables(self.spark), self.folder / "warehouse")
        self.store = MirroredFileStore(now=self.clock, root=self.folder / "bucket")
        self.settings = IngestSettings(
            BucketLayout("orders-data"), warehouse=str(self.folder / "warehouse"), files_root=str(self.folder / "bucket")
        )

    @property
    def tables(self) -> Tables:
        return Tables.of(self.settings)

    def upload(self, name: str, content: bytes, **mark: Any) -> StoredFile:
        """Upload and mark as the function would; ``mark`` overrides fields of the mark."""
        stored = self.store.upload(f"source/{name}", content)
        return self.accept(stored, content, **mark)

    def accept(self, stored: StoredFile, content: bytes, **mark: Any) -> StoredFile:
        read = oracle.read_file(content, stored.created) or []
        lines = b'"' not in content and b"\r" not in content.replace(b"\r\n", b"\n")
        bad = sum(values is None for _, values in read)
        full = AcceptedMark(stored.file.generation, CONTRACT_VERSION, len(read), bad, False, lines)
        assert self.store.annotate(stored, replace(full, **mark).as_metadata())
        self.contents[str(stored.file)] = (content, stored.created)
        return stored

    def day(self, day: int, *rows: str, **mark: Any) -> StoredFile:
        return self.upload(f"order_tracking_2026_01_{day:02d}.csv", csv(*rows), **mark)

    def deps(self, checkpoint: Callable[[str], None] = lambda step: None) -> Dependencies:
        return Dependencies(self.store, self.announcer, self.clock, self.clock.advance, checkpoint=checkpoint)

    def run(self, checkpoint: Callable[[str], None] = lambda step: None) -> Run:
        """For tests of one step."""
        return Run(self.settings, self.deps(checkpoint), self.spark)

    def ingest(self, checkpoint: Callable[[str], None] = lambda step: None, **settings: Any) -> list[LogEntry]:
        return ingest(replace(self.settings, **settings), self.deps(checkpoint), lambda: self.spark)

    def target(self) -> dict[str, dict[str, Any]]:
        """The seven columns by key; fails on a duplicate key."""
        from pyspark.sql import functions as F

        stamp = "last_update_timestamp"
        rows = (
            self.spark.table(self.tables.target).select(*oracle.COLUMNS).withColumn(stamp, F.unix_micros(stamp)).collect()
        )
        found = {}
        for each in rows:
            values = each.asDict()
            values[stamp] = EPOCH + timedelta(microseconds=values[stamp])
            assert values["tracking_num"] not in found, f"{values['tracking_num']!r} is in the target twice"
            found[values["tracking_num"]] = values
        return found

    def log(self) -> dict[str, dict[str, Any]]:
        """The log lines by file id; fails on a duplicate."""
        found: dict[str, dict[str, Any]] = {}
        for each in self.spark.table(self.tables.ingest_log).collect():
            assert each["file_id"] not in found, f"{each['file_id']} has two lines"
            found[each["file_id"]] = each.asDict()
        return found

    def rejected_rows(self) -> dict[tuple[str, int], Any]:
        found: dict[tuple[str, int], Any] = {}
        for each in self.spark.table(self.tables.rejected_rows).collect():
            key = (each["file_id"], each["row_number"])
            assert key not in found, f"{key} was recorded twice"
            found[key] = (each["raw_line"], [(v["code"], v["column"]) for v in each["violations"]])
        return found

    def expected(self) -> dict[str, dict[str, Any]]:
        """The oracle's target for the files that the log calls merged."""
        merged = [file for file, line in self.log().items() if line["outcome"] == "merged"]
        rows = [
            values for file in merged for _, values in oracle.read_file(*self.contents[file]) or [] if values is not None
        ]
        return oracle.newest(rows)

    def assert_right(self) -> None:
        """The target equals the oracle's, every log line balances, and source/ is empty."""
        assert self.target() == self.expected()
        lines = self.log().values()
        assert all(line["balanced"] for line in lines if line["outcome"] == "merged"), lines
        assert self.store.names("source/") == []


@lru_cache(maxsize=1)
def empty_tables(spark: SparkSession) -> Path:
    """The tables as the first run creates them. Tests copy them, since creating them takes longer than most tests."""
    folder = Path(tempfile.mkdtemp(prefix="order-tracking-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = IngestSettings(BucketLayout("orders-data"), warehouse=str(folder))
    create_tables(spark, Tables.of(settings), settings.feed)
    return folder
