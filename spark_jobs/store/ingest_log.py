"""The ingest log, one line per file with its outcome: the line as a dataclass, and the look-ups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from spark_jobs.batches import Batch, WaitingFile
from spark_jobs.contract.feeds import feed_name
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome, OutcomeKind
from spark_jobs.store.tables import INGEST_LOG_COLUMNS, Tables, of_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession


@dataclass(frozen=True)
class LogEntry:
    """One line of ``orders_ingest_log``. Times are aware."""

    file: FileId
    outcome: OutcomeKind
    batch_id: str
    arrived_at: datetime
    logged_at: datetime
    attempts: int
    reason: str | None = None
    report: str | None = None
    rows: int | None = None
    inserted: int | None = None
    updated: int | None = None
    outranked: int | None = None
    rejected_rows: int | None = None
    conflicting_ties: int | None = None
    marked_rows: int | None = None
    marked_bad_rows: int | None = None
    balanced: bool | None = None
    note: str | None = None

    @property
    def feed(self) -> str:
        """The feed's name."""
        return feed_name(self.file.name)

    def as_row(self) -> tuple[Any, ...]:
        file = {"file_id": str(self.file), "generation": self.file.generation, "feed": self.feed}
        values = asdict(self) | file
        return tuple(values[name] for name in INGEST_LOG_COLUMNS)

    @classmethod
    def of(cls, waiting: WaitingFile, batch: Batch, outcome: OutcomeKind, at: datetime, **others: Any) -> LogEntry:
        """The line of a file that this batch took."""
        arrived, attempts = waiting.arrival.astimezone(UTC), batch.attempts[waiting.file]
        return cls(waiting.file, outcome, batch.id, arrived, at, attempts, **others)

    @classmethod
    def of_row(cls, row: Row) -> LogEntry:
        values = row.asDict()
        values["file"] = FileId.parse(values.pop("file_id"))
        del values["generation"], values["feed"]
        for time in ("arrived_at", "logged_at"):
            # Spark returns naive times in the driver's time zone.
            values[time] = values[time].astimezone(UTC)
        return cls(**values)

    def as_outcome(self) -> Outcome:
        return Outcome(
            self.file,
            self.outcome,
            self.feed,
            self.logged_at,
            rows=self.rows,
            rejected_rows=self.rejected_rows,
            inserted=self.inserted,
            updated=self.updated,
            outranked=self.outranked,
            reason=self.reason,
            report=self.report,
            batch_id=self.batch_id,
        )


def logged(spark: SparkSession, tables: Tables, files: Iterable[FileId]) -> list[LogEntry]:
    """The log lines of these files."""
    return _entries(of_files(spark.table(tables.ingest_log), files))


def _entries(lines: DataFrame) -> list[LogEntry]:
    return [LogEntry.of_row(row) for row in lines.select(*INGEST_LOG_COLUMNS).collect()]
