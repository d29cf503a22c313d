"""The statement execution API with one SQL warehouse, `local`: DuckDB over the folder of the job's Delta tables.

Statements only read. The latest 100 results are kept in memory, and given in chunks, as text, as the real service does.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.jobs.answers import ApiError, invalid, malformed
from infra.local.jobs.login import Login
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.engine import NoTable, Scalar
from spark_jobs.settings import SettingsError

WAREHOUSE_ID = "local"
KEPT = 100
CHUNK_ROWS = 5_000
_WAIT = re.compile(r"0s|([1-9]\d?)s")
_TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "LONG",
    "HUGEINT": "DECIMAL",
    "INTEGER": "INT",
    "SMALLINT": "SHORT",
    "TINYINT": "BYTE",
    "BOOLEAN": "BOOLEAN",
    "DOUBLE": "DOUBLE",
    "FLOAT": "FLOAT",
    "DATE": "DATE",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    '"NULL"': "NULL",
}
_SQL_NAMES = {"LONG": "BIGINT", "SHORT": "SMALLINT", "BYTE": "TINYINT", "NULL": "VOID"}
Fields = dict[str, Any]
Result = tuple[dict[str, str], list[tuple[Any, ...]]]


class SqlStatements:
    """``folder`` has one Delta table per subfolder."""

    def __init__(self, folder: Path, login: Login) -> None:
        self._tables, self._login = DeltaFolder(str(folder)), login
        # One thread, because a connection of DuckDB runs one statement at a time.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql")
        self._statements: OrderedDict[str, Future[Result]] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        root = "/api/2.0/sql/statements"
        return [
            Route(root, self._execute, methods=["POST"]),
            Route(f"{root}/{{id}}", self._get, methods=["GET"]),
            Route(f"{root}/{{id}}/cancel", self._cancel, methods=["POST"]),
            Route(f"{root}/{{id}}/result/chunks/{{chunk:int}}", self._chunk, methods=["GET"]),
        ]

    async def _execute(self, request: Request) -> Response:
        self._login.require(request)
        try:
            fields = json.loads(await request.body())
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise malformed("not a JSON object")
        statement, wait = fields.get("statement"), str(fields.get("wait_timeout") or "10s")
        if not isinstance(statement, str) or not statement.strip():
            raise invalid("statement must not be empty.")
        if fields.get("warehouse_id") != WAREHOUSE_ID:
            raise invalid(f"{fields.get('warehouse_id')} is not a valid endpoint id.")
        matched = _WAIT.fullmatch(wait)
        seconds = int(matched[1] or 0) if matched else -1
        if seconds != 0 and not 5 <= seconds <= 50:
            raise invalid("wait_timeout must be 0s (disabled), or between 5 and 50 seconds (inclusive).")
        parameters: Any = dict(map(_parameter, fields.get("parameters") or []))
        statement_id = str(uuid.uuid4())
        running = self._statements[statement_id] = self._thread.submit(self._tables.table, statement, parameters)
        while len(self._statements) > KEPT:
            self._statements.popitem(last=False)
        if seconds:
            await asyncio.wait([asyncio.wrap_future(running)], timeout=seconds)
            if not running.done() and fields.get("on_wait_timeout") == "CANCEL":
                running.cancel()
        return JSONResponse(self._answer(statement_id, running))

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self._answer(request.path_params["id"], self._statement(request)))

    async def _cancel(self, request: Request) -> Response:
        self._statement(request).cancel()
        return JSONResponse({})

    async def _chunk(self, request: Request) -> Response:
        statement, chunk = self._statement(request), request.path_params["chunk"]
        if not statement.done() or statement.cancelled() or statement.exception():
            raise invalid(f"The statement {request.path_params['id']} has no result.")
        columns, rows = statement.result()
        if chunk >= _chunks(rows):
            raise invalid(f"The chunk index {chunk} is out of range: there are {_chunks(rows)} chunks.")
        return JSONResponse(_chunk(request.path_params["id"], columns, rows, chunk))

    def _statement(self, request: Request) -> Future[Result]:
        self._login.require(request)
        statement = self._statements.get(request.path_params["id"])
        if statement is None:
            raise ApiError(404, "NOT_FOUND", f"The statement {request.path_params['id']} was not found.")
        return statement

    def _answer(self, statement_id: str, statement: Future[Result]) -> Fields:
        if not statement.done():
            return {"statement_id": statement_id, "status": {"state": "RUNNING" if statement.running() else "PENDING"}}
        if statement.cancelled():
            return {"statement_id": statement_id, "status": {"state": "CANCELED"}}
        if error := statement.exception():
            told = {"error_code": "BAD_REQUEST", "message": _message(error)}
            return {"statement_id": statement_id, "status": {"state": "FAILED", "error": told}}
        columns, rows = statement.result()
        chunks = [
            {"chunk_index": number, "row_offset": number * CHUNK_ROWS, "row_count": len(_of_chunk(rows, number))}
            for number in range(_chunks(rows))
        ]
        manifest = {
            "format": "JSON_ARRAY",
            "schema": {"column_count": len(columns), "columns": list(map(_column, columns.items(), range(len(columns))))},
            "total_chunk_count": len(chunks),
            "total_row_count": len(rows),
            "chunks": chunks,
            "truncated": False,
        }
        answer = {"statement_id": statement_id, "status": {"state": "SUCCEEDED"}, "manifest": manifest}
        return answer | {"result": _chunk(statement_id, columns, rows, 0)}


def _parameter(given: Any) -> tuple[str, Scalar | None]:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise malformed("a parameter needs a name")
    name, text, kind = given["name"], given.get("value"), str(given.get("type") or "STRING").upper()
    if text is None:
        return name, None
    try:
        match kind.partition("(")[0]:
            case "STRING":
                return name, str(text)
            case "BIGINT" | "LONG" | "INT":
                return name, int(text)
            case "DECIMAL":
                return name, Decimal(text)
            case "DATE":
                return name, date.fromisoformat(text)
            case "TIMESTAMP":
                time = datetime.fromisoformat(text)
                return name, time if time.tzinfo else time.replace(tzinfo=UTC)
            case "BOOLEAN":
                return name, {"true": True, "false": False}[str(text).lower()]
    except (ValueError, ArithmeticError, KeyError):
        pass
    raise invalid(f"The value of parameter {name!r} is no {kind}.")


def _message(error: BaseException) -> str:
    """With the real service's condition, which clients look for."""
    import duckdb

    first = str(error).splitlines()[0]
    match error:
        case NoTable():
            return f"[TABLE_OR_VIEW_NOT_FOUND] The table or view cannot be found. {first} SQLSTATE: 42P01"
        case duckdb.ParserException():
            return f"[PARSE_SYNTAX_ERROR] {first} SQLSTATE: 42601"
        case duckdb.BinderException():
            return f"[UNRESOLVED_COLUMN] {first} SQLSTATE: 42703"
        case duckdb.PermissionException():
            return f"[INSUFFICIENT_PERMISSIONS] {first} SQLSTATE: 42501"
        case ValueError():
            return f"[INSUFFICIENT_PERMISSIONS] {first} SQLSTATE: 42501"
        case duckdb.Error() | SettingsError():
            return first
    raise error


def _column(column: tuple[str, str], position: int) -> Fields:
    name, kind = column
    type_name = "DECIMAL" if kind.startswith("DECIMAL") else _TYPES.get(kind, "STRING")
    return {"name": name, "position": position, "type_name": type_name, "type_text": _SQL_NAMES.get(type_name, type_name)}


def _chunks(rows: list[tuple[Any, ...]]) -> int:
    return max(1, -(-len(rows) // CHUNK_ROWS))


def _of_chunk(rows: list[tuple[Any, ...]], chunk: int) -> list[tuple[Any, ...]]:
    return rows[chunk * CHUNK_ROWS : (chunk + 1) * CHUNK_ROWS]


def _chunk(statement_id: str, columns: dict[str, str], rows: list[tuple[Any, ...]], chunk: int) -> Fields:
    found = _of_chunk(rows, chunk)
    answer: Fields = {"chunk_index": chunk, "row_offset": chunk * CHUNK_ROWS, "row_count": len(found)}
    if found:  # as on the platform: no array if there is no row
        answer["data_array"] = [[_text(value) for value in row] for row in found]
    if chunk + 1 < _chunks(rows):
        link = f"/api/2.0/sql/statements/{statement_id}/result/chunks/{chunk + 1}?row_offset={(chunk + 1) * CHUNK_ROWS}"
        answer |= {"next_chunk_index": chunk + 1, "next_chunk_internal_link": link}
    return answer


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Decimal():
            return f"{value:f}"
    return str(value)
