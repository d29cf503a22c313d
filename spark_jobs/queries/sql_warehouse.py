"""A Databricks SQL warehouse, through the statement execution API: works from any machine that can log in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from spark_jobs.queries.engine import NoChanges, NoTable, Row, Scalar
from spark_jobs.settings import Explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.sql import StatementParameterListItem, StatementResponse

_WAIT = "30s"
"""How long one request waits for the result; the API's limit is 50 s."""
_PATIENCE_SECONDS = 600.0
"""A classic warehouse takes minutes to start."""
_POLL_SECONDS = 1.0


class QueryFailed(Explained):
    """The warehouse refused or failed a statement; the message says which warehouse and why."""


class SqlWarehouse:
    """``connect`` makes the client at the first statement. Unqualified names are tables of ``catalog.schema``."""

    max_parameters = 250

    def __init__(
        self,
        connect: Callable[[], WorkspaceClient],
        warehouse_id: str,
        catalog: str,
        schema: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect, self._sleep = connect, sleep
        self._id, self._catalog, self._schema = warehouse_id, catalog, schema
        self._client: WorkspaceClient | None = None

    def rows(self, statement: str, parameters: Mapping[str, Scalar] | None = None) -> list[Row]:
        """See `Engine.rows`. Times have milliseconds: that is how the API writes them. Raises QueryFailed."""
        try:
            types, lines = self._table(statement, [_parameter(*item) for item in (parameters or {}).items()])
        except OSError as error:  # the SDK's own errors, and those of the connection
            # A time limit of the SDK's retries says only how long they took.
            raise QueryFailed(f"SQL warehouse {self._id}: {_line(str(error.__cause__ or error))}") from None
        except ValueError as error:  # the SDK's own words if there is no login
            raise QueryFailed(f"no login to Databricks: {str(error).splitlines()[0]}") from None
        return [
            {name: _value(kind, text) for (name, kind), text in zip(types.items(), line, strict=True)} for line in lines
        ]

    def version(self, table: str) -> int | None:
        """See `Engine.version`."""
        try:
            name = table.replace("`", "``")
            return int(self.rows(f"DESCRIBE HISTORY `{name}` LIMIT 1")[0]["version"])
        except NoTable:
            return None

    def _table(
        self, statement: str, parameters: list[StatementParameterListItem]
    ) -> tuple[dict[str, str], list[list[Any]]]:
        """The columns' names and types, and the rows as texts."""
        client = self._client = self._client or self._connect()
        answer = client.statement_execution.execute_statement(
            statement,
            self._id,
            catalog=self._catalog,
            schema=self._schema,
            parameters=parameters or None,
            wait_timeout=_WAIT,
        )
        answer = self._finished(client, answer)
        columns = answer.manifest.schema.columns if answer.manifest and answer.manifest.schema else None
        types = {column.name or "": column.type_name.value if column.type_name else "" for column in columns or []}
        lines: list[list[Any]] = []
        chunk = answer.result
        while chunk:
            lines += chunk.data_array or []
            following = chunk.next_chunk_index
            if following is None:
                break
            chunk = client.statement_execution.get_statement_result_chunk_n(answer.statement_id or "", following)
        return types, lines

    def _finished(self, client: WorkspaceClient, answer: StatementResponse) -> StatementResponse:
        """The answer once the statement has ended. Raises QueryFailed, NoTable and NoChanges."""
        from databricks.sdk.service.sql import StatementState

        waited = 0.0
        while answer.status and answer.status.state in {StatementState.PENDING, StatementState.RUNNING}:
            statement_id = answer.statement_id or ""
            if waited >= _PATIENCE_SECONDS:
                client.statement_execution.cancel_execution(statement_id)
                raise QueryFailed(f"SQL warehouse {self._id} has not answered for {waited:.0f} s; is it starting?")
            self._sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
            answer = client.statement_execution.get_statement(statement_id)
        state = answer.status.state if answer.status else None
        # Some warehouses close a statement as soon as they have given its whole result: CLOSED, with a result.
        if state is StatementState.SUCCEEDED or (state is StatementState.CLOSED and answer.manifest):
            return answer
        error = answer.status.error if answer.status else None
        message = _line((error.message if error else None) or "no reason given")
        if message.startswith("[TABLE_OR_VIEW_NOT_FOUND]"):
            raise NoTable(message)
        if message.startswith("[DELTA_TIMESTAMP_GREATER_THAN_COMMIT]"):
            raise NoChanges(message)
        raise QueryFailed(f"SQL warehouse {self._id}: the statement is {state.value if state else 'unknown'}: {message}")


def _line(message: str) -> str:
    """On one line, and without the copy of the statement that follows a syntax error."""
    return " ".join(message.partition("== SQL ==")[0].split())


def _parameter(name: str, value: Scalar) -> StatementParameterListItem:
    from databricks.sdk.service.sql import StatementParameterListItem

    match value:
        case datetime():
            return StatementParameterListItem(name, "TIMESTAMP", value.astimezone(UTC).isoformat())
        case date():
            return StatementParameterListItem(name, "DATE", value.isoformat())
        case bool():
            return StatementParameterListItem(name, "BOOLEAN", str(value).lower())
        case int():
            return StatementParameterListItem(name, "BIGINT", str(value))
        case Decimal():
            scale = max(0, -int(value.as_tuple().exponent))
            return StatementParameterListItem(name, f"DECIMAL(38,{scale})", f"{value:f}")
    return StatementParameterListItem(name, "STRING", value)


def _value(kind: str, text: str | None) -> Any:
    """A value of a column's type, from the text that the API gives."""
    if text is None:
        return None
    match kind:
        case "BYTE" | "SHORT" | "INT" | "LONG":
            return int(text)
        case "FLOAT" | "DOUBLE":
            return float(text)
        case "DECIMAL":
            return Decimal(text)
        case "BOOLEAN":
            return text == "true"
        case "DATE":
            return date.fromisoformat(text)
        case "TIMESTAMP":
            time = datetime.fromisoformat(text)
            return time if time.tzinfo else time.replace(tzinfo=UTC)
    return text
