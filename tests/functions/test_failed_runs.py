"""The sweep logs each failed run once per instance, and this never interferes with its main work."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from functions.failed_runs import LOOK_BACK, UNBALANCED
from functions.sweep import sweep
from spark_jobs.cli import UnbalancedLog, check_balance
from spark_jobs.cloud.ports import FailedRun, TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.parameters import RunParameters
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BUCKET, GOOD, NAME, FakeDependencies

TICKS = timedelta(minutes=10)


@pytest.fixture
def fake() -> FakeDependencies:
    return FakeDependencies()


@pytest.fixture(autouse=True)
def _shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", logger="functions")


def failed(fake: FakeDependencies, reason: str = "SessionError: no catalog", **ago: float) -> None:
    fake.job.failed.append(FailedRun(7, fake.clock() - timedelta(**ago), reason))


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if hasattr(record, "ended")]


def test_a_failed_run_is_one_line_with_its_id_end_and_reason(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    failed(fake, minutes=3)
    sweep("tick-1", fake.deps)
    (record,) = [record for record in caplog.records if hasattr(record, "ended")]
    assert record.getMessage() == "run failed: SessionError: no catalog"
    assert (record.levelname, vars(record)["run_id"]) == ("WARNING", 7)
    assert datetime.fromisoformat(vars(record)["ended"]) == fake.clock() - timedelta(minutes=3)


def test_one_missed_tick_and_a_slow_one_lose_nothing(fake: FakeDependencies, caplog: pytest.LogCaptureFixture) -> None:
    failed(fake, seconds=0)
    fake.age(seconds=(2 * TICKS).total_seconds() + 240)
    sweep("tick-2", fake.deps)
    assert len(logged(caplog)) == 1


def test_a_run_that_ended_long_ago_is_not_logged(fake: FakeDependencies, caplog: pytest.LogCaptureFixture) -> None:
    failed(fake, seconds=LOOK_BACK.total_seconds() + 1)
    sweep("tick-1", fake.deps)
    assert logged(caplog) == []


def test_an_instance_logs_a_run_once_and_a_new_instance_may_log_it_again(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    failed(fake, minutes=3)
    instance = fake.deps
    sweep("tick-1", instance)
    sweep("tick-2", instance)
    assert len(logged(caplog)) == 1
    sweep("tick-3", fake.deps)
    assert len(logged(caplog)) == 2


def test_a_reason_can_neither_forge_a_log_line_nor_fill_the_log(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    failed(fake, "a\nERROR forged \x1b[2J" + "x" * 10_000)
    sweep("tick-1", fake.deps)
    (line,) = logged(caplog)
    assert line.isprintable()
    assert len(line) < 120


def test_an_unbalanced_log_is_recognized_by_the_wording_of_the_job(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    file = FileId(BUCKET, "x" * 500, 1)
    entry = LogEntry(file, "merged", "batch", fake.clock(), fake.clock(), attempts=1, balanced=False)
    with pytest.raises(UnbalancedLog, match=UNBALANCED) as unbalanced:
        check_balance([entry])
    failed(fake, f"spark_jobs.cli.RunFailed: {unbalanced.value}")
    sweep("tick-1", fake.deps)
    (line,) = logged(caplog)
    assert line.startswith("log does not balance: spark_jobs.cli.RunFailed: 1 files")


def test_an_error_during_the_check_is_a_warning_and_files_are_still_processed(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_since: datetime) -> list[FailedRun]:
        raise TransientError("Databricks job 77: PermissionDenied")

    monkeypatch.setattr(fake.job, "failed_runs", refuse)
    fake.store.upload(NAME, GOOD)
    fake.age(seconds=601)
    assert sweep("tick-1", fake.deps).run_id == 1
    assert [r.levelname for r in caplog.records if "PermissionDenied" in r.getMessage()] == ["WARNING"]


def test_files_are_processed_before_failed_runs_are_checked(
    fake: FakeDependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Databricks may take minutes to respond."""
    calls: list[str] = []

    def launch(_token: str, _parameters: RunParameters) -> int:
        calls.append("launch")
        return 1

    def failed_runs(_since: datetime) -> list[FailedRun]:
        calls.append("failed_runs")
        return []

    monkeypatch.setattr(fake.job, "launch", launch)
    monkeypatch.setattr(fake.job, "failed_runs", failed_runs)
    fake.store.upload(NAME, GOOD)
    fake.age(seconds=601)
    sweep("tick-1", fake.deps)
    assert calls == ["launch", "failed_runs"]


def test_an_error_in_one_file_does_not_prevent_the_check_for_failed_runs(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    def before_call(method: str, _name: str) -> None:
        if method == "open_file":
            raise TransientError("500")

    fake.store.upload(NAME, GOOD)
    fake.age(seconds=601)
    fake.store.before_call = before_call
    failed(fake, minutes=3)
    with pytest.raises(TransientError, match="500"):
        sweep("tick-1", fake.deps)
    assert len(logged(caplog)) == 1
