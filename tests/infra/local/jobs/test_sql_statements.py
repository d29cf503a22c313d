"""The statement execution API, with the real SDK and with plain requests.

The expected answers are those that were recorded from the real service in October 2026 (xo/dbimp), or that its SDK
documents.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from databricks.sdk.errors import BadRequest, DatabricksError, InvalidParameterValue, NotFound, PermissionDenied
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
)

from infra.local.services.process import ServerProcess
from tests.jobs_fixtures import ROOT, RunningJobsServer, StartJobsServer, developers_environment, until
from tests.released_tables import unpack_tables

pytestmark = pytest.mark.servers

SLOW = "SELECT count(*) AS n FROM range(3000000) a, range(3000000) b WHERE a.range + b.range < 0"
CHUNK_ROWS, RESULT_SECONDS = 4, 1.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of tables; the server knows one of them."""
    made = tmp_path_factory.mktemp("o'tables")
    for name in ("tables", "others"):
        unpack_tables(made / name)
    (made / "secret.txt").write_text("a secret")
    return made


@pytest.fixture(scope="module")
def server(
    folder: Path, jobs_server_args: Callable[[Path], list[str | Path]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningJobsServer]:
    args = [*jobs_server_args(tmp_path_factory.mktemp("jobs-data")), "--var", f"warehouse={folder / 'tables'}"]
    args += ["--sql-chunk-rows", str(CHUNK_ROWS), "--sql-result-seconds", str(RESULT_SECONDS)]
    with ServerProcess(args, cwd=ROOT, env=developers_environment()) as process:
        yield RunningJobsServer(process)


def execute(server: RunningJobsServer, statement: str, **fields: Any) -> StatementResponse:
    given = {"warehouse_id": "local", "wait_timeout": "30s"} | fields
    return server.client().statement_execution.execute_statement(statement, **given)


def failure(server: RunningJobsServer, statement: str, *parameters: StatementParameterListItem) -> tuple[str, str]:
    """The message of a failed statement, and its SQLSTATE."""
    answer = execute(server, statement, parameters=list(parameters) or None)
    assert answer.status and answer.status.state is StatementState.FAILED, answer
    assert answer.manifest is None and answer.result is None
    error = answer.status.error
    assert error and error.error_code and error.error_code.value == "BAD_REQUEST"
    return error.message or "", answer.status.sql_state or ""


def state_of(server: RunningJobsServer, statement_id: str | None) -> str:
    status = server.client().statement_execution.get_statement(statement_id or "").status
    assert status and status.state
    return status.state.value


def post(server: RunningJobsServer, **fields: Any) -> httpx.Response:
    headers = {"Authorization": "Bearer local"}
    return httpx.post(f"{server.url}/api/2.0/sql/statements", json=fields, headers=headers, timeout=60)


# --- results


def test_an_answer_has_the_form_of_the_real_service(server: RunningJobsServer) -> None:
    statement = "SELECT order_num, CAST(1.5 AS DECIMAL(10, 2)) AS amount FROM orders_target ORDER BY order_num LIMIT 1"
    answer = post(server, statement=statement, warehouse_id="local", catalog="main", schema="order_tracking").json()
    statement_id = answer.pop("statement_id")
    assert str(uuid.UUID(statement_id)) == statement_id
    assert answer == {
        "status": {"state": "SUCCEEDED"},
        "manifest": {
            "format": "JSON_ARRAY",
            "schema": {
                "column_count": 2,
                "columns": [
                    {"name": "order_num", "type_text": "STRING", "type_name": "STRING", "position": 0},
                    {
                        "name": "amount",
                        "type_text": "DECIMAL(10,2)",
                        "type_name": "DECIMAL",
                        "position": 1,
                        "type_precision": 10,
                        "type_scale": 2,
                    },
                ],
            },
            "total_chunk_count": 1,
            "chunks": [{"chunk_index": 0, "row_offset": 0, "row_count": 1}],
            "total_row_count": 1,
            "truncated": False,
        },
        "result": {"chunk_index": 0, "row_offset": 0, "row_count": 1, "data_array": [["A1", "1.50"]]},
    }


def test_a_result_without_rows_has_columns_and_no_chunks(server: RunningJobsServer) -> None:
    answer = post(server, statement="SELECT order_num FROM orders_target WHERE false", warehouse_id="local").json()
    assert answer["result"] == {}
    assert answer["manifest"]["schema"]["columns"][0]["name"] == "order_num"
    assert "chunks" not in answer["manifest"]
    assert (answer["manifest"]["total_chunk_count"], answer["manifest"]["total_row_count"]) == (0, 0)


@pytest.mark.parametrize(
    ("expression", "type_name", "type_text", "text"),
    [
        ("'it''s'", "STRING", "STRING", "it's"),
        ("''", "STRING", "STRING", ""),
        ("CAST(NULL AS VARCHAR)", "STRING", "STRING", None),
        ("to_json([1, 2])", "STRING", "STRING", "[1,2]"),
        ("CAST(-128 AS TINYINT)", "BYTE", "TINYINT", "-128"),
        ("CAST(32767 AS SMALLINT)", "SHORT", "SMALLINT", "32767"),
        ("2147483647", "INT", "INT", "2147483647"),
        ("-9223372036854775808", "LONG", "BIGINT", "-9223372036854775808"),
        ("sum(range)", "LONG", "BIGINT", "1"),
        ("CAST('0.00000' AS DECIMAL(38, 5))", "DECIMAL", "DECIMAL(38,5)", "0.00000"),
        ("CAST('1E-30' AS DECIMAL(38, 30))", "DECIMAL", "DECIMAL(38,30)", "0.000000000000000000000000000001"),
        ("true", "BOOLEAN", "BOOLEAN", "true"),
        ("1 > 2", "BOOLEAN", "BOOLEAN", "false"),
        ("DATE '0001-01-01'", "DATE", "DATE", "0001-01-01"),
        ("DATE '9999-12-31'", "DATE", "DATE", "9999-12-31"),
        # Cut, not rounded.
        ("TIMESTAMPTZ '2024-01-02 03:04:05.999999+05:30'", "TIMESTAMP", "TIMESTAMP", "2024-01-01T21:34:05.999Z"),
        ("TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMP", "TIMESTAMP", "0001-01-01T00:00:00.000Z"),
        ("CAST(0.1 AS DOUBLE)", "DOUBLE", "DOUBLE", "0.1"),
        ("CAST(-0.0 AS DOUBLE)", "DOUBLE", "DOUBLE", "0.0"),
        ("CAST(16777216 AS DOUBLE)", "DOUBLE", "DOUBLE", "1.6777216E7"),
        ("CAST(1e-5 AS DOUBLE)", "DOUBLE", "DOUBLE", "1.0E-5"),
        ("CAST('-inf' AS DOUBLE)", "DOUBLE", "DOUBLE", "-Infinity"),
        ("CAST('nan' AS DOUBLE)", "DOUBLE", "DOUBLE", "NaN"),
        ("CAST('\\xDE\\xAD\\xBE\\xEF' AS BLOB)", "BINARY", "BINARY", "3q2+7w=="),
    ],
)
def test_every_value_is_text(
    server: RunningJobsServer, expression: str, type_name: str, type_text: str, text: str | None
) -> None:
    answer = post(server, statement=f"SELECT {expression} AS x FROM range(2)", warehouse_id="local").json()
    column = answer["manifest"]["schema"]["columns"][0]
    assert (column["type_name"], column["type_text"], answer["result"]["data_array"][0]) == (type_name, type_text, [text])


def test_a_timestamp_without_a_zone_has_no_z(server: RunningJobsServer) -> None:
    answer = post(server, statement="SELECT TIMESTAMP '2024-01-02 03:04:05.123456' AS x", warehouse_id="local").json()
    assert answer["manifest"]["schema"]["columns"][0]["type_text"] == "TIMESTAMP_NTZ"
    assert answer["result"]["data_array"] == [["2024-01-02T03:04:05.123"]]


def test_a_type_that_is_not_supported_is_said(server: RunningJobsServer) -> None:
    message, _ = failure(server, "SELECT [1, 2] AS some")
    assert message == "[UNSUPPORTED_DATATYPE] This server has no columns of type INTEGER[]: some. SQLSTATE: 0A000"


def test_the_latest_version_of_a_table_can_be_asked_for(server: RunningJobsServer, folder: Path) -> None:
    commits = sorted((folder / "tables" / "orders_ingest_log" / "_delta_log").glob("*.json"))
    written = datetime.fromtimestamp(commits[-1].stat().st_mtime, UTC)
    expected = [[str(int(commits[-1].stem)), written.isoformat(timespec="milliseconds").replace("+00:00", "Z")]]
    for name in ("orders_ingest_log", "`orders_ingest_log`"):
        answer = execute(server, f"DESCRIBE HISTORY {name} LIMIT 1")
        assert answer.manifest and answer.manifest.schema and answer.result
        columns = answer.manifest.schema.columns or []
        kinds = [(column.name, column.type_name and column.type_name.value) for column in columns]
        assert kinds == [("version", "LONG"), ("timestamp", "TIMESTAMP")]
        assert answer.result.data_array == expected
    message, state = failure(server, "DESCRIBE HISTORY nowhere LIMIT 1")
    assert message.startswith("[TABLE_OR_VIEW_NOT_FOUND] ")
    assert state == "42P01"
    assert failure(server, "DESCRIBE HISTORY `../others/orders_target` LIMIT 1")[0].startswith("[PARSE_SYNTAX_ERROR] ")


def test_changes_since_a_time_after_the_last_commit_are_an_error_as_in_delta(server: RunningJobsServer) -> None:
    changes = "SELECT COUNT(*) AS n FROM table_changes('orders_target', :since)"
    since = [StatementParameterListItem("since", "TIMESTAMP", "2026-01-01T00:00:00+00:00")]
    answer = execute(server, changes, parameters=since)
    assert answer.result and answer.result.data_array == [["2"]]  # one update, before and after
    message, state = failure(server, changes, StatementParameterListItem("since", "TIMESTAMP", "2999-01-01T00:00:00Z"))
    assert message.startswith("[DELTA_TIMESTAMP_GREATER_THAN_COMMIT] orders_target has not changed since 2999-01-01")
    assert state == "42816"


def test_chunks_are_fetched_in_any_order_and_by_link(server: RunningJobsServer) -> None:
    answer = execute(server, f"SELECT range AS n FROM range({2 * CHUNK_ROWS + 1})")
    assert answer.manifest and answer.result
    assert (answer.manifest.total_chunk_count, answer.manifest.total_row_count) == (3, 9)
    assert [(c.chunk_index, c.row_offset, c.row_count) for c in answer.manifest.chunks or []] == [
        (0, 0, 4),
        (1, 4, 4),
        (2, 8, 1),
    ]
    assert answer.result.next_chunk_index == 1
    link = answer.result.next_chunk_internal_link
    assert link == f"/api/2.0/sql/statements/{answer.statement_id}/result/chunks/1?row_offset=4"
    by_link = httpx.get(server.url + link, headers={"Authorization": "Bearer local"}).json()
    assert by_link["data_array"] == [["4"], ["5"], ["6"], ["7"]]
    api = server.client().statement_execution
    last = api.get_statement_result_chunk_n(answer.statement_id or "", 2)
    assert (last.data_array, last.next_chunk_index, last.next_chunk_internal_link) == ([["8"]], None, None)
    first = api.get_statement_result_chunk_n(answer.statement_id or "", 0)
    assert first.data_array == answer.result.data_array
    with pytest.raises(InvalidParameterValue, match=r"^The chunk_index 3 is out of bounds\.$"):
        api.get_statement_result_chunk_n(answer.statement_id or "", 3)


@pytest.mark.parametrize(("limit", "rows", "truncated"), [(0, 0, True), (3, 3, True), (5, 5, False), (6, 5, False)])
def test_a_row_limit_truncates(server: RunningJobsServer, limit: int, rows: int, truncated: bool) -> None:
    manifest = execute(server, "SELECT range AS n FROM range(5)", row_limit=limit).manifest
    assert manifest and (manifest.total_row_count, manifest.truncated) == (rows, truncated)


def test_a_result_above_25_mib_is_refused_before_it_is_complete(server: RunningJobsServer) -> None:
    message, _ = failure(server, "SELECT repeat('x', 20000) AS x FROM range(100000000000)")
    assert message.startswith("Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result ")
    assert "at most 26214400 bytes" in message


# --- parameters


@pytest.mark.parametrize(
    ("kind", "given", "type_text", "text"),
    [
        (None, "a'b; --", "STRING", "a'b; --"),
        ("STRING", ":other", "STRING", ":other"),
        ("BIGINT", "12", "BIGINT", "12"),
        ("INT", "-12", "INT", "-12"),
        ("DECIMAL(38,2)", "1.20", "DECIMAL(38,2)", "1.20"),
        ("DECIMAL", "12", "DECIMAL(10,0)", "12"),
        ("BOOLEAN", "false", "BOOLEAN", "false"),
        ("DATE", "2026-01-31", "DATE", "2026-01-31"),
        ("TIMESTAMP", "2026-01-31T10:00:00.123456+02:00", "TIMESTAMP", "2026-01-31T08:00:00.123Z"),
        ("TIMESTAMP", "2026-01-31 10:00:00", "TIMESTAMP", "2026-01-31T10:00:00.000Z"),
        ("DOUBLE", "1e3", "DOUBLE", "1000.0"),
    ],
)
def test_a_parameter_has_its_type(
    server: RunningJobsServer, kind: str | None, given: str, type_text: str, text: str
) -> None:
    parameters = [StatementParameterListItem("x", kind, given), StatementParameterListItem("unused", "INT", "1")]
    answer = execute(server, "SELECT :x AS x, :x AS y", parameters=parameters)
    assert answer.manifest and answer.manifest.schema and answer.manifest.schema.columns and answer.result
    assert answer.manifest.schema.columns[0].type_text == type_text
    assert answer.result.data_array == [[text, text]]


def test_a_parameter_without_value_is_null(server: RunningJobsServer) -> None:
    answer = execute(server, "SELECT :x IS NULL AS x", parameters=[StatementParameterListItem("x", "BIGINT")])
    assert answer.result and answer.result.data_array == [["true"]]


def test_mistakes_in_parameters_fail_the_statement(server: RunningJobsServer) -> None:
    item = StatementParameterListItem
    message, state = failure(server, "SELECT :x AS x")
    assert message.startswith("[UNBOUND_SQL_PARAMETER] Found the unbound parameter: x.") and state == "42P02"
    message, state = failure(server, "SELECT :x AS x", item("x", "INT", "many"))
    assert message.startswith("[INVALID_VALUE_FOR_DATA_TYPE] ") and "'many'" in message and state == "22023"
    message, _ = failure(server, "SELECT :x AS x", item("x", "ARRAY<INT>", "1"))
    assert message.startswith("[INVALID_PARAMETER_MARKER_VALUE.INVALID_DATA_TYPE] ")
    message, _ = failure(server, "SELECT :x AS x", item("x", "INT", "1"), item("x", "INT", "2"))
    assert message.startswith("[INVALID_PARAMETER_MARKER_VALUE.DUPLICATE_NAME] ")


# --- failed statements


@pytest.mark.parametrize(
    ("statement", "message", "state"),
    [
        (
            "SELECT 1 AS one FROM nowhere",
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `nowhere` cannot be found. V",
            "42P01",
        ),
        ("SELEC 1", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. SQLSTATE: 42601", "42601"),
        ("SELECT 1 AS one FROM", "[PARSE_SYNTAX_ERROR] Syntax error at or near end of input. SQLSTATE: 42601", "42601"),
        ("SELECT 1; SELECT 2", "[PARSE_SYNTAX_ERROR] ", "42601"),
        ("-- only a comment", "[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement. SQLSTATE: 42617", "42617"),
        ("  ", "[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement. SQLSTATE: 42617", "42617"),
        (
            "SELECT order_no FROM orders_target",
            "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name `order_no` cannot be "
            "resolved. Did you mean one of the following? [`order_num`",
            "42703",
        ),
        (
            "SELECT nope",
            "[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name `nope` cannot be "
            "resolved. SQLSTATE: 42703",
            "42703",
        ),
        ("SELECT nope(1) AS x", "[UNRESOLVED_ROUTINE] Cannot resolve routine `nope` on search path", "42883"),
        ("SELECT CAST('a' AS INT) AS x", "[CAST_INVALID_INPUT] ", "22018"),
        ("SELECT 9223372036854775807 + 1 AS x", "[ARITHMETIC_OVERFLOW] ", "22003"),
    ],
)
def test_a_failed_statement_says_why_as_the_real_service(
    server: RunningJobsServer, statement: str, message: str, state: str
) -> None:
    said, sql_state = failure(server, statement)
    assert said.startswith(message)
    assert f"SQLSTATE: {state}" in said
    assert sql_state == state


def test_a_failed_statement_stays_failed_and_has_no_result(server: RunningJobsServer) -> None:
    answer = execute(server, "SELECT 1 AS one FROM nowhere", wait_timeout="0s")
    until(lambda: state_of(server, answer.statement_id) == "FAILED", "the statement has failed")
    assert state_of(server, answer.statement_id) == "FAILED"
    with pytest.raises(NotFound, match="state should be SUCCEEDED before you can start fetching the result"):
        server.client().statement_execution.get_statement_result_chunk_n(answer.statement_id or "", 0)


# --- it only reads

REFUSED = [
    "INSERT INTO orders_target SELECT * FROM orders_target",
    "UPDATE orders_target SET status = 'x'",
    "DELETE FROM orders_target",
    "MERGE INTO orders_target t USING orders_target s ON t.order_num = s.order_num WHEN MATCHED THEN DELETE",
    "DROP VIEW orders_target",
    "CREATE TABLE x AS SELECT 1 AS one",
    "CREATE OR REPLACE VIEW orders_target AS SELECT 1 AS one",
    "COPY (SELECT 1) TO '{folder}/tables/pwned.csv'",
    "COPY orders_target FROM '{folder}/secret.txt'",
    "EXPORT DATABASE '{folder}/tables/pwned'",
    "ATTACH '{folder}/tables/pwned.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET VARIABLE x = 1",
    "PRAGMA enable_profiling",
    "PRAGMA version",
    "CALL enable_logging()",
    "CHECKPOINT",
    "EXPLAIN SELECT 1",
    "PREPARE x AS SELECT 1",
    # These are SELECT statements.
    "SELECT * FROM read_text('{folder}/secret.txt')",
    "SELECT * FROM read_text('{folder}/tables/../secret.txt')",
    "SELECT * FROM read_text('{folder}/tables/orders_target/_delta_log/*.json')",
    "SELECT * FROM '{folder}/secret.txt'",
    "SELECT * FROM read_csv('{folder}/secret.txt')",
    "SELECT * FROM READ_BLOB('{folder}/secret.txt')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT (SELECT max(file) FROM glob('{folder}/tables/*')) AS x",
    "WITH x AS (SELECT * FROM glob('{folder}/tables/*')) SELECT * FROM x",
    "SELECT * FROM orders_target WHERE EXISTS (FROM glob('{folder}/tables/*'))",
    # The Delta extension has a file system of its own, which allowed_directories does not bind.
    "DESCRIBE SELECT * FROM delta_scan('{folder}/others/orders_target')",
    "SELECT count(*) AS n FROM delta_scan('s3://bucket/orders_target')",
    "SELECT * FROM system.main.delta_scan('{folder}/others/orders_target')",
    "SELECT * FROM parquet_scan('http://127.0.0.1:1/x')",
    # These would change the settings for the statements that follow.
    "SELECT * FROM enable_logging(storage := 'file', storage_path := '{folder}/tables/pwned')",
    "SELECT * FROM enable_profiling(save_location := '{folder}/tables/pwned.json')",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM query('SELECT * FROM read_text(''{folder}/secret.txt'')')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pandas_scan(1, 1, 1)",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_a_statement_can_only_read_the_tables(server: RunningJobsServer, folder: Path, statement: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
    path = str(folder).replace("'", "''")
    message, _ = failure(server, statement.format(folder=path))
    assert "a secret" not in message
    assert {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))} == before


def test_the_server_reads_its_tables_after_all_of_these(server: RunningJobsServer, folder: Path) -> None:
    for statement in REFUSED:
        failure(server, statement.format(folder=str(folder).replace("'", "''")))
    answer = execute(server, "SELECT DISTINCT order_num FROM orders_target")
    assert answer.result and answer.result.data_array == [["A1"]]


def test_a_refusal_is_a_missing_right(server: RunningJobsServer) -> None:
    message, state = failure(server, "DELETE FROM orders_target")
    assert message.startswith("[INSUFFICIENT_PERMISSIONS] Insufficient privileges: ") and state == "42501"
    message, state = failure(server, "SELECT * FROM read_text('/etc/hostname')")
    assert "read_text" in message and state == "42501"


# --- states


def test_a_statement_is_pending_then_running_then_canceled(server: RunningJobsServer) -> None:
    api = server.client().statement_execution
    answer = execute(server, SLOW, wait_timeout="0s")
    assert answer.status and answer.status.state is StatementState.PENDING
    assert answer.manifest is None and answer.result is None
    try:
        until(lambda: state_of(server, answer.statement_id) == "RUNNING", "the statement runs")
        waiting = execute(server, "SELECT 1 AS one", wait_timeout="0s")
        assert state_of(server, waiting.statement_id) == "PENDING"
        with pytest.raises(NotFound, match="state should be SUCCEEDED"):
            api.get_statement_result_chunk_n(answer.statement_id or "", 0)
        canceled = execute(server, "SELECT 1 AS one", wait_timeout="0s")
        api.cancel_execution(canceled.statement_id or "")
        assert state_of(server, canceled.statement_id) == "CANCELED"
    finally:
        api.cancel_execution(answer.statement_id or "")
    status = api.get_statement(answer.statement_id or "").status
    assert status and status.state is StatementState.CANCELED and status.error is None
    # The engine is free at once: what waited runs now.
    until(lambda: state_of(server, waiting.statement_id) == "SUCCEEDED", "the waiting statement succeeds", 5)
    assert state_of(server, canceled.statement_id) == "CANCELED"


def test_a_wait_that_ends_continues_or_cancels(server: RunningJobsServer) -> None:
    def waited(action: ExecuteStatementRequestOnWaitTimeout | None) -> tuple[StatementResponse, float]:
        started = time.monotonic()
        answer = execute(server, SLOW, wait_timeout="5s", on_wait_timeout=action)
        return answer, time.monotonic() - started

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(waited, (None, ExecuteStatementRequestOnWaitTimeout.CANCEL)))
    states = [answer.status.state.value for answer, _ in both if answer.status and answer.status.state]
    assert states[0] in {"RUNNING", "PENDING"}  # one of the two runs, the other one waits
    assert states[1] == "CANCELED"
    assert all(4.5 < seconds < 8 for _, seconds in both)
    server.client().statement_execution.cancel_execution(both[0][0].statement_id or "")


def test_canceling_a_finished_or_an_unknown_statement_changes_nothing(server: RunningJobsServer) -> None:
    api = server.client().statement_execution
    answer = execute(server, "SELECT 1 AS one")
    api.cancel_execution(answer.statement_id or "")
    assert state_of(server, answer.statement_id) == "SUCCEEDED"
    api.cancel_execution(str(uuid.uuid4()))


def test_a_result_is_given_for_a_limited_time(server: RunningJobsServer) -> None:
    answer = execute(server, f"SELECT range AS n FROM range({CHUNK_ROWS + 1})")
    assert state_of(server, answer.statement_id) == "SUCCEEDED"
    time.sleep(RESULT_SECONDS + 0.1)
    api = server.client().statement_execution
    closed = api.get_statement(answer.statement_id or "")
    assert closed.status and closed.status.state is StatementState.CLOSED
    assert closed.manifest is None and closed.result is None
    with pytest.raises(NotFound, match="state should be SUCCEEDED"):
        api.get_statement_result_chunk_n(answer.statement_id or "", 1)


def test_an_unknown_statement_is_a_404_and_a_malformed_id_a_400(server: RunningJobsServer) -> None:
    api = server.client().statement_execution
    for call in (api.get_statement, lambda name: api.get_statement_result_chunk_n(name, 0)):
        with pytest.raises(NotFound):
            call(str(uuid.uuid4()))
        with pytest.raises(InvalidParameterValue, match=r"^Error while parsing type: statement_id\.$"):
            call("nosuch")


def test_the_server_stops_at_once_during_a_statement(
    start_jobs_server: StartJobsServer, tmp_path: Path, folder: Path
) -> None:
    server = start_jobs_server(tmp_path, "--var", f"warehouse={folder / 'tables'}")
    answer = execute(server, SLOW, wait_timeout="0s")
    until(lambda: state_of(server, answer.statement_id) == "RUNNING", "the statement runs")
    assert server.process.stop() == 0  # it would be killed after 5 seconds


# --- requests that are refused


def test_an_unknown_warehouse_is_refused(server: RunningJobsServer) -> None:
    with pytest.raises(InvalidParameterValue, match=r"^nosuch is not a valid endpoint id\.$"):
        execute(server, "SELECT 1 AS one", warehouse_id="nosuch")
    with pytest.raises(PermissionDenied, match=r"^You do not have permission to use the SQL Warehouse\. Please contact"):
        execute(server, "SELECT 1 AS one", warehouse_id="0123456789abcdef")
    for fields in ({"statement": "SELECT 1"}, {"warehouse_id": "local"}, {}):
        answer = post(server, **fields)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("wait", ["3s", "51s", "4.9s", "100s"])
def test_a_wait_is_none_or_5_to_50_seconds(server: RunningJobsServer, wait: str) -> None:
    expected = "The wait_timeout field must be 0 seconds (disables wait), or between 5 seconds and 50 seconds."
    with pytest.raises(InvalidParameterValue) as refused:
        execute(server, "SELECT 1 AS one", wait_timeout=wait)
    assert str(refused.value) == expected


def test_other_invalid_fields_are_refused(server: RunningJobsServer) -> None:
    with pytest.raises(InvalidParameterValue, match=r"^Error while parsing type: duration\.$"):
        execute(server, "SELECT 1 AS one", wait_timeout="soon")
    with pytest.raises(InvalidParameterValue, match="must be JSON_ARRAY when the disposition field is INLINE"):
        execute(server, "SELECT 1 AS one", format=Format.CSV)
    with pytest.raises(InvalidParameterValue, match="row_limit"):
        execute(server, "SELECT 1 AS one", row_limit=-1)
    with pytest.raises(BadRequest, match="disposition=EXTERNAL_LINKS is not supported by this local server"):
        execute(server, "SELECT 1 AS one", disposition=Disposition.EXTERNAL_LINKS)
    with pytest.raises(BadRequest, match="byte_limit is not supported by this local server"):
        execute(server, "SELECT 1 AS one", byte_limit=1000)
    for parameters in ("x", ["x"], [{"value": "1"}], [{"name": "x", "value": {}}]):
        assert post(server, statement="SELECT 1", warehouse_id="local", parameters=parameters).status_code == 400
    answer = httpx.post(f"{server.url}/api/2.0/sql/statements", content="{", headers={"Authorization": "Bearer local"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_nothing_is_told_without_a_login(server: RunningJobsServer) -> None:
    statement_id = execute(server, "SELECT 1 AS one").statement_id or ""
    api = server.client("wrong").statement_execution
    for call in (
        lambda: api.execute_statement("SELECT 1", "local"),
        lambda: api.get_statement(statement_id),
        lambda: api.get_statement_result_chunk_n(statement_id, 0),
        lambda: api.cancel_execution(statement_id),
    ):
        with pytest.raises(DatabricksError, match="Invalid access token"):
            call()
