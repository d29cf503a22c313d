"""Three ways to bring an update file into a Delta table. Each begins every round from the same rows."""

from __future__ import annotations

import hashlib
import io
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from functions.validation.upload import validate_upload
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.ingest import ingest
from spark_jobs.store.session import local_settings
from spark_jobs.store.tables import Tables, create_tables
from spark_jobs.store.tables import _definitions as definitions
from tests.bench.job_steps import steps
from tests.bench.memory import heap_peak, resident_peak
from tests.bench.order_rows import ARRIVAL, COLUMNS, table_rows
from tests.bench.table_folder import bytes_written, data_files_rewritten, files_in, latest_version, linked_copy
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.mirrored_file_store import MirroredFileStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BUCKET = "orders-data"
TARGET = "orders_target"
TABLE_FILES = 16


@dataclass(frozen=True)
class Load:
    """What one load cost. ``steps``: seconds by step, where the contender has steps."""

    seconds: float
    bytes: int
    files_rewritten: int
    peak_mib: float
    steps: dict[str, float] = field(default_factory=dict)


class Contender(ABC):
    """``warehouse`` is the folder of its tables in the present round; orders_target among them."""

    name: str

    def __init__(self, spark: SparkSession, base: Path) -> None:
        self._spark = spark
        self._base = base
        self.warehouse = base

    @property
    def target(self) -> Path:
        return self.warehouse / TARGET

    def begin(self, warehouse: Path) -> None:
        """Start a round in a folder of its own."""
        linked_copy(self._base, warehouse)
        self.warehouse = warehouse

    def load(self, update: Path, day: int = 0) -> Load:
        """Load one file and return what it cost. ``day``: of a series of files."""
        files, version = files_in(self.warehouse), latest_version(self.target)
        seconds, peak, by_step = self._timed(update, day)
        written = bytes_written(files, files_in(self.warehouse))
        return Load(seconds, written, data_files_rewritten(self.target, version), peak, by_step)

    @abstractmethod
    def build(self, rows: int) -> None:
        """Make the tables that every round begins from, in ``base``."""

    @abstractmethod
    def _timed(self, update: Path, day: int) -> tuple[float, float, dict[str, float]]:
        """Seconds, MiB, seconds by step."""


class Notebook(Contender):
    """What is usually written: infer the schema, overwrite a stage table, update all, insert all; Spark as it comes."""

    name = "usual notebook"
    # Without the catalog there is no Delta, and the zone is part of what the rows mean.
    kept = ("spark.sql.catalog.", "spark.sql.session.timeZone")

    def build(self, rows: int) -> None:
        table_rows(self._spark, rows, TABLE_FILES).write.format("delta").save(str(self._base / TARGET))

    def _timed(self, update: Path, day: int) -> tuple[float, float, dict[str, float]]:
        from delta.tables import DeltaTable

        stage = str(self.warehouse / "orders_stage")
        with sparks_own_settings(self._spark, self.kept), heap_peak(self._spark) as peak:
            started = time.perf_counter()
            read = self._spark.read.option("header", "true").option("inferSchema", "true").csv(str(update))
            read.write.format("delta").mode("overwrite").save(stage)
            target = DeltaTable.forPath(self._spark, str(self.target)).alias("t")
            source = self._spark.read.format("delta").load(stage).alias("s")
            merge = target.merge(source, "t.tracking_num = s.tracking_num")
            merge.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
            seconds = time.perf_counter() - started
        return seconds, peak[0], {}


class TunedNotebook(Notebook):
    """The same with the job's settings for one machine, but for those that are there for the job's own MERGE."""

    name = "notebook, tuned"
    kept = (*Notebook.kept, "spark.sql.shuffle.", "spark.sql.adaptive.", "spark.sql.sources.", "spark.databricks.")


@contextmanager
def sparks_own_settings(spark: SparkSession, kept: tuple[str, ...]) -> Iterator[None]:
    """What the job's session sets goes back to Spark's defaults, where it can while the session runs."""
    ours = {name: spark.conf.get(name) for name in local_settings([]) if spark.conf.isModifiable(name)}
    unset = {name: value for name, value in ours.items() if not name.startswith(kept)}
    for name in unset:
        spark.conf.unset(name)
    yield
    for name, value in unset.items():
        spark.conf.set(name, value)


class Ours(Contender):
    """The job itself, all of its steps; what counts against the others is stage, merge and record."""

    name = "order-tracking"

    def build(self, rows: int) -> None:
        tables = Tables.of(self._settings(self._base))
        create_tables(self._spark, tables, ORDER_TRACKING)
        first = [f"'{BUCKET}/source/order_tracking_2025_12_31.csv#1' AS file_id", "id AS row_number", "'first' AS batch_id"]
        table = table_rows(self._spark, rows, TABLE_FILES).selectExpr(
            *COLUMNS, first[0], "CAST(substring(tracking_num, 4) AS BIGINT) AS row_number", first[2]
        )
        table.writeTo(tables.target).append()
        for other in self._base.iterdir():
            if other.name != TARGET:
                shutil.rmtree(other)

    def begin(self, warehouse: Path) -> None:
        """The tables beside the target are there, and empty."""
        super().begin(warehouse)
        create_tables(self._spark, Tables.of(self._settings(warehouse)), ORDER_TRACKING)

    @staticmethod
    def declaration() -> str:
        """Changes when the target is declared, or its files are written, otherwise than before."""
        target, *_ = definitions(Tables("target", "", "", "", ""), ORDER_TRACKING)
        parquet = [setting for setting in local_settings([]).items() if setting[0].startswith("spark.sql.parquet.")]
        return hashlib.sha256(repr((target, parquet)).encode()).hexdigest()[:8]

    def _settings(self, warehouse: Path, root: Path | None = None) -> IngestSettings:
        return IngestSettings(BucketLayout(BUCKET), warehouse=str(warehouse), files_root=str(root or ""))

    def _timed(self, update: Path, day: int) -> tuple[float, float, dict[str, float]]:
        root = self.warehouse.parent / f"{self.warehouse.name}-bucket"
        store = MirroredFileStore(root=root, _generation=1000 + day)
        arrival = ARRIVAL + timedelta(days=day)
        accepted(store, f"source/order_tracking_{arrival:%Y_%m_%d}.csv", update.read_bytes(), arrival)
        deps = Dependencies(store, FakeAnnouncer(), now=lambda: datetime.now(UTC))
        with heap_peak(self._spark) as peak, steps() as by_step:
            ingest(self._settings(self.warehouse, root), deps, lambda: self._spark)
        return sum(by_step[step] for step in ("stage", "merge", "record")), peak[0], dict(by_step)


def accepted(store: MirroredFileStore, name: str, content: bytes, arrival: datetime) -> None:
    """Upload a file and mark it with the function's own result."""
    stored = store.upload(name, content, created=arrival)
    result = validate_upload(
        io.BytesIO(content), name=name.rpartition("/")[2], arrival=arrival, max_bad_row_ratio=0.1, size=len(content)
    )
    if result.violations and result.bad_rows == 0:
        raise RuntimeError(f"the gate refuses this file: {result.violations[0]}")
    store.annotate(stored, AcceptedMark.of(result, stored.file.generation, arrival).as_metadata())


class DeltaRs(Contender):
    """delta-rs' merge as it comes, newest timestamp wins, no stage: pyarrow reads the file with its types given."""

    name = "delta-rs"
    streamed = True

    def build(self, rows: int) -> None:
        table_rows(self._spark, rows, TABLE_FILES).write.format("delta").save(str(self._base / TARGET))

    def _timed(self, update: Path, day: int) -> tuple[float, float, dict[str, float]]:
        import pyarrow as pa
        from deltalake import DeltaTable
        from pyarrow import csv

        types = {"pck_recieved_date": pa.date32(), "package_deliver_date": pa.date32()}
        options = csv.ConvertOptions(column_types={**types, "last_update_timestamp": pa.timestamp("us")})
        with resident_peak() as peak:
            started = time.perf_counter()
            source = csv.read_csv(update, convert_options=options)
            # The file's stamps have no offset; the reader takes zoned ones only with one.
            at = source.schema.get_field_index("last_update_timestamp")
            source = source.set_column(at, "last_update_timestamp", source.column(at).cast(pa.timestamp("us", tz="UTC")))
            merge = DeltaTable(self.target).merge(
                source, "t.tracking_num = s.tracking_num", source_alias="s", target_alias="t", streamed_exec=self.streamed
            )
            newer = "s.last_update_timestamp > t.last_update_timestamp"
            merge.when_matched_update_all(predicate=newer).when_not_matched_insert_all().execute()
            seconds = time.perf_counter() - started
        return seconds, peak[0], {}


class PruningDeltaRs(DeltaRs):
    """The same with the source in memory, which lets delta-rs skip files by the source's range of keys."""

    name = "delta-rs, pruning"
    streamed = False
