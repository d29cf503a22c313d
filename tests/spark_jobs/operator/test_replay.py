"""Replays: copies, to places that no upload shares, with the arrival of the first time, and nothing lost."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from functions.handler import handle_upload
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.marks import AcceptedMark, arrival_of
from spark_jobs.contract.object_names import archive_name
from spark_jobs.operator.replay import Wanted, carry_out, plan
from spark_jobs.settings import BucketLayout, SettingsError
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, NAME, FakeDependencies

PLACES = BucketLayout(BUCKET)


@pytest.fixture
def fake() -> FakeDependencies:
    return FakeDependencies()


def merged(fake: FakeDependencies, content: bytes = GOOD, name: str = NAME) -> int:
    """Upload, accept and archive, as function and job do; the generation."""
    file = fake.store.upload(name, content).file
    handle_upload(file, fake.deps)
    assert fake.store.move(file, archive_name(ORDER_TRACKING, file, PLACES.source_prefix, PLACES.archive_prefix))
    return file.generation


def replay(fake: FakeDependencies, *files: str, first: date | None = None, last: date | None = None) -> list[str]:
    return [carry_out(fake.store, r).answer for r in plan(fake.store, ORDER_TRACKING, PLACES, Wanted(files, first, last))]


@pytest.mark.parametrize("spelling", ["order_tracking_2026_01_31.csv", NAME, "archive", "id"])
def test_an_archived_file_is_copied_back_under_each_of_its_names(fake: FakeDependencies, spelling: str) -> None:
    generation = merged(fake)
    (archived,) = fake.store.names("archive/")
    names = {"archive": archived, "id": f"{BUCKET}/{NAME}#{generation}"}
    assert replay(fake, names.get(spelling, spelling)) == ["copied"]
    assert fake.store.names() == [archived, f"source/replay/{generation}/order_tracking_2026_01_31.csv"]


def test_the_copy_is_judged_by_the_arrival_of_the_first_time_and_its_old_mark_is_void(fake: FakeDependencies) -> None:
    first_arrival = fake.clock()
    generation = merged(fake)
    fake.age(days=30)
    replay(fake, NAME)
    stored = fake.store.objects[BUCKET, f"source/replay/{generation}/order_tracking_2026_01_31.csv"].stored
    assert arrival_of(stored.file.name, "source/", stored.created, stored.metadata) == first_arrival
    assert AcceptedMark.valid_on(stored.file.generation, 2, stored.size, stored.metadata) is None
    handle_upload(stored.file, fake.deps)
    again = fake.store.objects[BUCKET, stored.file.name].stored
    mark = AcceptedMark.valid_on(again.file.generation, again.metageneration, again.size, again.metadata)
    assert mark is not None
    assert mark.arrival == first_arrival.isoformat()


def test_a_rejected_file_comes_back_with_the_arrival_that_its_report_names(fake: FakeDependencies) -> None:
    arrival = fake.clock()
    upload = fake.store.upload(NAME, BAD_HEADER)
    handle_upload(upload.file, fake.deps)
    fake.age(days=3)
    assert replay(fake, NAME) == ["copied"], "the report beside it is not taken for a file"
    copy = fake.store.objects[BUCKET, f"source/replay/{upload.file.generation}/order_tracking_2026_01_31.csv"]
    assert copy.content == BAD_HEADER
    assert datetime.fromisoformat(copy.stored.metadata["order-tracking-arrival"]) == arrival


def test_two_generations_of_one_name_and_an_upload_that_waits_do_not_touch_each_other(fake: FakeDependencies) -> None:
    generations = [merged(fake), merged(fake, GOOD + GOOD.splitlines()[1])]
    fake.store.upload(NAME, b"a new upload")
    assert replay(fake, NAME) == ["copied", "copied"]
    waiting = [f"source/replay/{generation}/order_tracking_2026_01_31.csv" for generation in generations]
    assert fake.store.names("source/") == sorted([NAME, *waiting])
    assert [fake.store.content(name) for name in waiting] == [GOOD, GOOD + GOOD.splitlines()[1]]
    assert fake.store.content(NAME) == b"a new upload"
    assert len(fake.store.names("archive/")) == 2, "copied, not moved"


def test_replaying_twice_copies_once(fake: FakeDependencies) -> None:
    merged(fake)
    assert [replay(fake, NAME), replay(fake, NAME)] == [["copied"], ["waiting already"]]


def test_a_span_of_days_takes_archived_and_rejected_files_of_those_days(fake: FakeDependencies) -> None:
    for day in (30, 31):
        merged(fake, name=f"source/order_tracking_2026_01_{day}.csv")
    handle_upload(fake.store.upload("source/order_tracking_2026_02_01.csv", BAD_HEADER).file, fake.deps)
    handle_upload(fake.store.upload("source/other.csv", GOOD).file, fake.deps)
    assert replay(fake, first=date(2026, 1, 31), last=date(2026, 2, 28)) == ["copied", "copied"]
    assert sorted(name.rpartition("/")[2] for name in fake.store.names("source/")) == [
        "order_tracking_2026_01_31.csv",
        "order_tracking_2026_02_01.csv",
    ]


def test_a_file_that_is_nowhere_is_one_sentence(fake: FakeDependencies) -> None:
    with pytest.raises(SettingsError, match=r"'order_tracking_2025_01_01.csv' is neither under archive/"):
        replay(fake, "order_tracking_2025_01_01.csv")


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"files": ("x",), "first": date(2026, 1, 1), "last": date(2026, 1, 1)},
        {"first": date(2026, 1, 1)},
        {"first": date(2026, 1, 2), "last": date(2026, 1, 1)},
    ],
)
def test_a_wish_that_says_nothing_or_too_much_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Wanted(**wanted)  # type: ignore[arg-type]


def test_a_report_that_is_broken_or_lies_falls_back_to_when_the_file_was_moved(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, BAD_HEADER)
    handle_upload(upload.file, fake.deps)
    (report,) = (name for name in fake.store.names("rejected/") if name.endswith(".json"))
    for content in (b"not JSON", b"[]", json.dumps({"arrival": "2999-01-01T00:00:00+00:00"}).encode(), b'{"arrival":7}'):
        fake.store.write(BUCKET, report, content, "application/json")
        (planned,) = plan(fake.store, ORDER_TRACKING, PLACES, Wanted((NAME,)))
        assert planned.arrival == planned.stored.created == datetime(2026, 2, 1, 12, tzinfo=UTC)
