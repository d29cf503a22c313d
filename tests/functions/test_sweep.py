"""Files that stay in source/ are handled again after the grace period: missed event, crashed function, failed run."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from functions.handler import handle_upload
from functions.sweep import BUDGET_SECONDS, CHANGES_TASK, LOOK_BACK, UNBALANCED, sweep
from spark_jobs.cli import UnbalancedLog, check_balance
from spark_jobs.cloud.ports import FailedRun, TransientError
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.contract.parameters import RunParameters
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, NAME, FakeDependencies

TICKS = timedelta(minutes=10)
NAMES = [f"source/order_tracking_2026_01_{day:02d}.csv" for day in range(1, 8)]


@pytest.fixture
def fake() -> FakeDependencies:
    return FakeDependencies()


@pytest.fixture(autouse=True)
def _shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", logger="functions")


def marked(fake: FakeDependencies) -> set[str]:
    objects = (held.stored for held in fake.store.objects.values())
    return {s.file.name for s in objects if AcceptedMark.valid_on(s.file.generation, s.metageneration, s.size, s.metadata)}


def test_files_whose_event_was_lost_are_validated_and_share_one_run(fake: FakeDependencies) -> None:
    for name in NAMES[:-1]:
        fake.store.upload(name, GOOD)
    fake.store.upload(NAMES[-1], BAD_HEADER)
    fake.age(seconds=601)
    sweep("tick-1", fake.deps)
    assert marked(fake) == set(NAMES[:-1])
    assert len(fake.store.names("rejected/")) == 2
    assert len(fake.job.runs) == 1


def test_a_file_within_the_grace_period_is_left_to_its_event(fake: FakeDependencies) -> None:
    fake.store.upload(NAMES[0], GOOD)
    fake.age(seconds=599)
    sweep("tick-1", fake.deps)
    assert marked(fake) == set()
    assert fake.job.runs == {}


def test_a_marked_file_whose_run_failed_gets_a_new_run_with_the_token_of_the_tick(fake: FakeDependencies) -> None:
    """The window's token would return the failed run forever."""
    handle_upload(fake.store.upload(NAMES[0], GOOD).file, fake.deps)
    fake.age(seconds=601)
    sweep("tick-1", fake.deps)
    sweep("tick-1", fake.deps)
    assert len(fake.job.runs) == 2, "a tick delivered twice launches once"
    sweep("tick-2", fake.deps)
    assert len(fake.job.runs) == 3


def test_nothing_is_launched_while_a_run_is_queued_or_running(fake: FakeDependencies) -> None:
    fake.store.upload(NAMES[0], GOOD)
    fake.age(seconds=601)
    fake.job.active = True
    sweep("tick-1", fake.deps)
    assert fake.job.runs == {}
    assert marked(fake) == {NAMES[0]}, "validated nevertheless"


def test_without_waiting_files_an_outage_of_databricks_is_no_error(fake: FakeDependencies) -> None:
    fake.job.error = "down"
    sweep("tick-1", fake.deps)
    assert fake.job.runs == {}


def test_a_file_marked_under_an_older_contract_is_validated_and_marked_again(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAMES[0], GOOD)
    old = AcceptedMark(upload.file.generation, 0, 1, 0, partial=False, splittable=True)
    assert fake.store.annotate(upload, old.as_metadata())
    fake.age(seconds=601)
    sweep("tick-1", fake.deps)
    stored = fake.store.objects[BUCKET, NAMES[0]].stored
    mark = AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata)
    assert mark is not None
    assert mark.contract_version == CONTRACT_VERSION


def test_a_transient_error_in_one_file_does_not_block_the_others_and_is_raised_at_the_end(fake: FakeDependencies) -> None:
    for name in NAMES:
        fake.store.upload(name, GOOD)
    fake.age(seconds=601)

    def before_call(method: str, name: str) -> None:
        if method == "open_file" and name == NAMES[3]:
            raise TransientError("500")

    fake.store.before_call = before_call
    with pytest.raises(TransientError):
        sweep("tick-1", fake.deps)
    assert marked(fake) == set(NAMES) - {NAMES[3]}
    assert len(fake.job.runs) == 1


def test_an_unexpected_error_in_one_file_is_logged_with_its_traceback_and_does_not_block_the_others(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    for name in NAMES:
        fake.store.upload(name, GOOD)
    fake.age(seconds=601)

    def fail(method: str, name: str) -> None:
        if method == "annotate" and name == NAMES[3]:
            raise AssertionError("a bug")

    fake.store.before_call = fail
    with pytest.raises(AssertionError, match="a bug"):
        sweep("tick-1", fake.deps)
    assert marked(fake) == set(NAMES) - {NAMES[3]}
    assert len(fake.job.runs) == 1
    (record,) = [record for record in caplog.records if record.getMessage() == "not processed"]
    assert record.exc_info
    assert NAMES[3] in vars(record)["file"]


def test_a_tick_stops_when_it_is_out_of_time_and_a_later_one_handles_the_rest(fake: FakeDependencies) -> None:
    for name in NAMES:
        fake.store.upload(name, GOOD)
    fake.age(seconds=601)
    fake.store.before_call = lambda method, _name: (
        fake.age(seconds=BUDGET_SECONDS / 2 + 1) if method == "open_file" else None
    )
    sweep("tick-1", fake.deps)
    assert len(marked(fake)) == 2
    fake.store.before_call = lambda *_: None
    sweep("tick-2", fake.deps)
    assert marked(fake) == set(NAMES)


def test_an_object_that_stays_empty_is_reported_and_never_moved(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    fake.store.upload(NAMES[0], b"")
    fake.age(hours=25)
    with caplog.at_level("WARNING", logger="functions"):
        sweep("tick-1", fake.deps)
    assert "stale_empty" in caplog.text
    assert fake.store.names() == [NAMES[0]]
    assert fake.job.runs == {}


# --- LAUNCH=never: a continuous run takes the files -----------------------------------------


def overdue(fake: FakeDependencies) -> FakeDependencies:
    fake.store.upload(NAME, GOOD)
    fake.age(seconds=601)
    return fake


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_while_a_continuous_run_is_alive_the_sweep_marks_files_and_launches_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = overdue(FakeDependencies.live())
    sweep("tick-1", fake.deps)
    assert marked(fake) == {NAME}
    assert fake.job.runs == {}
    assert errors(caplog) == []


def test_without_a_continuous_run_the_sweep_says_so_and_its_own_run_takes_the_files(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = overdue(FakeDependencies.live(alive=False))
    sweep("tick-1", fake.deps)
    assert len(fake.job.runs) == 1
    assert errors(caplog) == ["no continuous run is known to be alive: the job has none"]
    assert fake.continuous_job
    assert fake.continuous_job.runs == {}, "a continuous job starts its runs itself"


def test_that_no_continuous_run_is_alive_is_an_error_even_if_no_file_waits(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeDependencies.live(alive=False)
    sweep("tick-1", fake.deps)
    assert len(errors(caplog)) == 1
    assert fake.job.runs == {}


def test_a_continuous_job_that_is_gone_does_not_keep_the_sweep_from_launching(caplog: pytest.LogCaptureFixture) -> None:
    """As while an installation is switched back: the job is deleted before the function is deployed."""
    fake = overdue(FakeDependencies.live())
    assert fake.continuous_job
    fake.continuous_job.error = "Job 88 does not exist."
    sweep("tick-1", fake.deps)
    assert len(fake.job.runs) == 1
    assert errors(caplog) == ["no continuous run is known to be alive: Job 88 does not exist."]


def test_failed_runs_of_both_jobs_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeDependencies.live()
    assert fake.continuous_job
    failed(fake, "of the job")
    fake.continuous_job.failed.append(FailedRun(8, fake.clock(), "of the continuous job", "ingest"))
    sweep("tick-1", fake.deps)
    assert logged(caplog) == ["run failed: of the job", "run failed: of the continuous job"]


# --- failed runs: logged once per instance, never in the way of the files --------------------


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
    sweep("tick-1", fake.deps)
    assert len(fake.job.runs) == 1
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


def test_a_failed_publication_of_changes_is_not_called_a_failed_run(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    for task in ("ingest", CHANGES_TASK):
        fake.job.failed.append(FailedRun(7, fake.clock(), "PublishFailed: 503", task))
    instance = fake.deps
    sweep("tick-1", instance)
    sweep("tick-2", instance)
    assert logged(caplog) == ["run failed: PublishFailed: 503", "changes not published: PublishFailed: 503"]
