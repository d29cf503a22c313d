# ruff: noqa: S608 - paths are quoted by `sql_text`; nothing else comes from outside
"""A Delta table's log in a local folder: the table's commits, and its change feed as a query for DuckDB."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from spark_jobs.contract.values import EPOCH
from spark_jobs.queries.engine import NoChanges, NoTable

AWARE = "TIMESTAMP WITH TIME ZONE"
_COMMIT = re.compile(r"\d{20}\.json")


class ChangesUnknown(Exception):
    """The change feed of this table can't be read; the message says why."""


@dataclass(frozen=True)
class Commit:
    """``at``: aware, in milliseconds, as Spark gives it: when the commit's file was written."""

    version: int
    at: datetime
    path: Path


def commits(table: Path) -> list[Commit]:
    """The commits whose files are still there, oldest first; none if this is no table.

    Tables with in-commit timestamps, which no local table has, would have other times.
    """
    found: list[Commit] = []
    for path in sorted(path for path in (table / "_delta_log").glob("*.json") if _COMMIT.fullmatch(path.name)):
        at = EPOCH + timedelta(milliseconds=path.stat().st_mtime_ns // 1_000_000)
        if found:  # times grow, as in Spark
            at = max(at, found[-1].at + timedelta(milliseconds=1))
        found.append(Commit(int(path.stem), at, path))
    return found


def updates_since(table: Path, since: datetime) -> str:
    """A query in DuckDB's SQL: the rows that commits since then (aware) updated, before and after, as Delta's change feed.

    Updates always have change files. Commits that only insert, or only remove whole files, have none, so inserted and
    deleted rows are left out everywhere. Raises NoTable, NoChanges and ChangesUnknown.
    """
    known = commits(table)
    if not known:
        raise NoTable(table.name)
    if known[-1].at < since:
        raise NoChanges(f"{table.name} has not changed since {since:%Y-%m-%d %H:%M:%S}")
    files = [(file, commit) for commit in known if commit.at >= since for file in _change_files(table, commit)]
    # Gives the columns their order and types, even if a change file lacks one that was added later.
    none = f"""
        SELECT *, CAST(NULL AS VARCHAR) AS _change_type, CAST(NULL AS BIGINT) AS _commit_version,
               CAST(NULL AS {AWARE}) AS _commit_timestamp
        FROM delta_scan({sql_text(str(table))}) WHERE false"""
    if not files:
        return none
    listed = ", ".join(sql_text(str(file)) for file, _ in files)
    values = ", ".join(
        f"({sql_text(str(file))}, {commit.version}, CAST({sql_text(commit.at.isoformat())} AS {AWARE}))"
        for file, commit in files
    )
    return f"""{none}
        UNION ALL BY NAME
        SELECT c.* EXCLUDE (filename), f.version AS _commit_version, f.moment AS _commit_timestamp
        FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false, filename = true) c
        JOIN (VALUES {values}) f (path, version, moment) ON f.path = c.filename
        WHERE c._change_type IN ('update_preimage', 'update_postimage')"""


def _change_files(table: Path, commit: Commit) -> Iterator[Path]:
    for line in commit.path.read_text("utf-8").splitlines():
        file = json.loads(line).get("cdc") if '"cdc"' in line else None
        if file is None:
            continue
        if file["partitionValues"]:
            raise ChangesUnknown(f"table_changes can't read {table.name} in a local folder: the table is partitioned")
        yield table / unquote(file["path"])


def sql_text(value: str) -> str:
    """A text as a literal."""
    return "'" + value.replace("'", "''") + "'"
