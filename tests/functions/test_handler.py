"""The result of one upload: the objects in the bucket, the announced outcomes and the launched runs."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud import storage

from functions.config import Config
from functions.handler import handle_upload
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.cloud.ports import FileRefused, TransientError
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import CUSTOMER_ORDERS
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, NAME, FakeDependencies
from tests.storage_fixtures import client_for, storage_process


@pytest.fixture
def fake() -> FakeDependencies:
    return FakeDependencies()


def mark_of(fake: FakeDependencies, name: str = NAME) -> AcceptedMark | None:
    stored = fake.store.objects[BUCKET, name].stored
    return AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata)


def test_a_valid_file_is_marked_in_place_and_a_run_is_launched(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, GOOD)
    handle_upload(upload.file, fake.deps)
    mark = mark_of(fake)
    assert mark is not None
    assert (mark.rows, mark.bad_rows, mark.partial, mark.splittable) == (1, 0, False, True)
    assert len(fake.job.runs) == 1
    assert fake.announcer.outcomes == []


def test_with_launch_never_a_valid_file_is_marked_and_databricks_is_not_called() -> None:
    fake = FakeDependencies.live()
    assert fake.continuous_job
    fake.job.error = fake.continuous_job.error = "Databricks is down"
    handle_upload(fake.store.upload(NAME, GOOD).file, fake.deps)
    assert mark_of(fake)
    assert fake.job.runs == {}


def test_a_repeated_event_launches_without_reading_the_file_again(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, GOOD)
    handle_upload(upload.file, fake.deps)
    fake.store.calls.clear()
    handle_upload(upload.file, fake.deps)
    assert fake.store.calls == [("stat", NAME)]
    assert len(fake.job.runs) == 1, "the same window, the same run"


def test_within_a_window_one_instance_makes_no_calls_for_a_repeated_event(fake: FakeDependencies) -> None:
    upload, instance = fake.store.upload(NAME, GOOD), fake.deps
    handle_upload(upload.file, instance)
    fake.store.calls.clear()
    handle_upload(upload.file, instance)
    assert fake.store.calls == []
    fake.age(seconds=30)
    handle_upload(upload.file, instance)
    assert fake.store.calls == [("stat", NAME)]
    assert len(fake.job.runs) == 2


def test_an_event_whose_launch_failed_is_not_treated_as_repeated(fake: FakeDependencies) -> None:
    upload, instance = fake.store.upload(NAME, GOOD), fake.deps
    fake.job.error = "503"
    with pytest.raises(TransientError):
        handle_upload(upload.file, instance)
    fake.job.error = None
    handle_upload(upload.file, instance)
    assert len(fake.job.runs) == 1


def test_a_rejected_file_is_reported_announced_and_moved_with_its_generation_in_the_name(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, BAD_HEADER)
    handle_upload(upload.file, fake.deps)
    moved = f"rejected/order_tracking_2026_01_31.csv.{upload.file.generation}"
    assert fake.store.names() == [moved, moved + ".report.json"]
    assert fake.store.content(moved) == BAD_HEADER
    report = json.loads(fake.store.content(moved + ".report.json"))
    assert report["verdict"] == "rejected"
    assert report["violations"][0]["code"] == "missing_column"
    assert report["summary"]
    (outcome,) = fake.announcer.outcomes
    assert (outcome.kind, outcome.file, outcome.report) == ("rejected", upload.file, moved + ".report.json")
    assert outcome.feed == report["feed"] == "order_tracking"
    assert fake.job.runs == {}


def test_the_name_determines_the_feed_by_which_a_file_is_validated(fake: FakeDependencies) -> None:
    row = 'O1,C1,,,,2026-01-30 09:00:00,paid,"[{}]",EUR,1.00,,,,,paid,,2026-01-31 10:00:00'
    orders = f"{','.join(CUSTOMER_ORDERS.column_names)}\n{row}\n".encode()
    upload = fake.store.upload("source/shop/customer_orders_2026_01_31.csv", orders)
    handle_upload(upload.file, fake.deps)
    (outcome,) = fake.announcer.outcomes
    assert (outcome.feed, outcome.rows, outcome.rejected_rows) == ("customer_orders", 1, 1)
    assert outcome.report is not None
    report = json.loads(fake.store.content(outcome.report))
    assert [violation["column"] for violation in report["violations"]] == [None, "status", "items[0].product_id"]
    upload = fake.store.upload("source/customer_orders_2026_01_31.csv", orders.split(b"\n")[0] + b"\n")
    handle_upload(upload.file, fake.deps)
    mark = mark_of(fake, upload.file.name)
    assert mark is not None
    assert mark.feed == "customer_orders"


def test_the_outcome_of_a_file_whose_name_matches_no_feed_names_none(
    fake: FakeDependencies, caplog: pytest.LogCaptureFixture
) -> None:
    upload = fake.store.upload("source/orders.csv", GOOD)
    with caplog.at_level("INFO"):
        handle_upload(upload.file, fake.deps)
    (outcome,) = fake.announcer.outcomes
    assert outcome.feed == ""
    assert outcome.reason is not None
    assert "order_tracking_YYYY_MM_DD.csv or customer_orders_YYYY_MM_DD.csv" in outcome.reason
    assert [getattr(record, "feed", None) for record in caplog.records] == [""]


def test_an_object_with_a_content_encoding_is_rejected_unread(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, GOOD, content_encoding="gzip")
    handle_upload(upload.file, fake.deps)
    moved = f"rejected/order_tracking_2026_01_31.csv.{upload.file.generation}"
    report = json.loads(fake.store.content(moved + ".report.json"))
    assert [violation["code"] for violation in report["violations"]] == ["content_encoding"]
    assert report["counts"] == {"content_encoding": {"": 1}}
    assert not {"open_file", "read"} & {method for method, _ in fake.store.calls}
    assert fake.job.runs == {}


@pytest.mark.servers
def test_a_file_whose_metadata_leaves_no_room_for_the_mark_is_rejected(bucket: storage.Bucket) -> None:
    fake = FakeDependencies(Config(job_id=77, source_bucket=str(bucket.name)))
    fake.store = GcsFileStore(bucket.client)  # type: ignore[assignment]
    blob = bucket.blob(NAME)
    blob.metadata = {"note": "x" * 8100}
    blob.upload_from_string(GOOD, content_type="text/csv")
    handle_upload(FileId(str(bucket.name), NAME, int(blob.generation)), fake.deps)
    report = json.loads(
        bucket.blob(f"rejected/order_tracking_2026_01_31.csv.{blob.generation}.report.json").download_as_text()
    )
    assert [violation["code"] for violation in report["violations"]] == ["metadata"]
    assert report["rows"] == 1
    assert bucket.get_blob(NAME) is None
    assert fake.job.runs == {}


def test_a_mark_that_is_refused_for_another_reason_rejects_nothing(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, GOOD, metadata={"carrier": "dhl"})

    def refuse(method: str, _name: str) -> None:
        if method == "annotate":
            raise FileRefused("Invalid argument.")

    fake.store.before_call = refuse
    handle_upload(upload.file, fake.deps)
    assert fake.store.names() == [NAME]


@pytest.mark.parametrize("broken", ["write", "announce", "move"])
def test_a_rejection_that_fails_at_any_step_is_completed_by_the_retry(fake: FakeDependencies, broken: str) -> None:
    upload = fake.store.upload(NAME, BAD_HEADER)
    fail_once(fake, broken)
    with pytest.raises(TransientError):
        handle_upload(upload.file, fake.deps)
    assert NAME in fake.store.names(), "the file must leave source/ in the last step"
    handle_upload(upload.file, fake.deps)
    assert [name for name in fake.store.names() if name.startswith("source/")] == []
    assert len(fake.store.names("rejected/")) == 2
    assert {outcome.file for outcome in fake.announcer.outcomes} == {upload.file}


@pytest.mark.parametrize("broken", ["stat", "open_file", "read", "annotate", "launch"])
def test_a_transient_error_raises_so_that_the_event_is_retried(fake: FakeDependencies, broken: str) -> None:
    upload = fake.store.upload(NAME, GOOD)
    fail_once(fake, broken)
    with pytest.raises(TransientError):
        handle_upload(upload.file, fake.deps)
    assert fake.store.names() == [NAME]
    handle_upload(upload.file, fake.deps)
    assert mark_of(fake)
    assert len(fake.job.runs) == 1


def test_an_object_that_the_service_refuses_permanently_is_acknowledged_and_stays(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, GOOD)

    def refuse(method: str, _name: str) -> None:
        if method == "stat":
            raise FileRefused("Invalid argument.")

    fake.store.before_call = refuse
    handle_upload(upload.file, fake.deps)
    assert fake.job.runs == {}


@pytest.mark.parametrize("moment", ["stat", "open_file", "read", "annotate"])
@pytest.mark.parametrize("content", [GOOD, BAD_HEADER], ids=["good", "bad"])
def test_after_an_overwrite_at_any_moment_the_newer_generation_is_unmarked_and_in_place(
    fake: FakeDependencies, moment: str, content: bytes
) -> None:
    """Each generation is validated separately: the older event must neither mark nor move the newer generation."""
    upload = fake.store.upload(NAME, content)
    happen_once(fake, moment, lambda: fake.store.upload(NAME, GOOD + GOOD.splitlines()[1]))
    handle_upload(upload.file, fake.deps)
    if moment == "annotate" and content is BAD_HEADER:
        assert NAME not in fake.store.names(), "a rejected file is never annotated, so the overwrite didn't happen"
        return
    assert mark_of(fake) is None
    assert NAME in fake.store.names()
    assert fake.job.runs == {}


def test_after_an_overwrite_just_before_the_move_the_newer_generation_stays(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, BAD_HEADER)
    happen_once(fake, "move", lambda: fake.store.upload(NAME, GOOD))
    handle_upload(upload.file, fake.deps)
    assert fake.store.content(NAME) == GOOD


def test_a_mark_copied_by_an_overwrite_is_void(fake: FakeDependencies) -> None:
    first = fake.store.upload(NAME, GOOD)
    handle_upload(first.file, fake.deps)
    carried = fake.store.objects[BUCKET, NAME].stored.metadata
    second = fake.store.upload(NAME, BAD_HEADER, metadata=carried)
    handle_upload(second.file, fake.deps)
    assert fake.store.names("source/") == []
    assert fake.store.content(f"rejected/order_tracking_2026_01_31.csv.{second.file.generation}") == BAD_HEADER


def test_a_concurrent_metadata_patch_only_causes_another_attempt(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, GOOD)

    def patch() -> None:
        stored = fake.store.objects[BUCKET, NAME].stored
        fake.store.annotate(stored, {"carrier": "dhl"})

    happen_once(fake, "annotate", patch)
    handle_upload(upload.file, fake.deps)
    assert mark_of(fake)
    assert fake.store.objects[BUCKET, NAME].stored.metadata["carrier"] == "dhl"


def test_empty_objects_and_objects_outside_source_are_left_alone(fake: FakeDependencies) -> None:
    for name in (NAME, "archive/x.csv", "source/folder/"):
        handle_upload(fake.store.upload(name, b"").file, fake.deps)
    assert fake.store.names() == sorted([NAME, "archive/x.csv", "source/folder/"])
    assert fake.job.runs == {}


@pytest.mark.parametrize(
    "relative",
    [
        "orders.csv",
        "order_tracking_2026_02_30.csv",
        "a b/#?/..\\x.csv",
        "é" * 500 + ".csv",
        "x" * 1017,
        "../order_tracking_2026_01_31.csv",
    ],
)
def test_a_file_with_an_invalid_name_is_rejected_unread_under_a_name_that_fits(
    fake: FakeDependencies, relative: str
) -> None:
    upload = fake.store.upload("source/" + relative, GOOD)
    handle_upload(upload.file, fake.deps)
    assert fake.store.names("source/") == []
    assert all(len(name.encode()) <= 1024 for name in fake.store.names("rejected/"))
    (report,) = (json.loads(fake.store.content(n)) for n in fake.store.names("rejected/") if n.endswith(".report.json"))
    assert report["file"] == str(upload.file), "the report must have the full name"
    assert ("read", upload.file.name) not in fake.store.calls, "the file must not be read"


def test_a_file_that_takes_too_long_is_accepted_on_the_validated_part(fake: FakeDependencies) -> None:
    rows = b"".join(b"A1,T%d,,,shipped,,2026-01-31 10:00:00\n" % n for n in range(20_000))
    upload = fake.store.upload(NAME, GOOD + rows)
    fake.store.before_call = lambda method, _name: fake.age(seconds=301) if method == "read" else None
    handle_upload(upload.file, fake.deps)
    mark = mark_of(fake)
    assert mark is not None
    assert mark.partial
    assert len(fake.job.runs) == 1


@pytest.mark.servers
def test_a_perfectly_forged_mark_does_not_bypass_validation(tmp_path: Path) -> None:
    """It even names the right generation, which a real sender would have to guess."""
    with storage_process(tmp_path) as server:
        client_for(server.url).create_bucket(BUCKET)
    generation = time.time_ns() // 1000 + 3_600_000_000
    with sqlite3.connect(tmp_path / "storage.db") as connection:
        connection.execute("INSERT OR REPLACE INTO counters VALUES ('generation', ?)", (generation - 1,))
    with storage_process(tmp_path) as server:
        bucket = client_for(server.url).bucket(BUCKET)
        blob = bucket.blob(NAME)
        forged = AcceptedMark(generation, CONTRACT_VERSION, rows=1, bad_rows=0, partial=False, splittable=True)
        blob.metadata = forged.as_metadata()
        blob.upload_from_string(BAD_HEADER, content_type="text/csv")
        assert (blob.generation, blob.metageneration) == (generation, 1)
        assert AcceptedMark.valid_on(generation, 2, len(BAD_HEADER), blob.metadata) == forged
        fake = FakeDependencies()
        fake.store = GcsFileStore(bucket.client)  # type: ignore[assignment]
        handle_upload(FileId(BUCKET, NAME, generation), fake.deps)
        assert fake.job.runs == {}
        assert [outcome.kind for outcome in fake.announcer.outcomes] == ["rejected"]
        assert bucket.get_blob(NAME) is None


def happen_once(fake: FakeDependencies, moment: str, what: Callable[[], object]) -> None:
    """Make something happen just before the store's method of that name runs."""

    def before_call(method: str, _name: str) -> None:
        if method == moment:
            fake.store.before_call = lambda *_: None
            what()

    fake.store.before_call = before_call


def fail_once(fake: FakeDependencies, where: str) -> None:
    """Make one call fail with a transient error."""

    def fail() -> None:
        raise TransientError("503")

    if where == "launch":
        original = fake.job.launch

        def launch(token: str, parameters: object) -> int:
            fake.job.launch = original  # type: ignore[method-assign]
            raise TransientError("503")

        fake.job.launch = launch  # type: ignore[method-assign]
    elif where == "announce":

        def once() -> None:
            fake.announcer.before_call = lambda: None
            fail()

        fake.announcer.before_call = once
    else:
        happen_once(fake, where, fail)
