"""One suite for the Job port: the fake, and the real adapter with the real SDK against the local jobs server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config as SdkConfig

from spark_jobs.cloud.databricks_jobs import DatabricksJob
from spark_jobs.cloud.ports import FailedRun, Job, TransientError
from spark_jobs.contract.parameters import RunParameters
from tests.fakes.job import FakeJob
from tests.jobs_fixtures import BUNDLE, RunningJobsServer, StartJobsServer, until

PARAMETERS = RunParameters("orders-data", "source/", "archive/", "rejected/", "", 0.1, datetime(2026, 2, 1, tzinfo=UTC))
DECLARED = "".join(f'\n        - {{name: {name}, default: ""}}' for name in PARAMETERS.as_job_parameters())
JOB = """
resources:
  jobs:
    ingest:
      name: ingest
      max_concurrent_runs: 1
      queue: {enabled: true}
      parameters:%s
      tasks:
        - task_key: ingest
          max_retries: 0
          python_wheel_task:
            package_name: job_probe
            entry_point: job-probe
            parameters: ["%s", "%s", "{{job.run_id}}", "--bucket={{job.parameters.bucket}}"]
"""


@dataclass
class JobUnderTest:
    """A job to test, and a way to let its runs end."""

    launcher: Job
    gate: Path | None = None
    fake: FakeJob | None = None
    server: RunningJobsServer | None = None
    tokens: list[str] = field(default_factory=list)

    def let_runs_end(self) -> None:
        if self.fake:
            self.fake.active = False
        if self.gate:
            self.gate.touch()

    def begin(self, token: str) -> int:
        run = self.launcher.launch(token, PARAMETERS)
        if self.fake:
            self.fake.active = True
        return run


def launcher_on(server: RunningJobsServer, **settings: Any) -> DatabricksJob:
    settings.setdefault("retry_timeout_seconds", 5)
    config = SdkConfig(host=server.url, token="local", auth_type="pat", **settings)
    return DatabricksJob(lambda: WorkspaceClient(config=config), server.job_ids["ingest"])


def start_job(tmp_path: Path, start: StartJobsServer, mode: str, value: str | Path) -> RunningJobsServer:
    """A server whose job does one of the things that the probe can do."""
    bundle = tmp_path / "bundle"
    (bundle / "resources").mkdir(parents=True)
    (bundle / "databricks.yml").write_text(BUNDLE)
    (bundle / "resources" / "ingest.yml").write_text(JOB % (DECLARED, mode, value))
    return start(tmp_path / "data", "--bundle", bundle)


@pytest.fixture
def real(tmp_path: Path, start_jobs_server: StartJobsServer) -> JobUnderTest:
    gate = tmp_path / "gate"
    server = start_job(tmp_path, start_jobs_server, "wait", gate)
    return JobUnderTest(launcher_on(server), gate=gate, server=server)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def job(request: pytest.FixtureRequest) -> Iterator[JobUnderTest]:
    if request.param == "fake":
        fake = FakeJob()
        yield JobUnderTest(fake, fake=fake)
    else:
        real: JobUnderTest = request.getfixturevalue("real")
        yield real
        real.let_runs_end()


def test_one_token_starts_one_run_even_with_repeated_and_concurrent_launches(job: JobUnderTest) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = set(pool.map(lambda _: job.begin("window-1"), range(8)))
    assert len(runs) == 1
    assert job.begin("window-2") not in runs


def test_a_run_is_active_until_it_ends_and_its_token_still_returns_it(job: JobUnderTest) -> None:
    assert not job.launcher.has_active_run()
    run = job.begin("window-1")
    assert job.launcher.has_active_run()
    job.let_runs_end()
    until(lambda: not job.launcher.has_active_run(), "no run is active")
    assert job.launcher.launch("window-1", PARAMETERS) == run


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def failed_run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Job, int]:
    """A launcher whose one run failed with "2 files do not balance"."""
    if request.param == "fake":
        return FakeJob(failed=[FailedRun(1, datetime.now(UTC), "ValueError: 2 files do not balance")]), 1
    server = start_job(tmp_path, request.getfixturevalue("start_jobs_server"), "fail", "2 files do not balance")
    launcher = launcher_on(server)
    run = launcher.launch("window-1", PARAMETERS)
    server.wait_state(run, "FAILED")
    return launcher, run


def test_a_failed_run_is_listed_with_its_end_and_its_error(failed_run: tuple[Job, int]) -> None:
    launcher, run = failed_run
    now = datetime.now(UTC)
    (failed,) = launcher.failed_runs(now - timedelta(minutes=5))
    assert failed.run_id == run
    assert now - timedelta(minutes=1) < failed.ended <= now
    assert failed.reason.startswith("ValueError: ")
    assert "2 files do not balance" in failed.reason
    assert launcher.failed_runs(failed.ended) == [failed]
    assert launcher.failed_runs(failed.ended + timedelta(milliseconds=1)) == []


def test_an_active_or_successful_run_is_not_listed_as_failed(job: JobUnderTest) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    job.begin("window-1")
    assert job.launcher.failed_runs(long_ago) == []
    job.let_runs_end()
    until(lambda: not job.launcher.has_active_run(), "no run is active")
    assert job.launcher.failed_runs(long_ago) == []


@pytest.mark.servers
class TestReal:
    """Behavior that only the real adapter has."""

    def test_the_run_receives_the_parameters(self, real: JobUnderTest) -> None:
        assert real.server is not None
        run = real.server.run(real.begin("window-1"))
        sent = {p.name: p.value for p in run.job_parameters or []}
        assert sent == PARAMETERS.as_job_parameters()
        real.let_runs_end()

    @pytest.mark.parametrize("status", [429, 503])
    def test_throttling_is_retried_and_starts_one_run(self, real: JobUnderTest, status: int) -> None:
        assert real.server is not None
        real.server.fault(times=2, path_regex=".*run-now.*", action="status", status=status, retry_after=0)
        run = real.begin("window-1")
        assert real.begin("window-1") == run
        real.let_runs_end()

    @pytest.mark.parametrize(
        "order", [{"action": "status", "status": 500}, {"action": "reset"}, {"action": "hang", "seconds": 60}]
    )
    def test_an_outage_is_a_transient_error(self, real: JobUnderTest, order: Any) -> None:
        assert real.server is not None
        real.server.fault(times=1000, path_regex=".*run-now.*", **order)
        launcher = launcher_on(real.server, retry_timeout_seconds=1, http_timeout_seconds=0.5)
        with pytest.raises(TransientError, match="Databricks job"):
            launcher.launch("window-1", PARAMETERS)

    def test_the_token_of_a_deleted_run_is_an_error_and_a_later_token_works(self, real: JobUnderTest) -> None:
        assert real.server is not None
        run = real.begin("window-1")
        real.let_runs_end()
        real.server.wait_state(run, "SUCCESS")
        real.server.client().jobs.delete_run(run)
        with pytest.raises(TransientError):
            real.launcher.launch("window-1", PARAMETERS)
        assert real.launcher.launch("window-2", PARAMETERS) != run

    def test_a_refused_login_is_a_transient_error_without_the_token_in_its_message(self, real: JobUnderTest) -> None:
        assert real.server is not None
        config = SdkConfig(host=real.server.url, token="wrong", auth_type="pat", retry_timeout_seconds=2)
        launcher = DatabricksJob(lambda: WorkspaceClient(config=config), real.server.job_ids["ingest"])
        with pytest.raises(TransientError) as error:
            launcher.launch("window-1", PARAMETERS)
        assert "wrong" not in json.dumps(str(error.value)).replace("wrong value", "")

    def test_a_canceled_run_is_not_listed_as_failed(self, real: JobUnderTest) -> None:
        assert real.server is not None
        run = real.begin("window-1")
        real.server.wait_state(run, "RUNNING")
        real.server.client().jobs.cancel_run(run)
        real.server.wait_state(run, "CANCELED")
        assert real.launcher.failed_runs(datetime.now(UTC) - timedelta(hours=1)) == []

    def test_a_failed_run_without_output_has_the_message_of_its_state(
        self, tmp_path: Path, start_jobs_server: StartJobsServer
    ) -> None:
        server = start_job(tmp_path, start_jobs_server, "fail", "this time")
        launcher = launcher_on(server)
        server.wait_state(launcher.launch("window-1", PARAMETERS), "FAILED")
        server.fault(times=10, path_regex=".*get-output.*", action="status", status=400)
        (failed,) = launcher.failed_runs(datetime.now(UTC) - timedelta(hours=1))
        assert failed.reason == "Workload failed, see run output for details"

    def test_only_the_latest_runs_are_searched_with_one_call(
        self, tmp_path: Path, start_jobs_server: StartJobsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = start_job(tmp_path, start_jobs_server, "fail", "again")
        launcher = launcher_on(server)
        runs = [launcher.launch(f"window-{number}", PARAMETERS) for number in range(3)]
        until(lambda: not launcher.has_active_run(), "no run is active")
        monkeypatch.setattr("spark_jobs.cloud.databricks_jobs.LATEST_RUNS", 2)
        failed = launcher.failed_runs(datetime.now(UTC) - timedelta(hours=1))
        assert [run.run_id for run in failed] == [runs[2], runs[1]]

    def test_the_failure_of_a_task_is_found_whatever_became_of_the_run(
        self, tmp_path: Path, start_jobs_server: StartJobsServer
    ) -> None:
        """A later task that runs in any case makes the run a success, and a task that does not run at all did not fail."""
        server = start_jobs_server(tmp_path / "data")
        config = SdkConfig(host=server.url, token="local", auth_type="pat")
        launcher = DatabricksJob(lambda: WorkspaceClient(config=config), server.job_ids["steps"])
        for first, second, result, tasks in [
            ("fail", "print", "SUCCESS_WITH_FAILURES", {"first"}),
            ("print", "fail", "FAILED", {"second"}),
            ("fail", "fail", "FAILED", {"first", "second"}),
        ]:
            run_id = server.run_now("steps", job_parameters={"first": first, "second": second})
            server.wait_state(run_id, result)
            failed = launcher.failed_runs(datetime.now(UTC) - timedelta(hours=1))
            assert {run.task for run in failed if run.run_id == run_id} == tasks
            assert all(run.reason.startswith("ValueError: it went wrong") for run in failed)
