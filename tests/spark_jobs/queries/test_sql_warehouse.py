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
from databricks.sdk.core import Config
from databricks.sdk.service.sql import StatementResponse, StatementState
from google.cloud import storage

from infra.local.services.process import ServerProcess
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.operator.lookups import recent_entries, target_rows
from spark_jobs.queries import sql_warehouse
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.engine import NoTable
from spark_jobs.queries.sql_warehouse import QueryFailed, SqlWarehouse
from tests.free_port import free_port
from tests.jobs_fixtures import RunningJobsServer, StartJobsServer, developers_environment

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
        SELECT :text AS text, :number AS number, :amount AS amount, :day AS `day`, :time AS time, :yes AS yes, :no AS no,
               unix_micros(:time) AS micros, balanced, logged_at, CAST(NULL AS BIGINT) AS missing,
               CAST(0.5 AS DOUBLE) AS half, CAST(1e300 AS DOUBLE) AS large, CAST(7 AS SMALLINT) AS small, '' AS empty
        FROM orders_ingest_log WHERE file_id LIKE :like
    """
    moment = datetime(2026, 2, 1, 14, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    given = {"text": "it's `:text`", "number": 2**62, "amount": Decimal("-1.20"), "day": date(2026, 1, 31)}
    given |= {"yes": True, "no": False}
    (found,) = warehouse.rows(statement, {**given, "time": moment, "like": "%2026_01_01.csv#%"})
    assert found == given | {
        "time": moment.replace(microsecond=123000),  # the API gives milliseconds
        "micros": 1769947200123456,
        "balanced": True,
        "logged_at": datetime(2026, 2, 1, 12, tzinfo=UTC),
        "missing": None,
        "half": 0.5,
        "large": 1e300,
        "small": 7,
        "empty": "",
    }
    assert [type(found[name]) for name in ("number", "amount", "yes", "day", "small")] == [int, Decimal, bool, date, int]
    assert str(found["amount"]) == "-1.20"


def test_a_result_in_several_chunks_is_complete(warehouse: SqlWarehouse) -> None:
    for count in (0, 1, 5000, 5001, 12345):
        rows = warehouse.rows(f"SELECT range AS n FROM range({count})")
        assert [row["n"] for row in rows] == list(range(count))


def test_a_statement_that_takes_longer_is_asked_for_again(
    server: RunningJobsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_warehouse, "_WAIT", "0s")
    slept: list[float] = []
    slow = "SELECT count(*) AS n FROM range(12000) a, range(12000) b WHERE a.range + b.range < 0"

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(0.05)

    assert SqlWarehouse(server.client, "local", "m", "s", sleep).rows(slow) == [{"n": 0}]
    assert slept


SLOW = "SELECT count(*) AS n FROM range(3000000) a, range(3000000) b WHERE a.range + b.range < 0"


class Remembered:
    """Connects, and knows the ids of the statements."""

    def __init__(self, server: RunningJobsServer) -> None:
        self.ids: list[str] = []
        self._server = server

    def __call__(self) -> WorkspaceClient:
        client = self._server.client()
        execute = client.statement_execution.execute_statement

        def remember(*arguments: Any, **named: Any) -> StatementResponse:
            answer = execute(*arguments, **named)
            self.ids.append(answer.statement_id or "")
            return answer

        client.statement_execution.execute_statement = remember  # type: ignore[method-assign]
        return client


def test_a_statement_that_does_not_end_is_canceled(server: RunningJobsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_warehouse, "_WAIT", "0s")
    monkeypatch.setattr(sql_warehouse, "_PATIENCE_SECONDS", 2.0)
    connect = Remembered(server)
    with pytest.raises(QueryFailed, match=r"^SQL warehouse local has not answered for 2 s; is it starting\?$"):
        SqlWarehouse(connect, "local", "m", "s", lambda _: time.sleep(0.05)).rows(SLOW)
    status = server.client().statement_execution.get_statement(connect.ids[0]).status
    assert status and status.state is StatementState.CANCELED


def test_a_statement_that_someone_cancels_has_failed(server: RunningJobsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_warehouse, "_WAIT", "0s")
    connect = Remembered(server)

    def cancel(_seconds: float) -> None:
        server.client().statement_execution.cancel_execution(connect.ids[0])

    with pytest.raises(QueryFailed, match=r"^SQL warehouse local: the statement is CANCELED: no reason given$"):
        SqlWarehouse(connect, "local", "m", "s", cancel).rows(SLOW)


def test_a_result_that_is_not_fetched_in_time_is_gone(
    start_jobs_server: StartJobsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_warehouse, "_WAIT", "0s")
    server = start_jobs_server(tmp_path, "--sql-result-seconds", "0")
    with pytest.raises(QueryFailed, match=r"^SQL warehouse local: the statement is CLOSED: no reason given$"):
        SqlWarehouse(server.client, "local", "m", "s", lambda _: time.sleep(0.1)).rows("SELECT 1 AS one")


def test_a_statement_that_is_closed_with_its_result_has_succeeded(
    server: RunningJobsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some warehouses do (databricks-jdbc, pull requests 1109 and 1400); the local server doesn't."""

    def connect() -> WorkspaceClient:
        client = server.client()
        execute = client.statement_execution.execute_statement

        def close(*arguments: Any, **named: Any) -> StatementResponse:
            answer = execute(*arguments, **named)
            assert answer.status
            answer.status.state = StatementState.CLOSED
            return answer

        client.statement_execution.execute_statement = close  # type: ignore[method-assign]
        return client

    assert SqlWarehouse(connect, "local", "m", "s").rows("SELECT 1 AS one") == [{"one": 1}]


def test_mistakes_are_one_line(server: RunningJobsServer, warehouse: SqlWarehouse) -> None:
    def failure(engine: SqlWarehouse, statement: str = "SELECT 1 AS one") -> str:
        with pytest.raises(QueryFailed) as failed:
            engine.rows(statement)
        assert "\n" not in str(failed.value)
        return str(failed.value)

    with pytest.raises(NoTable, match="`nowhere` cannot be found"):
        warehouse.rows("SELECT 1 AS one FROM nowhere")
    failed = "SQL warehouse local: the statement is FAILED: "
    assert failure(warehouse, "SELECT nope FROM orders_target").startswith(
        f"{failed}[UNRESOLVED_COLUMN.WITH_SUGGESTION] A "
    )
    assert failure(warehouse, "SELECT nope(1) AS x FROM orders_target").startswith(f"{failed}[UNRESOLVED_ROUTINE] ")
    assert failure(warehouse, "SELEC 1").startswith(f"{failed}[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'.")
    unknown = SqlWarehouse(server.client, "12ab", "m", "s")
    assert failure(unknown) == "SQL warehouse 12ab: 12ab is not a valid endpoint id."
    hidden = SqlWarehouse(server.client, "0123456789abcdef", "m", "s")
    assert failure(hidden).startswith(
        "SQL warehouse 0123456789abcdef: You do not have permission to use the SQL Warehouse."
    )
    stranger = SqlWarehouse(lambda: server.client("wrong"), "local", "m", "s")
    assert failure(stranger).startswith("SQL warehouse local: Invalid access token")
    closed_port = f"http://127.0.0.1:{free_port()}"

    def connect_nowhere() -> WorkspaceClient:
        return WorkspaceClient(config=Config(host=closed_port, token="local", auth_type="pat", retry_timeout_seconds=1))

    assert "Connection refused" in failure(SqlWarehouse(connect_nowhere, "local", "m", "s"))


def test_without_a_login_the_message_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(QueryFailed, match=r"^no login to Databricks: "):
        SqlWarehouse(WorkspaceClient, "local", "m", "s").rows("SELECT 1 AS one")


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
    """In a process of its own, which has no Java and never imports Spark."""
    bucket.blob("source/order_tracking_2026_03_01.csv").upload_from_string("x")
    environment = {
        "STORAGE_EMULATOR_HOST": storage_server.url,
        "DATABRICKS_HOST": server.url,
        "DATABRICKS_TOKEN": "local",
        "PATH": "",
        "HOME": str(tmp_path),
    }
    code = "import sys; sys.modules['pyspark'] = None; from spark_jobs.cli import run; run()"

    def status(*tables: str, warehouse_id: str = "") -> Any:
        command = [sys.executable, "-c", code, "status", "--bucket", bucket.name, "--json", *tables]
        given = environment | ({"DATABRICKS_WAREHOUSE_ID": warehouse_id} if warehouse_id else {})
        done = subprocess.run(command, cwd=ROOT, env=given, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    catalog = ("--catalog", "main", "--schema", "order_tracking")
    through_catalog = status(*catalog, "--sql-warehouse", "local")
    assert [file["outcome"] for file in through_catalog["files"]] == ["merged", "merged"]
    assert [one["name"] for one in through_catalog["waiting"]] == ["source/order_tracking_2026_03_01.csv"]
    assert through_catalog == status(*catalog, warehouse_id="local")
    assert through_catalog == status("--warehouse", str(folder))


def test_status_says_in_one_line_what_is_wrong_with_the_warehouse(
    server: RunningJobsServer, storage_server: ServerProcess, bucket: storage.Bucket, tmp_path: Path
) -> None:
    environment = {"STORAGE_EMULATOR_HOST": storage_server.url, "PATH": "", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "spark_jobs.cli", "status", "--bucket", bucket.name, "--catalog", "c", "--schema", "s"]

    def error(login: dict[str, str], *options: str) -> str:
        done = subprocess.run(
            [*command, *options], cwd=ROOT, env=environment | login, check=False, capture_output=True, text=True
        )
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        return done.stderr

    login = {"DATABRICKS_HOST": server.url, "DATABRICKS_TOKEN": "local"}
    assert "nosuch is not a valid endpoint id." in error(login, "--sql-warehouse", "nosuch")
    assert "no login to Databricks" in error({}, "--sql-warehouse", "local")
    assert "--sql-warehouse" in error(login)
