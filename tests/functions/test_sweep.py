"""Files that stay in source/ are handled again after the grace period: missed event, crashed function, failed run."""

from __future__ import annotations

import pytest

from functions.handler import handle_upload
from functions.sweep import BUDGET_SECONDS, sweep
from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.marks import AcceptedMark
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, FakeDependencies

NAMES = [f"source/order_tracking_2026_01_{day:02d}.csv" for day in range(1, 8)]


@pytest.fixture
def fake() -> FakeDependencies:
    return FakeDependencies()


def marked(fake: FakeDependencies) -> set[str]:
    objects = (held.stored for held in fake.store.objects.values())
    return {s.file.name for s in objects if AcceptedMark.valid_on(s.file.generation, s.metageneration, s.size, s.metadata)}


def test_files_whose_event_was_lost_are_validated_and_share_one_run(fake: FakeDependencies) -> None:
    for name in NAMES[:-1]:
        fake.store.upload(name, GOOD)
    fake.store.upload(NAMES[-1], BAD_HEADER)
    fake.age(seconds=601)
    sweep_result = sweep("tick-1", fake.deps)
    assert marked(fake) == set(NAMES[:-1])
    assert len(fake.store.names("rejected/")) == 2
    assert len(fake.job.runs) == 1
    assert (sweep_result.overdue, sweep_result.waiting) == (7, 6)


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
    assert sweep("tick-1", fake.deps).run_id is None
    assert marked(fake) == {NAMES[0]}, "validated nevertheless"


def test_without_waiting_files_an_outage_of_databricks_is_no_error(fake: FakeDependencies) -> None:
    fake.job.error = "down"
    assert sweep("tick-1", fake.deps).run_id is None


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
