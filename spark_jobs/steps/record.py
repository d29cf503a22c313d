# ruff: noqa: S608 - identifiers are quoted by `quoted`, texts by `sql_text`; nothing else comes from outside
"""Record each file's outcome, as one log line, and its bad rows. Recording twice changes nothing."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, ChangedRows, FileCounts, MergeResult, StageResult, WaitingFile
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.violations import shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.store.commit_retry import commit_with_retry
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import INGEST_LOG_COLUMNS, Tables, frame_of, near_sql, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Vacuumed files and log entries, a recreated table, an incompatible change of columns: no later run can read it.
_FEED_GONE = re.compile(
    "FILE_NOT_EXIST|FileNotFound|VERSION_NOT_FOUND|VersionNotFound|DELTA_CHANGE_DATA|CDC_|DELTA_MISSING_CHANGE"
    "|DELTA_LOG_FILE_NOT_FOUND|DELTA_TRUNCATED|CHANGE_TABLE_FEED|DELTA_CHANGE_TABLE"
)
_log = logging.getLogger(__name__)


def merged_entries(
    spark: SparkSession, tables: Tables, batch: Batch, staged: StageResult, merged: MergeResult, deps: Dependencies
) -> list[LogEntry]:
    """Log lines of the merged files, with their counts compared with the function's."""
    if not staged.files:
        return []
    changed, note = merged.changed, None
    if changed is None:
        files = [w.file for w in staged.files]
        first = min(batch.first_version[file] for file in files)
        changed, note = count_changed_rows(spark, tables, files, first, merged.version)
    now = deps.now()
    entries = []
    for waiting in staged.files:
        mine = changed.get(waiting.file, ChangedRows()) if changed is not None else None
        entries.append(_entry(waiting, batch, staged.counts[waiting.file], mine, now, note))
    return entries


def _entry(
    waiting: WaitingFile, batch: Batch, counts: FileCounts, changed: ChangedRows | None, now: datetime, note: str | None
) -> LogEntry:
    good = counts.rows - counts.bad_rows
    outranked = good - changed.inserted - changed.updated if changed else None
    marked = None if waiting.mark.partial else (waiting.mark.rows, waiting.mark.bad_rows)
    balanced = None
    if outranked is not None or (marked and marked != (counts.rows, counts.bad_rows)):
        balanced = (outranked is None or outranked >= 0) and marked in {None, (counts.rows, counts.bad_rows)}
    if balanced is False:
        _log.error("does not balance: %s has %s, the function counted %s, and %s reached the target",
                   waiting.file, counts, marked, changed)  # fmt: skip
    return LogEntry(
        waiting.file,
        "merged",
        batch.id,
        waiting.arrival.astimezone(UTC),
        now,
        batch.attempts[waiting.file],
        rows=counts.rows,
        inserted=changed.inserted if changed else None,
        updated=changed.updated if changed else None,
        outranked=outranked,
        rejected_rows=counts.bad_rows,
        conflicting_ties=counts.conflicting_ties,
        marked_rows=marked[0] if marked else None,
        marked_bad_rows=marked[1] if marked else None,
        balanced=balanced,
        note=note,
    )


def count_changed_rows(
    spark: SparkSession, tables: Tables, files: Sequence[FileId], before: int, last: int
) -> tuple[dict[FileId, ChangedRows] | None, str | None]:
    """Inserted and updated rows by file, from the target's change feed after version ``before`` up to ``last``.

    By the file id that the rows carry, never by "our" commit: a MERGE in which nothing wins makes none, and an attempt
    that died may have made it already. None with a note where the feed is gone (vacuumed, or the table was recreated).
    """
    from pyspark.sql import functions as F

    first = before + 1
    if first > last:
        return {}, None
    reader = spark.read.option("readChangeFeed", "true").option("startingVersion", first).option("endingVersion", last)
    kind = F.col("_change_type")
    # Distinct rows: one that a repair deleted and a later attempt inserted again is still one row of its file.
    by_row = (
        reader.table(tables.target)
        .where(kind.isin("insert", "update_postimage"))
        .where(F.col("file_id").isin([str(file) for file in files]))
        .groupBy("file_id", "row_number")
        .agg(F.max(F.when(kind == "insert", 1).otherwise(0)).alias("inserted"))
    )
    counts = by_row.groupBy("file_id").agg(F.sum("inserted").alias("inserted"), F.count("*").alias("won"))
    try:
        rows = counts.collect()
    except Exception as error:
        if not _FEED_GONE.search(str(error)):
            raise
        _log.error(
            "step=record the change feed of %s since version %d can't be read: %s",
            tables.target,
            first,
            shorten(str(error)),
        )
        return None, f"inserted and updated are unknown: the change feed since version {first} can't be read"
    return {FileId.parse(row["file_id"]): ChangedRows(row["inserted"], row["won"] - row["inserted"]) for row in rows}, None


def record(
    spark: SparkSession, tables: Tables, entries: Sequence[LogEntry], stage_version: int | None, deps: Dependencies
) -> list[LogEntry]:
    """Write what is missing: first the bad rows, then the log lines, which mark a file as done. Returns the lines as the
    log has them: another run may have logged a file first."""
    bad = [entry.file for entry in entries if entry.outcome == "merged" and entry.rejected_rows]
    if bad and stage_version is not None:
        at = deps.now()
        commit_with_retry("record", deps, lambda: _record_bad_rows(spark, tables, stage_version, bad, at))
        deps.checkpoint("bad rows recorded")
    if not entries:
        return []
    ours = commit_with_retry("record", deps, lambda: _record_entries(spark, tables, entries))
    return list(entries) if ours else logged(spark, tables, [entry.file for entry in entries])


def _record_bad_rows(spark: SparkSession, tables: Tables, version: int, files: Sequence[FileId], at: datetime) -> None:
    columns = ("file_id", "generation", "row_number", "batch_id", "raw_line", "violations", "rejected_at")
    listed = ", ".join(quoted(column) for column in columns)
    near = near_sql("t", [file.generation for file in files])
    named = frame_of(spark, [(str(file), file.generation, at) for file in files], _FILES)
    with _view(named) as view:
        spark.sql(
            f"""
            MERGE INTO {tables.rejected_rows} t
            USING (SELECT r.file_id, f.generation, r.row_number, r.batch_id, r.raw_line, r.violations, f.rejected_at
                   FROM {tables.stage} VERSION AS OF {version} r JOIN {view} f ON r.file_id = f.file_id
                   WHERE r.violations IS NOT NULL) s
            ON t.file_id = s.file_id AND t.row_number = s.row_number AND {near}
            WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({", ".join(f"s.{quoted(column)}" for column in columns)})
            """
        ).collect()


_FILES = {"file_id": "STRING", "generation": "BIGINT", "rejected_at": "TIMESTAMP"}


def _record_entries(spark: SparkSession, tables: Tables, entries: Sequence[LogEntry]) -> bool:
    """Insert if absent; that a file was merged is a fact, which no other run's "superseded" may hide. Returns
    whether all lines are new."""
    columns = [quoted(name) for name in INGEST_LOG_COLUMNS]
    values = ", ".join(f"s.{column}" for column in columns)
    with _view(frame_of(spark, [entry.as_row() for entry in entries], INGEST_LOG_COLUMNS)) as view:
        same = f"t.file_id = s.file_id AND {near_sql('t', [entry.file.generation for entry in entries])}"
        merge = f"MERGE INTO {tables.ingest_log} t USING {view} s ON {same}"
        done = spark.sql(f"{merge} WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({values})").head()
        if done is not None and done["num_inserted_rows"] == len(entries):
            return True
        # Another run has logged some of these files. A separate MERGE, because one with an UPDATE clause always reads the
        # rows that it might update.
        update = ", ".join(f"t.{column} = s.{column}" for column in columns)
        stronger = "s.outcome = 'merged' AND t.outcome <> 'merged'"
        spark.sql(f"{merge} WHEN MATCHED AND {stronger} THEN UPDATE SET {update}").collect()
    return False


@contextmanager
def _view(frame: DataFrame) -> Iterator[str]:
    """A view's name for SQL; unique, because two runs may share a session."""
    name = f"order_tracking_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(name)
    try:
        yield name
    finally:
        frame.sparkSession.catalog.dropTempView(name)


def balance_of(entries: Iterable[LogEntry]) -> Mapping[str, int]:
    """Sums for the run's last line."""
    names = ("rows", "inserted", "updated", "outranked", "rejected_rows")
    listed = list(entries)
    return {name: sum(getattr(entry, name) or 0 for entry in listed) for name in names}
