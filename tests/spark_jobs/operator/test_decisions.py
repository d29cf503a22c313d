"""Rejecting and retrying waiting files by hand: complete, idempotent, and never for a merged file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from spark_jobs import bootstrap
from spark_jobs.cloud.ports import NoLogin, TransientError
from spark_jobs.operator.decisions import CODE, Refused, find_waiting, reject_file, request_retry
from spark_jobs.settings import BucketLayout, SettingsError
from spark_jobs.steps.take import look_up
from spark_jobs.store import session
from tests.fakes.dependencies import BUCKET, GOOD, NAME
from tests.fakes.job import FakeJob
from tests.spark_jobs.harness import Crash, JobHarness, crash_at, csv, row
from tests.spark_jobs.operator.conftest import CommandLine, LiveBucket, invoke

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_jobs.cloud.ports import StoredFile


LAYOUT = BucketLayout(BUCKET)
TABLES = ("--warehouse", "nowhere")


def test_a_waiting_file_can_be_named_in_three_ways(bucket: LiveBucket) -> None:
    stored = bucket.fake.store.upload(NAME, GOOD)
    for name in (NAME, NAME.removeprefix("source/"), str(stored.file)):
        assert find_waiting(bucket.fake.store, LAYOUT, name) == stored


@pytest.mark.parametrize("name", ["order_tracking_2026_01_30.csv", "", "source/", "rejected/x.csv"])
def test_a_file_that_is_not_in_the_source_folder_is_refused(bucket: LiveBucket, name: str) -> None:
    bucket.fake.store.upload(NAME, GOOD)
    bucket.fake.store.upload("source/", b"")
    with pytest.raises(Refused, match="is not in source/ of bucket orders-data"):
        find_waiting(bucket.fake.store, LAYOUT, name)


def test_an_overwritten_generation_is_refused_with_the_new_one(bucket: LiveBucket) -> None:
    old, new = (bucket.fake.store.upload(NAME, GOOD).file for _ in range(2))
    with pytest.raises(Refused, match=f"is no longer in source/: generation {new.generation} replaced it"):
        find_waiting(bucket.fake.store, LAYOUT, str(old))


@pytest.mark.parametrize("command", [("reject", "--reason", "x"), ("retry",)])
def test_a_file_that_is_not_waiting_is_refused_before_spark_starts(
    command_line: CommandLine, command: tuple[str, ...]
) -> None:
    with pytest.raises(Refused, match="is not in source/"):
        command_line(command[0], *TABLES, *command[1:], "order_tracking_2026_01_31.csv")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301, "two\nlines", "\x1b[31m"])
def test_a_reason_is_one_printable_line(bucket: LiveBucket, command_line: CommandLine, reason: str) -> None:
    bucket.fake.store.upload(NAME, GOOD)
    with pytest.raises(SettingsError, match="--reason must be one line"):
        command_line("reject", *TABLES, NAME, "--reason", reason)
    assert "--reason" in command_line("reject", *TABLES, NAME).stderr, "it is required"


def test_while_a_run_is_active_nothing_is_rejected(
    bucket: LiveBucket, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.fake.store.upload(NAME, GOOD)
    monkeypatch.setattr(bootstrap, "build_job", lambda job_id: FakeJob(active=True))
    with pytest.raises(Refused, match="job 7 has an active run"):
        command_line("reject", *TABLES, NAME, "--reason", "x", "--job-id", "7")


@pytest.fixture(scope="module")
def harness(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobHarness:
    return JobHarness(spark, tmp_path_factory.mktemp("reject"))


_days = iter(range(1, 29))


@pytest.fixture
def waiting(harness: JobHarness) -> Iterator[StoredFile]:
    day = next(_days)
    stored = harness.day(day, row(f"K{day}"), row(f"L{day}"))
    yield stored
    harness.store.delete(stored.file.name)


def reject(harness: JobHarness, stored: StoredFile, checkpoint: Callable[[str], None] = lambda step: None) -> Any:
    return reject_file(harness.run(checkpoint), str(stored.file), "test data")


def test_a_rejected_file_has_a_report_a_log_line_an_outcome_and_leaves_the_source_folder(
    harness: JobHarness, waiting: StoredFile
) -> None:
    harness.announcer.outcomes.clear()
    rejected = reject(harness, waiting)
    assert rejected.reason == f"{CODE}: an operator rejected the file: test data"
    report = json.loads(harness.store.content(rejected.report))
    assert (report["verdict"], report["counts"], report["rows"], report["bad_rows"]) == ("rejected", {CODE: {"": 1}}, 2, 0)
    line = harness.log()[str(waiting.file)]
    assert (line["outcome"], line["reason"], line["report"]) == ("rejected", rejected.reason, rejected.report)
    assert (line["rows"], line["rejected_rows"], line["attempts"]) == (2, 0, 0)
    assert [(outcome.file, outcome.kind, outcome.reason) for outcome in harness.announcer.outcomes] == [
        (waiting.file, "rejected", rejected.reason)
    ]
    assert harness.store.stat("orders-data", waiting.file.name) is None
    assert harness.store.stat("orders-data", rejected.place) is not None
    with pytest.raises(Refused, match="is not in source/"):
        reject(harness, waiting)


@pytest.mark.parametrize("step", ["recorded", "announced"])
def test_an_interrupted_rejection_is_finished_by_repeating_it(harness: JobHarness, waiting: StoredFile, step: str) -> None:
    with pytest.raises(Crash):
        reject(harness, waiting, crash_at(step))
    line = harness.log().get(str(waiting.file))
    rejected = reject(harness, waiting)
    assert line in (None, harness.log()[str(waiting.file)])
    assert harness.store.stat("orders-data", rejected.place) is not None
    assert {outcome.kind for outcome in harness.announcer.outcomes if outcome.file == waiting.file} == {"rejected"}


def test_a_file_that_cannot_be_moved_is_one_sentence(harness: JobHarness, waiting: StoredFile) -> None:
    def refuse(method: str, name: str) -> None:
        if method == "move":
            raise TransientError("Forbidden: retention policy")

    harness.store.before_call = refuse
    try:
        with pytest.raises(Refused, match=r"retention policy.*; the next run retries this"):
            reject(harness, waiting)
    finally:
        harness.store.before_call = lambda method, name: None


@pytest.mark.parametrize("outranked", [False, True], ids=["in the target", "only in the change feed"])
def test_a_file_with_rows_in_the_target_is_refused(harness: JobHarness, waiting: StoredFile, outranked: bool) -> None:
    with pytest.raises(Crash):
        harness.ingest(crash_at("merged"))
    if outranked:
        target = harness.tables.target
        harness.spark.sql(f"DELETE FROM {target} WHERE file_id = '{waiting.file}'").collect()
    with pytest.raises(Refused, match="can't be rejected: rows of it are already in the target"):
        reject(harness, waiting)
    assert str(waiting.file) not in harness.log()
    assert not harness.store.names(waiting.file.name.replace("source/", "rejected/"))


def test_a_merged_file_that_only_has_to_be_moved_is_refused(harness: JobHarness, waiting: StoredFile) -> None:
    def crash(step: str) -> None:
        # The run first settles what earlier tests left behind.
        if step == "recorded" and str(waiting.file) in harness.log():
            raise Crash(step)

    with pytest.raises(Crash):
        harness.ingest(crash)
    for command in (reject, lambda *_: request_retry(harness.run(), str(waiting.file))):
        with pytest.raises(Refused, match="is already in the log as merged: the next run moves it"):
            command(harness, waiting)


def no_login(method: str, name: str) -> None:
    raise NoLogin("Cloud Storage: no login")


def test_a_parked_file_is_shown_retried_first_and_merged(
    harness: JobHarness, waiting: StoredFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parked() -> list[dict[str, Any]]:
        lines = json.loads(invoke("status", *tables, "--json").stdout)["parked"]
        return [line for line in lines if line["file"] == str(waiting.file)]

    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings, **_: harness.deps())
    monkeypatch.setattr(session, "open_session", lambda: harness.spark)
    tables = ("--warehouse", harness.settings.warehouse)
    for _ in range(2):
        with pytest.raises(Crash):
            harness.ingest(crash_at("taken"))
        harness.clock.advance(60)
    (line,) = parked()
    assert line["attempts"] == 2
    assert line["next_try"] > line["last_attempt"]
    assert line["last_error"].startswith("see the log of the run that began at")
    assert "decide with order-tracking reject or retry" in invoke("status", *tables, "--file", waiting.file.name).stdout
    harness.store.before_call = no_login
    assert parked() == [line], "without the bucket, the attempts say it"
    harness.store.before_call = lambda method, name: None
    harness.ingest()
    assert str(waiting.file) not in harness.log(), "it is not due yet"

    for _ in range(2):
        assert invoke("retry", *tables, str(waiting.file)).stdout == f"the next run takes {waiting.file} first\n"
    known = look_up(harness.run(), [waiting.file])
    assert known.attempts(waiting.file).retry_requested
    assert parked() == []
    harness.clock.advance(60)
    harness.ingest()
    line = harness.log()[str(waiting.file)]
    assert (line["outcome"], line["balanced"], line["attempts"]) == ("merged", True, 3)


def test_a_file_that_is_not_accepted_cannot_be_retried(harness: JobHarness) -> None:
    stored = harness.store.upload("source/order_tracking_2026_02_01.csv", csv(row("X")))
    with pytest.raises(Refused, match="can't be retried: it is not validated yet"):
        request_retry(harness.run(), str(stored.file))
    harness.store.delete(stored.file.name)
