"""The backlog, and waiting for files to leave it, with a clock that advances only when the code sleeps."""

from __future__ import annotations

import pytest

from spark_jobs.contract.file_ids import FileId
from spark_jobs.operator.backlog import (
    POLL_SECONDS,
    WaitTimeout,
    backlog,
    reason_of,
    rejected_since,
    state_of,
    wait_for,
)
from spark_jobs.settings import BucketLayout
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, NAME
from tests.spark_jobs.operator.conftest import LiveBucket

LAYOUT = BucketLayout(BUCKET)
OTHER = "source/order_tracking_2026_01_30.csv"


def wait(bucket: LiveBucket, files: list[FileId], timeout: float = 60) -> None:
    wait_for(files, bucket.deps, LAYOUT, timeout)


def test_the_backlog_lists_files_with_their_state_oldest_first(bucket: LiveBucket) -> None:
    store = bucket.fake.store
    bucket.validate(store.upload(NAME, GOOD).file)()
    bucket.sleep(10)
    store.upload("source/", b"")
    store.upload(OTHER, GOOD)
    bucket.sleep(10)
    store.upload("source/a/empty.csv", b"")
    assert [(stored.file.name, state_of(stored)) for stored in backlog(store, LAYOUT)] == [
        (NAME, "accepted"),
        (OTHER, "not validated yet"),
        ("source/a/empty.csv", "empty"),
    ]


def test_a_mark_of_another_contract_version_is_shown_as_such(bucket: LiveBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.validate(bucket.fake.store.upload(NAME, GOOD).file)()
    monkeypatch.setattr("spark_jobs.operator.backlog.CONTRACT_VERSION", 99)
    assert [*map(state_of, backlog(bucket.fake.store, LAYOUT))] == ["accepted under another contract version"]


def test_rejected_files_are_listed_latest_first_with_their_first_violation(bucket: LiveBucket) -> None:
    bucket.validate(bucket.fake.store.upload(OTHER, BAD_HEADER).file)()
    bucket.sleep(100)
    start = bucket.fake.clock()
    for name in (NAME, "source/x.csv"):
        bucket.validate(bucket.fake.store.upload(name, BAD_HEADER).file)()
        bucket.sleep(1)
    files = rejected_since(bucket.fake.store, LAYOUT, start)
    assert [file.name.rpartition(".")[0] for file in files] == ["rejected/x.csv", "rejected/order_tracking_2026_01_31.csv"]
    assert "must be named" in files[0].reason
    assert "no column" in files[1].reason


@pytest.mark.parametrize("report", [None, b"not JSON", b"[]", b'{"violations": []}', b'{"violations": ["x"]}'])
def test_a_missing_or_unreadable_report_is_mentioned_instead_of_a_reason(bucket: LiveBucket, report: bytes | None) -> None:
    bucket.rejected_file()
    (name,) = (n for n in bucket.fake.store.names("rejected/") if n.endswith(".report.json"))
    bucket.fake.store.delete(name)
    if report is not None:
        bucket.fake.store.write(BUCKET, name, report, "application/json")
    stored = bucket.fake.store.stat(BUCKET, name.removesuffix(".report.json"))
    assert stored is not None
    assert reason_of(bucket.fake.store, stored) == "its report is missing or unreadable"


def test_waiting_ends_when_the_last_file_has_left_and_reports_each_state_on_the_way(
    bucket: LiveBucket, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [bucket.fake.store.upload(name, GOOD).file for name in (OTHER, NAME)]
    bucket.schedule(
        bucket.validate(files[0]), bucket.archive(files[0]), bucket.validate(files[1]), bucket.archive(files[1])
    )
    wait(bucket, files)
    assert capsys.readouterr().err.splitlines() == [
        "0/2 left source/, 2 not validated yet",
        "0/2 left source/, 1 accepted, 1 not validated yet",
        "1/2 left source/, 1 not validated yet",
        "1/2 left source/, 1 accepted",
        "2/2 left source/",
    ]
    assert bucket.slept == [POLL_SECONDS] * 4


def test_waiting_ignores_later_uploads_even_under_the_same_name(bucket: LiveBucket) -> None:
    file = bucket.fake.store.upload(NAME, GOOD).file
    bucket.fake.store.upload(NAME, GOOD)
    bucket.fake.store.upload(NAME + "2", GOOD)
    wait(bucket, [file])
    wait(bucket, [])
    assert bucket.slept == []


def test_waiting_only_lists_objects_and_only_those_with_the_common_prefix(bucket: LiveBucket) -> None:
    file = bucket.fake.store.upload(NAME, GOOD).file
    bucket.fake.store.calls.clear()
    bucket.schedule(lambda: None, lambda: bucket.fake.store.delete(NAME))
    wait(bucket, [file])
    assert bucket.fake.store.calls == [("list_files", NAME)] * 3


def test_a_timeout_names_the_files_and_what_to_do(bucket: LiveBucket) -> None:
    names = [f"source/order_tracking_2026_01_{day:02d}.csv" for day in range(1, 6)]
    files = [bucket.fake.store.upload(name, GOOD).file for name in names]
    bucket.validate(files[1])()
    bucket.schedule(bucket.archive(files[0]))
    with pytest.raises(WaitTimeout) as timeout:
        wait(bucket, files, 7)
    assert str(timeout.value) == (
        f"4 of 5 files are still waiting after 7 s: {names[1]} (accepted), {names[2]} (not validated yet), {names[3]}"
        " (not validated yet) and 1 more; accepted files wait for a run (status --job-id shows the latest runs); files not"
        " validated yet wait for the function (see its log; the sweep recovers lost events)"
    )
    assert sum(bucket.slept) == 7


def test_a_timeout_of_zero_looks_once(bucket: LiveBucket) -> None:
    file = bucket.fake.store.upload("source/\x1b[31mred.csv", GOOD).file
    with pytest.raises(WaitTimeout, match=r"source/\\x1b\[31mred\.csv"):
        wait(bucket, [file], 0)
    assert bucket.slept == []
