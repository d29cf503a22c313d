"""Commits and the change feed of a table whose log the test writes by hand. What Spark makes of the same log is compared in
tests/spark_jobs/questions/test_every_engine.py."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from spark_jobs.queries.delta_folder import DeltaFolder, NotAllowed
from spark_jobs.queries.delta_log import commits
from spark_jobs.queries.engine import NoChanges, NoTable

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
ALL = "SELECT * FROM table_changes('shipments', :since) ORDER BY _commit_version, k, _change_type"


class Table:
    """``shipments`` (k, status) with one commit a minute from noon on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shipments"
        self.log = self.folder / "_delta_log"
        self.log.mkdir(parents=True)
        (self.folder / "_change_data").mkdir()
        self.versions = 0
        fields = [{"name": n, "type": "string", "nullable": True, "metadata": {}} for n in ("k", "status", "added_later")]
        schema = json.dumps({"type": "struct", "fields": fields})
        metadata = {"id": "t", "format": {"provider": "parquet", "options": {}}, "schemaString": schema}
        self.commit(
            {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
            {"metaData": metadata | {"partitionColumns": [], "configuration": {}, "createdTime": 0}},
        )

    def commit(self, *actions: dict[str, Any]) -> datetime:
        path = self.log / f"{self.versions:020d}.json"
        path.write_text("\n".join(json.dumps(action, separators=(",", ":")) for action in actions))
        at = NOON + timedelta(minutes=self.versions)
        os.utime(path, (at.timestamp(), at.timestamp()))
        self.versions += 1
        return at

    def update(self, key: str, old: str, new: str, file: str = "", **fields: Any) -> datetime:
        name = file or f"cdc-{self.versions}.parquet"
        path = str(self.folder / "_change_data" / name.replace("%20", " ")).replace("'", "''")
        duckdb.sql(
            f"COPY (SELECT * FROM (VALUES ('{key}', '{old}', 'update_preimage'), ('{key}', '{new}', 'update_postimage'), "
            f"('gone', 'x', 'delete'), ('new', 'x', 'insert')) t (k, status, _change_type)) TO '{path}' (FORMAT parquet)"
        )
        return self.commit(
            {"commitInfo": {"operation": "MERGE"}},
            {"cdc": {"path": f"_change_data/{name}", "partitionValues": {}, "size": 1, "dataChange": False} | fields},
        )


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "o'tables")


@pytest.fixture
def engine(table: Table) -> DeltaFolder:
    return DeltaFolder(str(table.folder.parent))


def changes(engine: DeltaFolder, since: datetime) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in engine.rows(ALL, {"since": since})]


def test_updated_rows_are_given_before_and_after_with_their_commit(engine: DeltaFolder, table: Table) -> None:
    first = table.update("a", "pending", "shipped")
    second = table.update("b", "shipped", "pending", file="cdc%20with a%20blank.parquet")
    expected = [
        ("a", "shipped", None, "update_postimage", 1, first),
        ("a", "pending", None, "update_preimage", 1, first),
        ("b", "pending", None, "update_postimage", 2, second),
        ("b", "shipped", None, "update_preimage", 2, second),
    ]
    assert changes(engine, NOON - timedelta(days=7)) == expected
    assert changes(engine, first) == expected
    assert changes(engine, first + timedelta(milliseconds=1)) == expected[2:]


def test_a_new_commit_is_seen_by_the_next_query(engine: DeltaFolder, table: Table) -> None:
    assert changes(engine, NOON) == []
    table.update("a", "pending", "shipped")
    assert len(changes(engine, NOON)) == 2
    assert engine.version("shipments") == 1


def test_without_a_commit_since_then_the_query_says_so(engine: DeltaFolder, table: Table) -> None:
    with pytest.raises(NoChanges, match=r"^shipments has not changed since 2026-02-01 12:00:01$"):
        changes(engine, NOON + timedelta(seconds=1))


def test_times_of_commits_grow_as_in_spark_even_if_a_clock_went_back(engine: DeltaFolder, table: Table) -> None:
    table.update("a", "pending", "shipped")
    last = table.log / f"{1:020d}.json"
    os.utime(last, (0, 0))
    assert [commit.at for commit in commits(table.folder)] == [NOON, NOON + timedelta(milliseconds=1)]


def test_what_is_no_commit_is_no_version(engine: DeltaFolder, table: Table) -> None:
    for name in ("00000000000000000007.checkpoint.parquet", "_last_checkpoint", "8.json", "00000000000000000009.json.tmp"):
        (table.log / name).write_text("")
    assert engine.version("shipments") == 0
    assert engine.version("nowhere") is None
    assert engine.version("../o'tables/shipments") is None
    with pytest.raises(NoTable):
        engine.rows("SELECT * FROM table_changes('nowhere', :since)", {"since": NOON})


def test_a_partitioned_table_is_refused(engine: DeltaFolder, table: Table) -> None:
    table.update("a", "pending", "shipped", partitionValues={"day": "2026-02-01"})
    with pytest.raises(NotAllowed, match="the table is partitioned"):
        changes(engine, NOON)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM table_changes('shipments', 0)",
        "SELECT * FROM table_changes('../shipments', :since)",
        "SELECT * FROM table_changes('shipments' || '', :since)",
        "SELECT * FROM Table_Changes('shipments', :since)",
        "SELECT * FROM read_parquet('_change_data/*')",
    ],
)
def test_no_other_form_reads_files(engine: DeltaFolder, table: Table, statement: str) -> None:
    table.update("a", "pending", "shipped")
    with pytest.raises(NotAllowed, match="reads tables only"):
        engine.rows(statement, {"since": NOON})


def test_a_log_cannot_lead_out_of_the_folder(engine: DeltaFolder, table: Table, tmp_path: Path) -> None:
    """Even a log that someone else wrote: DuckDB opens nothing else."""
    duckdb.sql(
        f"COPY (SELECT 1 AS secret, 'update_preimage' AS _change_type) TO '{tmp_path}/secret.parquet' (FORMAT parquet)"
    )
    for path in ("../../secret.parquet", f"{tmp_path}/secret.parquet"):
        table.commit({"cdc": {"path": path, "partitionValues": {}, "size": 1, "dataChange": False}})
        with pytest.raises(duckdb.Error, match=r"(?i)permission|not allowed|disabled"):
            changes(engine, NOON)
