# ruff: noqa: S608 - identifiers are quoted by `quoted`, texts by `sql_text`; nothing else comes from outside
"""Record each file's outcome, as one log line, and its bad rows. Recording twice changes nothing."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from spark_jobs.batches import Batch, ChangedRows, FileCounts, StageResult, WaitingFile
from spark_jobs.cloud.ports import FileRefused, TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.rejections import rejection
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import shorten
from spark_jobs.steps.run import Run
from spark_jobs.store.commit_retry import commit_with_retry
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import INGEST_LOG_COLUMNS, frame_of, near_sql, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Vacuumed files and log entries, a recreated table, an incompatible change of columns: no later run can read it.
FEED_GONE = re.compile(
    "FILE_NOT_EXIST|FileNotFound|VERSION_NOT_FOUND|VersionNotFound|DELTA_CHANGE_DATA|CDC_|DELTA_MISSING_CHANGE"
    "|DELTA_LOG_FILE_NOT_FOUND|DELTA_TRUNCATED|CHANGE_TABLE_FEED|DELTA_CHANGE_TABLE"
)
SUPERSEDED = "a newer generation replaced it, or it was deleted, before it was merged"
_log = logging.getLogger(__name__)


def merged_entries(
    run: Run, batch: Batch, staged: StageResult, target_version: int, changed: Mapping[FileId, ChangedRows] | None
) -> list[LogEntry]:
    """Log lines of the merged files, with their counts compared with the function's. ``target_version`` and ``changed``
    are what `merge` returned."""
    if not staged.files:
        return []
    note = None
    if changed is None:
        files = [w.file for w in staged.files]
        first = min(batch.first_version[file] for file in files)
        changed, note = count_changed_rows(run, files, first, target_version)
    now = run.deps.now()
    entries = []
    for waiting in staged.files:
        mine = changed.get(waiting.file, ChangedRows()) if changed is not None else None
        counts = staged.counts[waiting.file]
        numbers = counted_fields(counts, mine)
        marked = None if waiting.mark.partial else (waiting.mark.rows, waiting.mark.bad_rows)
        if marked:
            numbers |= {"marked_rows": marked[0], "marked_bad_rows": marked[1]}
            if marked != (counts.rows, counts.bad_rows):
                numbers["balanced"] = False  # even if it is unknown what reached the target
        if numbers["balanced"] is False:
            _log.error("does not balance: %s has %s, the function counted %s, and %s reached the target",
                       waiting.file, counts, marked, mine)  # fmt: skip
        entries.append(LogEntry.of(waiting, batch, "merged", now, note=note, **numbers))
    return entries


def counted_fields(counts: FileCounts | None, changed: ChangedRows | None) -> dict[str, Any]:
    """The counts in the line of a merged file, as far as they are known, and whether they balance."""
    fields: dict[str, Any] = {"balanced": None}
    if counts:
        fields |= {"rows": counts.rows, "rejected_rows": counts.bad_rows, "conflicting_ties": counts.conflicting_ties}
    if changed:
        fields |= {"inserted": changed.inserted, "updated": changed.updated}
    if counts and changed:
        fields["outranked"] = counts.rows - counts.bad_rows - changed.inserted - changed.updated
        fields["balanced"] = fields["outranked"] >= 0
    return fields


def rejected_entries(run: Run, batch: Batch, staged: StageResult) -> list[LogEntry]:
    """A file whose report can't be written stays where it is, and does not stop the others."""
    entries = []
    for waiting in batch.files:
        if result := staged.rejected.get(waiting.file):
            try:
                entries.append(rejected_entry(run, waiting, result, batch))
            except (FileRefused, TransientError) as error:
                run.problem(waiting.file, f"it must be rejected, but its report can't be written: {error}")
    return entries


def rejected_entry(run: Run, waiting: WaitingFile, result: ValidationResult, batch: Batch) -> LogEntry:
    """Writes the report; the file itself moves to the rejected folder once its line is in the log."""
    layout = run.settings.layout
    prefixes = {"source_prefix": layout.source_prefix, "rejected_prefix": layout.rejected_prefix}
    rejected = rejection(waiting.file, waiting.arrival, result, seconds=0.0, **prefixes)
    run.deps.store.write(waiting.file.bucket, rejected.report_name, rejected.report, "application/json")
    report = {"reason": rejected.reason, "report": rejected.report_name}
    counts = {"rows": result.rows, "rejected_rows": result.bad_rows}
    return LogEntry.of(waiting, batch, "rejected", run.deps.now(), **report, **counts)


def superseded_entries(run: Run, batch: Batch, staged: StageResult) -> list[LogEntry]:
    """Log lines of files that are gone. If another run has logged one already, its line is used: the file may be merged."""
    if not staged.gone:
        return []
    held = {entry.file: entry for entry in logged(run.spark, run.tables, [w.file for w in staged.gone])}
    now = run.deps.now()
    return [held.get(w.file) or LogEntry.of(w, batch, "superseded", now, reason=SUPERSEDED) for w in staged.gone]


def count_changed_rows(
    run: Run, files: Sequence[FileId], before: int, last: int
) -> tuple[dict[FileId, ChangedRows] | None, str | None]:
    """Inserted and updated rows by file, from the target's change feed after version ``before`` up to ``last``.

    By the file id that the rows carry, never by "our" commit: a MERGE in which nothing wins makes none, and an attempt
    that died may have made it already. A version that the target hasn't reached belongs to a table that was dropped: then
    all of the present one is counted. None with a note where the feed is gone (vacuumed, or the table was recreated).
    """
    from pyspark.sql import functions as F

    if before == last:
        return {}, None
    first = before + 1 if before < last else 0
    reader = run.spark.read.option("readChangeFeed", "true").option("startingVersion", first).option("endingVersion", last)
    kind = F.col("_change_type")
    # Distinct rows: one that a repair deleted and a later attempt inserted again is still one row of its file.
    by_row = (
        reader.table(run.tables.target)
        .where(kind.isin("insert", "update_postimage"))
        .where(F.col("file_id").isin([str(file) for file in files]))
        .groupBy("file_id", "row_number")
        .agg(F.max(F.when(kind == "insert", 1).otherwise(0)).alias("inserted"))
    )
    counts = by_row.groupBy("file_id").agg(F.sum("inserted").alias("inserted"), F.count("*").alias("won"))
    try:
        rows = counts.collect()
    except Exception as error:
        if not FEED_GONE.search(str(error)):
            raise
        _log.error("step=record the target's change feed since version %d can't be read: %s", first, shorten(str(error)))
        return None, f"inserted and updated are unknown: the change feed since version {first} can't be read"
    return {FileId.parse(row["file_id"]): ChangedRows(row["inserted"], row["won"] - row["inserted"]) for row in rows}, None


def record(run: Run, entries: Sequence[LogEntry], stage_version: int | None) -> list[LogEntry]:
    """Write what is missing: first the bad rows, then the log lines, which mark a file as done. Returns the lines as the
    log has them: another run may have logged a file first."""
    bad = [entry.file for entry in entries if entry.outcome == "merged" and entry.rejected_rows]
    if bad and stage_version is not None:
        at = run.deps.now()
        commit_with_retry("record", run.deps, lambda: _record_bad_rows(run, stage_version, bad, at))
        run.deps.checkpoint("bad rows recorded")
    if not entries:
        return []
    ours = commit_with_retry("record", run.deps, lambda: _record_entries(run, entries))
    return list(entries) if ours else logged(run.spark, run.tables, [entry.file for entry in entries])


def _record_bad_rows(run: Run, version: int, files: Sequence[FileId], at: datetime) -> None:
    columns = ("file_id", "generation", "row_number", "batch_id", "raw_line", "violations", "rejected_at")
    listed = ", ".join(quoted(column) for column in columns)
    near = near_sql("t", [file.generation for file in files])
    named = frame_of(run.spark, [(str(file), file.generation, at) for file in files], _FILES)
    with _view(named) as view:
        run.spark.sql(
            f"""
            MERGE INTO {run.tables.rejected_rows} t
            USING (SELECT r.file_id, f.generation, r.row_number, r.batch_id, r.raw_line, r.violations, f.rejected_at
                   FROM {run.tables.stage} VERSION AS OF {version} r JOIN {view} f ON r.file_id = f.file_id
                   WHERE r.violations IS NOT NULL) s
            ON t.file_id = s.file_id AND t.row_number = s.row_number AND {near}
            WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({", ".join(f"s.{quoted(column)}" for column in columns)})
            """
        ).collect()


_FILES = {"file_id": "STRING", "generation": "BIGINT", "rejected_at": "TIMESTAMP"}


def _record_entries(run: Run, entries: Sequence[LogEntry]) -> bool:
    """Insert if absent; that a file was merged is a fact, which no other run's "superseded" may hide. Returns
    whether all lines are new."""
    columns = [quoted(name) for name in INGEST_LOG_COLUMNS]
    values = ", ".join(f"s.{column}" for column in columns)
    with _view(frame_of(run.spark, [entry.as_row() for entry in entries], INGEST_LOG_COLUMNS)) as view:
        same = f"t.file_id = s.file_id AND {near_sql('t', [entry.file.generation for entry in entries])}"
        merge = f"MERGE INTO {run.tables.ingest_log} t USING {view} s ON {same}"
        done = run.spark.sql(f"{merge} WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({values})").head()
        if done is not None and done["num_inserted_rows"] == len(entries):
            return True
        # Another run has logged some of these files. A separate MERGE, because one with an UPDATE clause always reads the
        # rows that it might update.
        update = ", ".join(f"t.{column} = s.{column}" for column in columns)
        stronger = "s.outcome = 'merged' AND t.outcome <> 'merged'"
        run.spark.sql(f"{merge} WHEN MATCHED AND {stronger} THEN UPDATE SET {update}").collect()
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
