"""A SQL warehouse through the real SDK, against the local jobs server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.sql import StatementState
from google.cloud import storage

from infra.local.services.process import ServerProcess
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.operator.lookups import recent_entries, target_rows
from spark_jobs.queries import sql_warehouse
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.engine import NoTable
from spark_jobs.queries.sql_warehouse import QueryFailed, SqlWarehouse
from tests.jobs_fixtures import RunningJobsServer, developers_environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def server(
    folder: Path, jobs_server_args: Callable[[Path], list[str | Path]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningJobsServer]:
    args = jobs_server_args(tmp_path_factory.mktemp("jobs-data"))
    with ServerProcess([*args, "--var", f"warehouse={folder}"], cwd=ROOT, env=developers_environment()) as process:
        yield RunningJobsServer(process)


@pytest.fixture
def warehouse(server: RunningJobsServer) -> SqlWarehouse:
    return SqlWarehouse(server.client, "local", "main", "order_tracking")


def test_every_type_of_parameter_and_column_passes(warehouse: SqlWarehouse) -> None:
    statement = """
        SELECT :text AS text, :number AS number, CAST(:amount AS DECIMAL(12, 2)) AS amount, :day AS `day`, :time AS time,
               unix_micros(:time) AS micros, balanced, logged_at, CAST(NULL AS BIGINT) AS missing,
               CAST(0.5 AS DOUBLE) AS half
        FROM orders_ingest_log WHERE file_id LIKE :like
    """
    moment = datetime(2026, 2, 1, 14, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    given = {"text": "it's `:text`", "number": 2**62, "amount": Decimal("1.20"), "day": date(2026, 1, 31)}
    (found,) = warehouse.rows(statement, {**given, "time": moment, "like": "%2026_01_01.csv#%"})
    assert found == given | {
        "time": moment.replace(microsecond=123000),  # the API gives milliseconds
        "micros": 1769947200123456,
        "balanced": True,
        "logged_at": datetime(2026, 2, 1, 12, tzinfo=UTC),
        "missing": None,
        "half": 0.5,
    }


def test_a_result_in_several_chunks_is_complete(warehouse: SqlWarehouse) -> None:
    rows = warehouse.rows("SELECT range AS n FROM range(12345)")
    assert [row["n"] for row in rows] == list(range(12345))
    assert warehouse.rows("SELECT range AS n FROM range(0)") == []


def test_a_statement_that_takes_longer_is_asked_for_again(
    server: RunningJobsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_warehouse, "_WAIT", "0s")
    slept: list[float] = []
    slow = "SELECT count(*) AS n FROM range(30000) a, range(30000) b WHERE a.range + b.range < 0"

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(0.05)

    assert SqlWarehouse(server.client, "local", "m", "s", sleep).rows(slow) == [{"n": 0}]
    assert slept


def test_mistakes_are_one_sentence(server: RunningJobsServer, warehouse: SqlWarehouse) -> None:
    with pytest.raises(NoTable, match="TABLE_OR_VIEW_NOT_FOUND"):
        warehouse.rows("SELECT 1 AS one FROM nowhere")
    with pytest.raises(QueryFailed, match=r"^SQL warehouse local: the statement is FAILED: \[UNRESOLVED_COLUMN\] .*nope"):
        warehouse.rows("SELECT nope FROM orders_target")
    with pytest.raises(QueryFailed, match=r"^SQL warehouse 12ab: 12ab is not a valid endpoint id"):
        SqlWarehouse(server.client, "12ab", "m", "s").rows("SELECT 1 AS one")
    with pytest.raises(QueryFailed, match="Invalid access token"):
        SqlWarehouse(lambda: server.client("wrong"), "local", "m", "s").rows("SELECT 1 AS one")


def test_without_a_login_the_message_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(QueryFailed, match=r"^no login to Databricks: "):
        SqlWarehouse(WorkspaceClient, "local", "m", "s").rows("SELECT 1 AS one")


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{folder}/x.csv'",
        "CREATE TABLE x AS SELECT 1 AS one",
        "ATTACH '/tmp/x.db'",
        "SET enable_external_access = true",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT 1 AS one; SELECT 2 AS two",
    ],
)
def test_a_statement_can_only_read_the_tables(warehouse: SqlWarehouse, folder: Path, statement: str) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(QueryFailed, match="the statement is FAILED"):
        warehouse.rows(statement.format(folder=folder))
    assert sorted(folder.rglob("*")) == before


def test_a_canceled_and_an_unknown_statement(server: RunningJobsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    api = server.client().statement_execution
    slow = "SELECT count(*) AS n FROM range(30000) a, range(30000) b WHERE a.range + b.range < 0"
    first, second = (api.execute_statement(slow, "local", wait_timeout="0s").statement_id or "" for _ in range(2))
    api.cancel_execution(second)
    status = api.get_statement(second).status
    assert status and status.state is StatementState.CANCELED
    assert first
    with pytest.raises(DatabricksError, match="was not found"):
        api.get_statement("00000000-0000-0000-0000-000000000000")
    with pytest.raises(DatabricksError, match="wait_timeout must be"):
        api.execute_statement("SELECT 1 AS one", "local", wait_timeout="3s")


def test_both_engines_give_the_same_answers(warehouse: SqlWarehouse, folder: Path) -> None:
    local = DeltaFolder(str(folder))
    assert recent_entries(warehouse, ORDER_TRACKING, 10) == recent_entries(local, ORDER_TRACKING, 10) != []
    keys = [(f"T{number}",) for number in range(300)]  # more than one statement may have as parameters

    def rows(engine: Any) -> list[Any]:
        return sorted(target_rows(engine, ORDER_TRACKING, keys), key=lambda row: row["tracking_num"])

    assert rows(warehouse) == rows(local) != []


def test_status_reads_unity_catalog_from_any_machine(
    server: RunningJobsServer, storage_server: ServerProcess, bucket: storage.Bucket, folder: Path, tmp_path: Path
) -> None:
    """In a process of its own, without Java on the PATH."""
    environment = {
        "STORAGE_EMULATOR_HOST": storage_server.url,
        "DATABRICKS_HOST": server.url,
        "DATABRICKS_TOKEN": "local",
        "DATABRICKS_WAREHOUSE_ID": "local",
        "PATH": "",
        "HOME": str(tmp_path),
    }

    def status(*tables: str) -> Any:
        command = [sys.executable, "-m", "spark_jobs.cli", "status", "--bucket", bucket.name, "--json", *tables]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    through_catalog = status("--catalog", "main", "--schema", "order_tracking")
    assert through_catalog["files"]
    assert through_catalog == status("--warehouse", str(folder))
