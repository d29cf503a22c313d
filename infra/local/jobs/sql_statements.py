"""The statement execution API with one SQL warehouse, `local`: DuckDB over the folder of the job's Delta tables.

Any catalog and schema mean that folder. Statements only read. States, types, texts and errors are those of the real
service, as its SDK documents them and https://github.com/xo/dbimp recorded them in October 2026. The results of the latest
100 statements are kept in memory.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.jobs.answers import ApiError, invalid, malformed
from infra.local.jobs.login import Login
from spark_jobs.queries.delta_folder import MARKER, Columns, DeltaFolder, NotAllowed
from spark_jobs.queries.delta_log import AWARE
from spark_jobs.queries.engine import NoChanges, NoTable
from spark_jobs.settings import SettingsError

WAREHOUSE_ID = "local"
CHUNK_ROWS = 5_000
RESULT_SECONDS = 3600.0
KEPT_STATEMENTS = 100
MAX_BYTES = 25 * 1024**2
MAX_ROWS = 2**31 - 1
# By DuckDB's type: type_name and type_text. Sums of integers are HUGEINT.
_COLUMN_TYPES = {
    "VARCHAR": ("STRING", "STRING"),
    "JSON": ("STRING", "STRING"),
    "TINYINT": ("BYTE", "TINYINT"),
    "SMALLINT": ("SHORT", "SMALLINT"),
    "INTEGER": ("INT", "INT"),
    "BIGINT": ("LONG", "BIGINT"),
    "HUGEINT": ("LONG", "BIGINT"),
    "BOOLEAN": ("BOOLEAN", "BOOLEAN"),
    "DOUBLE": ("DOUBLE", "DOUBLE"),
    "DATE": ("DATE", "DATE"),
    AWARE: ("TIMESTAMP", "TIMESTAMP"),
    "TIMESTAMP": ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ"),
    "BLOB": ("BINARY", "BINARY"),
}
# By the type of a parameter: DuckDB's.
_PARAMETER_TYPES = {
    "STRING": "VARCHAR",
    "TINYINT": "TINYINT",
    "SMALLINT": "SMALLINT",
    "INT": "INTEGER",
    "BIGINT": "BIGINT",
    "DECIMAL": "DECIMAL(10,0)",
    "BOOLEAN": "BOOLEAN",
    "DOUBLE": "DOUBLE",
    "DATE": "DATE",
    "TIMESTAMP": AWARE,
    "TIMESTAMP_NTZ": "TIMESTAMP",
}
_DECIMAL = re.compile(r"DECIMAL\((\d{1,2}),\s*(\d{1,2})\)")
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")
_WAREHOUSE = re.compile(r"[0-9a-f]{16}")
_NO_COLUMN = re.compile(r'Referenced column "(.+?)" (?:not|was not) found.*(?:\n(.*))?')
_HISTORY = re.compile(r"\s*DESCRIBE HISTORY (\w+|`\w+`) LIMIT 1\s*", re.IGNORECASE)
_UNRESOLVED = "A column, variable, or function parameter with name"
_VERIFY = (
    "Verify the spelling and correctness of the schema and catalog.\n"
    "If you did not qualify the name with a schema, verify the current_schema() output, or qualify the name with the "
    "correct schema and catalog.\n"
    "To tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS."
)
Fields = dict[str, Any]
Texts = list[str | None]


class StatementFailed(Exception):
    """``sql_state`` is empty if the service gives none."""

    def __init__(self, message: str, sql_state: str = "") -> None:
        super().__init__(message)
        self.sql_state = sql_state


@dataclass(frozen=True)
class Result:
    columns: list[Fields]
    rows: list[Texts]
    truncated: bool
    ended: float
    """On the monotonic clock."""


@dataclass(eq=False)
class Statement:
    text: str
    parameters: list[Fields]
    row_limit: int
    statement_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    canceled: bool = False
    outcome: Future[Result] = field(default_factory=Future)


class SqlStatements:
    """``folder`` has one Delta table per subfolder. A result can be fetched for ``result_seconds``."""

    def __init__(
        self, folder: Path, login: Login, chunk_rows: int = CHUNK_ROWS, result_seconds: float = RESULT_SECONDS
    ) -> None:
        self._tables, self._login = DeltaFolder(str(folder)), login
        self._chunk_rows, self._result_seconds = chunk_rows, result_seconds
        # One thread, because a connection of DuckDB runs one statement at a time.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql")
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._running: Statement | None = None
        self._lock = threading.Lock()
        """Held to change what runs, so that an interrupt never hits the next statement."""

    def routes(self) -> list[BaseRoute]:
        root = "/api/2.0/sql/statements"
        return [
            Route(root, self._execute, methods=["POST"]),
            Route(f"{root}/{{id}}", self._get, methods=["GET"]),
            Route(f"{root}/{{id}}/cancel", self._cancel, methods=["POST"]),
            Route(f"{root}/{{id}}/result/chunks/{{chunk:int}}", self._chunk, methods=["GET"]),
        ]

    def stop(self) -> None:
        """End what runs: Python would wait for it at its exit."""
        for statement in self._statements.values():
            self._end(statement)
        self._thread.shutdown(wait=False)

    async def _execute(self, request: Request) -> Response:
        self._login.require(request)
        fields = _object(await request.body())
        statement, seconds = _checked(fields)
        self._statements[statement.statement_id] = statement
        while len(self._statements) > KEPT_STATEMENTS:
            self._end(self._statements.popitem(last=False)[1])
        statement.outcome = self._thread.submit(self._run, statement)
        if not seconds:
            return JSONResponse({"statement_id": statement.statement_id, "status": {"state": "PENDING"}})
        await asyncio.wait([asyncio.wrap_future(statement.outcome)], timeout=seconds)
        if fields.get("on_wait_timeout") == "CANCEL":
            self._end(statement)
        return JSONResponse(self._answer(statement))

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self._answer(self._statement(request)))

    async def _cancel(self, request: Request) -> Response:
        """As on the platform, it says nothing about statements that it doesn't know or that have ended."""
        self._login.require(request)
        if statement := self._statements.get(request.path_params["id"]):
            self._end(statement)
        return JSONResponse({})

    async def _chunk(self, request: Request) -> Response:
        statement, number = self._statement(request), request.path_params["chunk"]
        if self._state(statement) != "SUCCEEDED":
            message = "the statement state should be SUCCEEDED before you can start fetching the result"
            raise ApiError(404, "NOT_FOUND", f"The result of {statement.statement_id} was not found: {message}")
        rows = statement.outcome.result().rows
        if number * self._chunk_rows >= len(rows):
            raise invalid(f"The chunk_index {number} is out of bounds.")
        return JSONResponse(self._part(statement, rows, number))

    def _statement(self, request: Request) -> Statement:
        self._login.require(request)
        statement_id = request.path_params["id"]
        try:
            uuid.UUID(statement_id)
        except ValueError:
            raise invalid("Error while parsing type: statement_id.") from None
        if statement_id not in self._statements:
            raise ApiError(404, "NOT_FOUND", f"The statement {statement_id} was not found.")
        return self._statements[statement_id]

    # --- execution

    def _run(self, statement: Statement) -> Result:
        """In the thread. Raises StatementFailed."""
        with self._lock:
            if statement.canceled:
                raise StatementFailed("canceled")
            self._running = statement
        try:
            return _result(self._tables, statement)
        finally:
            with self._lock:
                self._running = None

    def _end(self, statement: Statement) -> None:
        with self._lock:
            if statement.outcome.done():
                return
            statement.canceled = True
        self._interrupt(statement)

    def _interrupt(self, statement: Statement) -> None:
        """Again until it has ended: DuckDB forgets an interrupt that comes before the query."""
        with self._lock:
            if self._running is not statement:
                return
            self._tables.interrupt()
        again = threading.Timer(0.05, self._interrupt, [statement])
        again.daemon = True
        again.start()

    def _state(self, statement: Statement) -> str:
        if statement.canceled:
            return "CANCELED"
        if not statement.outcome.done():
            return "RUNNING" if self._running is statement else "PENDING"
        if statement.outcome.exception():
            return "FAILED"
        age = time.monotonic() - statement.outcome.result().ended
        return "SUCCEEDED" if age <= self._result_seconds else "CLOSED"

    # --- answers

    def _answer(self, statement: Statement) -> Fields:
        status: Fields = {"state": self._state(statement)}
        answer: Fields = {"statement_id": statement.statement_id, "status": status}
        if status["state"] == "FAILED":
            error = statement.outcome.exception()
            if not isinstance(error, StatementFailed):
                raise error or AssertionError
            status["error"] = {"error_code": "BAD_REQUEST", "message": str(error)}
            if error.sql_state:
                status["sql_state"] = error.sql_state
        if status["state"] != "SUCCEEDED":
            return answer
        result = statement.outcome.result()
        parts = [self._part(statement, result.rows, number) for number in range(-(-len(result.rows) // self._chunk_rows))]
        manifest: Fields = {
            "format": "JSON_ARRAY",
            "schema": {"column_count": len(result.columns), "columns": result.columns},
            "total_chunk_count": len(parts),
        }
        if parts:
            names = ("chunk_index", "row_offset", "row_count")
            manifest["chunks"] = [{name: part[name] for name in names} for part in parts]
        manifest |= {"total_row_count": len(result.rows), "truncated": result.truncated}
        return answer | {"manifest": manifest, "result": parts[0] if parts else {}}

    def _part(self, statement: Statement, rows: list[Texts], number: int) -> Fields:
        """A chunk, which must not be empty."""
        begin, end = number * self._chunk_rows, (number + 1) * self._chunk_rows
        found = rows[begin:end]
        part = {"chunk_index": number, "row_offset": begin, "row_count": len(found), "data_array": found}
        if end < len(rows):
            link = f"/api/2.0/sql/statements/{statement.statement_id}/result/chunks/{number + 1}?row_offset={end}"
            part |= {"next_chunk_index": number + 1, "next_chunk_internal_link": link}
        return part


# --- requests


def _object(body: bytes) -> Fields:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise malformed("not a JSON object")
    return fields


def _checked(fields: Fields) -> tuple[Statement, float]:
    """The statement, and for how many seconds the request waits for it. Raises ApiError."""
    text, warehouse = fields.get("statement"), fields.get("warehouse_id")
    for name in ("warehouse_id", "statement"):
        if not isinstance(fields.get(name), str):
            raise ApiError(400, "BAD_REQUEST", f"The field {name} is required.")
    if warehouse != WAREHOUSE_ID:
        if _WAREHOUSE.fullmatch(str(warehouse)):
            message = "You do not have permission to use the SQL Warehouse. Please contact your administrator."
            raise ApiError(403, "PERMISSION_DENIED", message)
        raise invalid(f"{warehouse} is not a valid endpoint id.")
    if fields.get("disposition") == "EXTERNAL_LINKS":
        raise invalid("disposition=EXTERNAL_LINKS is not supported by this local server.")
    if fields.get("format") in ("ARROW_STREAM", "CSV"):
        raise invalid("Incompatible parameters: The format field must be JSON_ARRAY when the disposition field is INLINE.")
    if fields.get("byte_limit") is not None:
        raise invalid("byte_limit is not supported by this local server.")
    limit = fields.get("row_limit", MAX_ROWS)
    if not isinstance(limit, int) or not 0 <= limit <= MAX_ROWS:
        raise invalid(f"The row_limit field must be between 0 and {MAX_ROWS}.")
    wait = _DURATION.fullmatch(str(fields.get("wait_timeout") or "10s"))
    if not wait:
        raise invalid("Error while parsing type: duration.")
    seconds = float(wait[1])
    if seconds and not 5 <= seconds <= 50:
        raise invalid("The wait_timeout field must be 0 seconds (disables wait), or between 5 seconds and 50 seconds.")
    parameters = fields.get("parameters") or []
    if not isinstance(parameters, list) or not all(map(_is_parameter, parameters)):
        raise malformed("parameters must be a list of objects with the texts name, value and type")
    return Statement(str(text), parameters, limit), seconds


def _is_parameter(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and isinstance(given.get("name"), str)
        and all(given.get(name) is None or isinstance(given[name], str) for name in ("value", "type"))
    )


# --- results


def _result(tables: DeltaFolder, statement: Statement) -> Result:
    """Raises StatementFailed, whatever is wrong with the statement."""
    try:
        columns, rows = _history(tables, statement) or tables.table(*_bound(tables, statement))
        found = [_column(name, kind, position) for position, (name, kind) in enumerate(columns)]
        texts, truncated = _limited(rows, statement.row_limit)
    except Exception as error:
        raise _explained(error) from error
    return Result(found, texts, truncated, time.monotonic())


def _history(tables: DeltaFolder, statement: Statement) -> tuple[Columns, Iterable[tuple[Any, ...]]] | None:
    """The first columns of the latest commit, if the statement asks for it. Raises NoTable."""
    asked = _HISTORY.fullmatch(statement.text)
    if not asked:
        return None
    latest = tables.last_commit(asked[1].strip("`"))
    return [("version", "BIGINT"), ("timestamp", AWARE)], [(latest.version, latest.at)]


def _bound(tables: DeltaFolder, statement: Statement) -> tuple[str, dict[str, str | None]]:
    """The statement, which casts each parameter to its type, and the parameters' values. Raises StatementFailed."""
    casts: dict[str, str] = {}
    for given in statement.parameters:
        name, kind = given["name"], (given.get("type") or "STRING").upper()
        known = kind if _DECIMAL.fullmatch(kind) else _PARAMETER_TYPES.get(kind)
        if known is None:
            condition = "INVALID_PARAMETER_MARKER_VALUE.INVALID_DATA_TYPE"
            raise _failed(condition, f"The parameter `{name}` cannot have the data type {kind}.", "22023")
        if name in casts:
            condition = "INVALID_PARAMETER_MARKER_VALUE.DUPLICATE_NAME"
            raise _failed(condition, f"The parameter `{name}` is given more than once.", "22023")
        casts[name] = f"CAST(:{name} AS {known})"
    markers = set(MARKER.findall(statement.text))
    if unbound := sorted(markers - casts.keys()):
        advice = "Please, fix `args` and provide a mapping of the parameter to a SQL literal."
        raise _failed("UNBOUND_SQL_PARAMETER", f"Found the unbound parameter: {unbound[0]}. {advice}", "42P02")
    values = {given["name"]: given.get("value") for given in statement.parameters if given["name"] in markers}
    if values:
        from duckdb import ConversionException

        try:
            tables.table("SELECT " + ", ".join(casts[name] for name in values), values)
        except ConversionException as error:
            raise _failed("INVALID_VALUE_FOR_DATA_TYPE", _sentence(error), "22023") from None
    return MARKER.sub(lambda marker: casts[marker[1]], statement.text), values


def _limited(rows: Iterable[tuple[Any, ...]], limit: int) -> tuple[list[Texts], bool]:
    """The rows as texts, and whether there are more than the limit. Raises StatementFailed if they are too large."""
    found: list[Texts] = []
    size = 0
    for row in rows:
        if len(found) == limit:
            return found, True
        found.append([_text(value) for value in row])
        size += sum(len(text) for text in found[-1] if text)
        if size > MAX_BYTES:
            raise StatementFailed(
                "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at most "
                f"{MAX_BYTES} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download "
                "the full result."
            )
    return found, False


def _column(name: str, kind: str, position: int) -> Fields:
    if decimal := _DECIMAL.fullmatch(kind):
        precision, scale = map(int, decimal.groups())
        return _column_of(name, "DECIMAL", kind, position) | {"type_precision": precision, "type_scale": scale}
    if kind not in _COLUMN_TYPES:
        raise _failed("UNSUPPORTED_DATATYPE", f"This server has no columns of type {kind}: {name}.", "0A000")
    return _column_of(name, *_COLUMN_TYPES[kind], position)


def _column_of(name: str, type_name: str, type_text: str, position: int) -> Fields:
    return {"name": name, "type_text": type_text, "type_name": type_name, "position": position}


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime():  # cut, not rounded
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Decimal():
            return f"{value:f}"
        case float():
            return _java(value)
        case bytes():
            return base64.b64encode(value).decode()
    return str(value)


def _java(value: float) -> str:
    """As Java writes it."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value or 0.0)
    digits, _, exponent = f"{Decimal(repr(value)).normalize():E}".partition("E")
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"


# --- errors


def _failed(condition: str, detail: str, sql_state: str) -> StatementFailed:
    return StatementFailed(f"[{condition}] {detail} SQLSTATE: {sql_state}", sql_state)


def _explained(error: Exception) -> Exception:
    """In the words of the service as far as clients look for them, otherwise in those of DuckDB. Bugs stay as they are."""
    if isinstance(error, NoTable):
        return _failed("TABLE_OR_VIEW_NOT_FOUND", f"The table or view `{error}` cannot be found. {_VERIFY}", "42P01")
    if isinstance(error, NoChanges):
        return _failed("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", f"{error}.", "42816")
    if isinstance(error, NotAllowed):
        return _not_one_query(error)
    if isinstance(error, SettingsError):  # no DuckDB
        return StatementFailed(str(error))
    import duckdb

    detail = _sentence(error)
    match error:
        case duckdb.ParserException():
            near = re.search(r'at or near "(.*)"', detail)
            detail = f"Syntax error at or near {repr(near[1]) if near else 'end of input'}."
            return _failed("PARSE_SYNTAX_ERROR", detail, "42601")
        case duckdb.BinderException() if column := _NO_COLUMN.search(str(error)):
            condition, detail = "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", f"{_UNRESOLVED} `{column[1]}` cannot be resolved."
            if proposals := re.findall(r'"(.+?)"', column[2] or ""):
                condition = "UNRESOLVED_COLUMN.WITH_SUGGESTION"
                detail += f" Did you mean one of the following? [{', '.join(f'`{name}`' for name in proposals)}]."
            return _failed(condition, detail, "42703")
        case duckdb.CatalogException() if function := re.search(r"Function with name (.+?) does not exist", detail):
            detail = f"Cannot resolve routine `{function[1]}` on search path [`system`.`builtin`, `system`.`session`]."
            return _failed("UNRESOLVED_ROUTINE", detail, "42883")
        case duckdb.ConversionException():
            return _failed("CAST_INVALID_INPUT", detail, "22018")
        case duckdb.OutOfRangeException():
            return _failed("ARITHMETIC_OVERFLOW", detail, "22003")
        case duckdb.PermissionException():
            return _failed("INSUFFICIENT_PERMISSIONS", f"Insufficient privileges: {detail}.", "42501")
        case duckdb.Error():
            return StatementFailed(detail)
    return error


def _not_one_query(error: NotAllowed) -> StatementFailed:
    if not error.statements:
        return _failed("PARSE_EMPTY_STATEMENT", "Syntax error, unexpected empty statement.", "42617")
    if error.statements > 1:
        return _failed("PARSE_SYNTAX_ERROR", "Syntax error: extra input after the first statement.", "42601")
    return _failed("INSUFFICIENT_PERMISSIONS", f"Insufficient privileges: {error}.", "42501")


def _sentence(error: Exception) -> str:
    """The first line, without DuckDB's name for the kind of error."""
    return str(error).partition("\n")[0].partition(" Error: ")[2] or str(error)
