"""A Databricks SQL warehouse, through the statement execution API: works from any machine that can log in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from spark_jobs.queries.engine import NoTable, Row, Scalar
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
        from databricks.sdk.errors.base import DatabricksError

        try:
            return self._rows(statement, [_parameter(name, value) for name, value in (parameters or {}).items()])
        except DatabricksError as error:
            raise QueryFailed(f"SQL warehouse {self._id}: {error}") from None
        except ValueError as error:  # the SDK's own words if there is no login
            raise QueryFailed(f"no login to Databricks: {str(error).splitlines()[0]}") from None

    def _rows(self, statement: str, parameters: list[StatementParameterListItem]) -> list[Row]:
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
        found: list[Row] = []
        chunk = answer.result
        while chunk:
            found += [
                {name: _value(kind, text) for (name, kind), text in zip(types.items(), line, strict=True)}
                for line in chunk.data_array or []
            ]
            following = chunk.next_chunk_index
            if following is None:
                break
            chunk = client.statement_execution.get_statement_result_chunk_n(answer.statement_id or "", following)
        return found

    def _finished(self, client: WorkspaceClient, answer: StatementResponse) -> StatementResponse:
        """The answer once the statement has ended. Raises QueryFailed and NoTable."""
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
        if state is StatementState.SUCCEEDED:
            return answer
        error = answer.status.error if answer.status else None
        message = (error.message if error else None) or "no reason given"
        if "TABLE_OR_VIEW_NOT_FOUND" in message:
            raise NoTable(message)
        raise QueryFailed(f"SQL warehouse {self._id}: the statement is {state.value if state else 'unknown'}: {message}")


def _parameter(name: str, value: Scalar) -> StatementParameterListItem:
    from databricks.sdk.service.sql import StatementParameterListItem

    match value:
        case datetime():
            return StatementParameterListItem(name, "TIMESTAMP", value.astimezone(UTC).isoformat())
        case date():
            return StatementParameterListItem(name, "DATE", value.isoformat())
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
