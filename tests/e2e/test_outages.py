"""A bad day for everything at once: storage, Databricks and events fail in every way the local servers know, and runs are
taken away. No file may be lost, and none may count twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient

from tests.e2e.reading import HEADER, RUN_SECONDS, line, log_lines, newest_of, runs, send, settle, target
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.e2e

DAYS = {
    f"order_tracking_2026_01_{day}.csv": HEADER
    + b"".join(line(f"K{n}", "pending", f"2026-01-{day} 10:00:00") for n in range(day, day + 40))
    for day in range(20, 26)
}
BROKEN = "order_tracking_2026_01_27.csv"
STORAGE_FAULTS: list[dict[str, Any]] = [
    {"action": "status", "status": 503, "retry_after": "1", "times": 3},
    {"action": "status", "status": 429, "times": 3},
    {"action": "status", "status": 500, "method": "PATCH", "times": 2},
    # The work is done and only the answer is lost: marks and moves are then repeated.
    {"action": "reset", "method": "PATCH", "phase": "after", "times": 2},
    {"action": "reset", "method": "POST", "path_regex": "moveTo|rewriteTo", "phase": "after", "times": 3},
    {"action": "reset", "method": "GET", "times": 3},
    {"action": "hang", "method": "GET", "seconds": 3, "times": 2},
    {"action": "slow", "method": "GET", "path_regex": "alt=media|/download/", "seconds": 2, "times": 2},
]
JOBS_FAULTS: list[dict[str, Any]] = [
    {"action": "status", "status": 429, "retry_after": "1", "path_regex": "run-now", "times": 1},
    {"action": "reset", "path_regex": "run-now", "phase": "after", "times": 2},
    {"action": "status", "status": 500, "path_regex": "run-now", "times": 1},
]


@pytest.fixture
def stack(tmp_path: Any) -> Iterator[RunningStack]:
    stack = RunningStack(tmp_path / "stack", "--sweep-every=2", "--sweep-grace=3")
    yield stack.start()
    stack.stop()
    stack.assert_nothing_left()


def arm(url: str, faults: list[dict[str, Any]]) -> None:
    httpx.post(f"{url}/_local/faults", json=faults).raise_for_status()


def never_struck(url: str) -> list[dict[str, Any]]:
    faults = httpx.get(f"{url}/_local/faults").raise_for_status().json()["faults"]
    return [fault for fault in faults if not fault["struck"]]


def test_outages_lost_answers_lost_events_and_lost_runs_lose_and_double_nothing(stack: RunningStack) -> None:
    at = stack.addresses
    workspace = WorkspaceClient(host=at.jobs, token="local")
    stack.set_events(repeat=4, reorder=True, drop=0.5)
    sent = {name: send(stack, name, content) for name, content in list(DAYS.items())[:3]}
    arm(at.storage, STORAGE_FAULTS)
    arm(at.jobs, JOBS_FAULTS)
    sent |= {name: send(stack, name, content) for name, content in list(DAYS.items())[3:]}
    broken = send(stack, BROKEN, b"not,what\nwas,agreed\n")
    # The first run is cancelled, then deleted: its token answers with an error from then on.
    until(lambda: runs(stack), "a run was launched", RUN_SECONDS)
    lost = runs(stack)[-1].run_id
    assert lost
    workspace.jobs.cancel_run_and_wait(lost)
    workspace.jobs.delete_run(lost)
    settle(stack)

    assert target(stack) == newest_of(*DAYS.values())
    lines = log_lines(stack)
    assert {file: one["outcome"] for file, one in lines.items()} == {one.file_id: "merged" for one in sent.values()}
    assert all(one["balanced"] for one in lines.values())
    assert stack.names("archive/") == sorted(
        f"archive/2026/01/{name[-6:-4]}/{name[:-4]}.{one.generation}.csv" for name, one in sent.items()
    )
    assert f"rejected/{BROKEN}.{broken.generation}" in stack.names("rejected/")
    assert not never_struck(at.storage) + never_struck(at.jobs), "an outage never came"
    assert len(runs(stack)) < len(DAYS) * 5, "as many events came"
