# ruff: noqa: S608 - identifiers are quoted by `quoted`, texts by `sql_text`; nothing else comes from outside
"""Merge: one MERGE on the key, newest wins completely; the SQL is made from the feed's declaration."""

from __future__ import annotations

import logging

from spark_jobs.batches import Batch, ChangedRows, KeyRange, StageResult
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.reading.batch_summary import rank_columns
from spark_jobs.steps.run import Run
from spark_jobs.store.commit_retry import commit_with_retry
from spark_jobs.store.tables import current_version, quoted, sql_literal

PROVENANCE = ("file_id", "row_number", "batch_id")
_log = logging.getLogger(__name__)


def merge(run: Run, batch: Batch, staged: StageResult) -> tuple[int, dict[FileId, ChangedRows] | None]:
    """Bring the staged good rows into the target; idempotent: a row that is in the target already doesn't win again.

    Returns the target's version after the merge, and MERGE's own counts if the batch has one file and this is the only
    commit since the file's first attempt. Otherwise the change feed has to be counted.
    """
    if staged.version is None or staged.keys is None:
        return batch.target_version, None
    version, keys = staged.version, staged.keys
    changed = commit_with_retry("merge", run.deps, lambda: run_merge(run, version, keys))
    run.target_version = after = current_version(run.spark, run.tables.target)
    commits = after - min(batch.first_version[waiting.file] for waiting in staged.files)
    if commits > 1:
        # Another process committed since the first attempt. Where the platform resolves conflicts row by row, two
        # inserts of one new key may both have succeeded.
        commit_with_retry("repair", run.deps, lambda: repair(run, version, keys))
    # If no row won, MERGE made no commit, and the only commit belongs to another process.
    ours_alone = commits == 1 and changed != ChangedRows() and len(staged.files) == 1
    return after, {staged.files[0].file: changed} if ours_alone else None


def run_merge(run: Run, stage_version: int, keys: KeyRange) -> ChangedRows:
    """The literal range of keys lets Delta skip the files of the target that can't hold any of them.

    ``row_number > 0`` leaves nothing out: Spark makes a Bloom filter only of a side that a comparison narrows.
    """
    feed, tables = run.settings.feed, run.tables
    columns = [*(quoted(name) for name in feed.column_names), *PROVENANCE]
    newest = f"{tables.stage} VERSION AS OF {stage_version} WHERE newest AND row_number > 0"
    answer = run.spark.sql(
        f"""
        MERGE INTO {tables.target} t
        USING (SELECT {", ".join(columns)} FROM {newest}) s
        ON {same_key(feed, "t", "s")} AND {_within(feed, keys)}
        WHEN MATCHED AND {rank_sql(feed, "s")} > {rank_sql(feed, "t")}
          THEN UPDATE SET {", ".join(f"t.{column} = s.{column}" for column in columns)}
        WHEN NOT MATCHED
          THEN INSERT ({", ".join(columns)}) VALUES ({", ".join(f"s.{column}" for column in columns)})
        """
    ).collect()[0]
    return ChangedRows(answer["num_inserted_rows"], answer["num_updated_rows"])


def rank_sql(feed: Feed, alias: str) -> str:
    """A row's rank for newest-wins. Structs compare field by field, with null lowest: the contract's order."""
    columns = zip(feed.newest_by, rank_columns(feed, f"{alias}."), strict=True)
    return "named_struct(" + ", ".join(f"'{name}', {column}" for name, column in columns) + ")"


def same_key(feed: Feed, one: str, other: str) -> str:
    """That two rows have the same key; no column of a key is ever null."""
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in map(quoted, feed.key))


def _within(feed: Feed, keys: KeyRange) -> str:
    return f"t.{quoted(feed.key[0])} BETWEEN {sql_literal(keys[0])} AND {sql_literal(keys[1])}"


def repair(run: Run, stage_version: int, keys: KeyRange) -> None:
    """Of several rows of one key, keep the newest. Looks only at keys of this batch; usually finds nothing."""
    feed, tables = run.settings.feed, run.tables
    key = [quoted(name) for name in feed.key]
    key_of_t = ", ".join(f"t.{name}" for name in key)
    order = f"named_struct('rank', {rank_sql(feed, 't')}, 'f', t.file_id, 'r', t.row_number, 'b', t.batch_id)"
    losers = f"""
        SELECT {key_of_t}, t.file_id, t.row_number, t.batch_id FROM (
          SELECT t.*, row_number() OVER (PARTITION BY {key_of_t} ORDER BY {order} DESC) AS place
          FROM {tables.target} t
          LEFT SEMI JOIN (SELECT {", ".join(key)} FROM {tables.stage} VERSION AS OF {stage_version} WHERE newest) b
            ON {same_key(feed, "t", "b")}
          WHERE {_within(feed, keys)}
        ) t WHERE t.place > 1"""
    found = run.spark.sql(f"SELECT count(*) AS losers FROM ({losers})").head()
    if found is None or not found["losers"]:
        return
    _log.warning("step=merge two runs inserted the same keys: deleting %d outranked rows", found["losers"])
    same = " AND ".join(f"t.{c} <=> s.{c}" for c in (*key, *PROVENANCE))
    run.spark.sql(
        f"MERGE INTO {tables.target} t USING ({losers}) s ON {same} AND {_within(feed, keys)} WHEN MATCHED THEN DELETE"
    ).collect()
