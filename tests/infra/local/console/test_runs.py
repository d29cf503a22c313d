"""Runs as the Jobs API gives them: a real client, and the local jobs server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from databricks.sdk.service.jobs import BaseRun, RunLifeCycleState, RunOutput, RunResultState, RunState, RunTask

from infra.local.console.runs import Runs
from tests.jobs_fixtures import RunningJobsServer

NOW = datetime(2026, 11, 25, 10, 0, 30, tzinfo=UTC)
START = datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)


class Client:
    """Two runs: one has failed, one is queued."""

    def __init__(self) -> None:
        self.jobs = self
        self.asked: list[int] = []

    def list_runs(self, **_: object) -> list[BaseRun]:
        def milliseconds(seconds: int) -> int:
            return int(START.timestamp() + seconds) * 1000

        queued = RunState(life_cycle_state=RunLifeCycleState.QUEUED)
        failed = RunState(life_cycle_state=RunLifeCycleState.TERMINATED, result_state=RunResultState.FAILED)
        return [
            BaseRun(run_id=2, start_time=milliseconds(20), end_time=0, state=queued),
            BaseRun(
                run_id=1,
                start_time=milliseconds(0),
                end_time=milliseconds(20),
                state=failed,
                run_page_url="http://127.0.0.1/run/1",
                tasks=[RunTask(task_key="ingest", run_id=11)],
            ),
        ]

    def get_run_output(self, run_id: int) -> RunOutput:
        self.asked.append(run_id)
        ended = START.astimezone().strftime("%Y-%m-%d %H:%M:10,000")
        return RunOutput(logs=f"{ended} INFO step=merge seconds=5.000 files=1\n", error="the bucket is gone")


def test_a_run_has_its_steps_its_error_and_the_time_before_its_first_step() -> None:
    client: object = Client()
    queued, failed = Runs(client, 7).latest(NOW)  # type: ignore[arg-type]
    assert (queued.state, queued.active, queued.seconds, queued.waited, queued.bars) == ("QUEUED", True, 10.0, 10.0, [])
    assert (failed.state, failed.active, failed.seconds, failed.waited) == ("FAILED", False, 20.0, 5.0)
    assert failed.error == "the bucket is gone"
    assert [(bar.step.name, bar.left, bar.width) for bar in failed.bars] == [("merge", 25.0, 25.0)]


def test_the_log_of_a_run_that_has_ended_is_read_once() -> None:
    client = Client()
    runs = Runs(client, 7)  # type: ignore[arg-type]
    assert runs.latest(NOW)[1] == runs.latest(NOW)[1]
    assert client.asked == [11]


@pytest.mark.servers
def test_runs_of_the_local_jobs_server(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.start_mode("queued", "fail", "<b>")
    jobs_server.wait_state(run_id, "FAILED")
    shown = Runs(jobs_server.client(), jobs_server.job_ids["queued"]).latest(datetime.now(UTC))[0]
    assert (shown.run_id, shown.state, shown.active) == (run_id, "FAILED", False)
    assert "it went wrong: <b>" in shown.error
    assert shown.page == f"{jobs_server.url}/run/{run_id}"
