"""What the end-to-end tests inspect: tables without Spark, runs through the SDK, and whether everything has settled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import BaseRun

from infra.local.demo.tables import read_table
from infra.local.uploads import Uploaded, upload_object
from tests import oracle
from tests.running_stack import RunningStack, until

HEADER = b"order_num,tracking_num,pck_recieved_date,package_deliver_date,status,address,last_update_timestamp\n"
RUN_SECONDS = 300.0  # a minute and a half on two busy cores


def line(tracking: str, status: str = "shipped", at: str = "2026-01-31 10:00:00", address: str = "") -> bytes:
    return f"O-{tracking},{tracking},2026-01-30,,{status},{address},{at}\n".encode()


def send(stack: RunningStack, name: str, content: bytes) -> Uploaded:
    return upload_object(stack.client, stack.addresses.bucket, name, content)


def table(stack: RunningStack, name: str, columns: str = "*") -> list[dict[str, Any]]:
    return read_table(stack.folder.warehouse, name, columns)


def target(stack: RunningStack) -> dict[str, oracle.Row]:
    """tracking_num -> its row; fails if there are two."""
    rows = table(stack, "orders_target", ", ".join(oracle.COLUMNS))
    found = {row["tracking_num"]: row for row in rows}
    assert len(found) == len(rows), "a tracking number has two rows"
    return found


def newest_of(*contents: bytes) -> dict[str, oracle.Row]:
    """What the target must hold after these files, by the tests' own reading of the contract."""
    rows = []
    for content in contents:
        read = oracle.read_file(content, datetime.now(UTC))
        assert read is not None
        rows += [row for _, row in read if row is not None]
    return oracle.newest(rows)


def log_lines(stack: RunningStack) -> dict[str, dict[str, Any]]:
    """file id -> its line of the ingest log; fails if a file has two."""
    lines = table(stack, "orders_ingest_log")
    found = {one["file_id"]: one for one in lines}
    assert len(found) == len(lines), "a file was logged twice"
    return found


def runs(stack: RunningStack) -> list[BaseRun]:
    """Newest first."""
    workspace = WorkspaceClient(host=stack.addresses.jobs, token="local")
    return list(workspace.jobs.list_runs(job_id=stack.addresses.job_id))


def states(stack: RunningStack) -> list[str]:
    return [run.status.state.value for run in runs(stack) if run.status and run.status.state]


def settle(stack: RunningStack, but: tuple[str, ...] = (), seconds: float = RUN_SECONDS) -> None:
    """Wait until no event is on its way, no run is active, and source/ holds nothing but these."""

    def settled() -> bool:
        assert stack.process.running(), f"the stack has ended:\n{stack.process.tail()}"
        return (
            stack.events()["pending"] == 0
            and set(stack.names("source/")) <= set(but)
            and all(state == "TERMINATED" for state in states(stack))
        )

    until(settled, "everything has come to its end", seconds)
