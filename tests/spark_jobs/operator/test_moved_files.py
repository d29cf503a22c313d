"""Replays copy files to names that no upload uses, keep the original arrival time, and lose nothing."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from functions.handler import handle_upload
from spark_jobs.contract.marks import AcceptedMark, arrival_of
from spark_jobs.contract.object_names import archive_name
from spark_jobs.operator.replay import Selection, carry_out, plan
from spark_jobs.settings import BucketLayout, SettingsError
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, NAME, FakeDependencies

LAYOUT = BucketLayout(BUCKET)


@pytest.fixture
def fake() -> FakeDependencies:
    return FakeDependencies()


def merged(fake: FakeDependencies, content: bytes = GOOD, name: str = NAME) -> int:
    """Upload, accept and archive, as function and job do; returns the generation."""
    file = fake.store.upload(name, content).file
    handle_upload(file, fake.deps)
    assert fake.store.move(file, archive_name(file, LAYOUT.source_prefix, LAYOUT.archive_prefix))
    return file.generation


def replay(fake: FakeDependencies, *files: str, first: date | None = None, last: date | None = None) -> list[str]:
    return [carry_out(fake.store, r).answer for r in plan(fake.store, LAYOUT, Selection(files, first, last))]


@pytest.mark.parametrize("spelling", ["order_tracking_2026_01_31.csv", NAME, "archive", "id"])
def test_an_archived_file_can_be_named_in_four_ways(fake: FakeDependencies, spelling: str) -> None:
    generation = merged(fake)
    (archived,) = fake.store.names("archive/")
    names = {"archive": archived, "id": f"{BUCKET}/{NAME}#{generation}"}
    assert replay(fake, names.get(spelling, spelling)) == ["copied"]
    assert fake.store.names() == [archived, f"source/replay/{generation}/order_tracking_2026_01_31.csv"]


def test_the_copy_keeps_the_original_arrival_time_and_its_old_mark_is_void(fake: FakeDependencies) -> None:
    first_arrival = fake.clock()
    generation = merged(fake)
    fake.age(days=30)
    replay(fake, NAME)
    stored = fake.store.objects[BUCKET, f"source/replay/{generation}/order_tracking_2026_01_31.csv"].stored
    assert arrival_of(stored.file.name, "source/", stored.created, stored.metadata) == first_arrival
    assert AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata) is None
    handle_upload(stored.file, fake.deps)
    again = fake.store.objects[BUCKET, stored.file.name].stored
    mark = AcceptedMark.valid_on(again.file.generation, again.metageneration, again.size, again.metadata)
    assert mark is not None
    assert mark.arrival == first_arrival.isoformat()


def test_a_rejected_file_keeps_the_arrival_time_from_its_report(fake: FakeDependencies) -> None:
    arrival = fake.clock()
    upload = fake.store.upload(NAME, BAD_HEADER)
    handle_upload(upload.file, fake.deps)
    fake.age(days=3)
    assert replay(fake, NAME) == ["copied"], "the report is not copied"
    copy = fake.store.objects[BUCKET, f"source/replay/{upload.file.generation}/order_tracking_2026_01_31.csv"]
    assert copy.content == BAD_HEADER
    assert datetime.fromisoformat(copy.stored.metadata["order-tracking-arrival"]) == arrival


def test_two_generations_and_a_waiting_upload_of_one_name_do_not_affect_each_other(fake: FakeDependencies) -> None:
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
    assert [replay(fake, NAME), replay(fake, NAME)] == [["copied"], ["already waiting"]]


def test_a_range_of_days_selects_archived_and_rejected_files(fake: FakeDependencies) -> None:
    for day in (30, 31):
        merged(fake, name=f"source/order_tracking_2026_01_{day}.csv")
    handle_upload(fake.store.upload("source/order_tracking_2026_02_01.csv", BAD_HEADER).file, fake.deps)
    handle_upload(fake.store.upload("source/other.csv", GOOD).file, fake.deps)
    assert replay(fake, first=date(2026, 1, 31), last=date(2026, 2, 28)) == ["copied", "copied"]
    assert sorted(name.rpartition("/")[2] for name in fake.store.names("source/")) == [
        "order_tracking_2026_01_31.csv",
        "order_tracking_2026_02_01.csv",
    ]


def test_a_file_that_does_not_exist_is_one_sentence(fake: FakeDependencies) -> None:
    with pytest.raises(SettingsError, match=r"'order_tracking_2025_01_01.csv' is not in archive/"):
        replay(fake, "order_tracking_2025_01_01.csv")


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"files": ("x",), "first": date(2026, 1, 1), "last": date(2026, 1, 1)},
        {"first": date(2026, 1, 1)},
        {"first": date(2026, 1, 2), "last": date(2026, 1, 1)},
    ],
)
def test_a_selection_needs_either_names_or_a_range(selection: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Selection(**selection)  # type: ignore[arg-type]


def test_with_a_broken_or_implausible_report_the_arrival_is_when_the_file_was_moved(fake: FakeDependencies) -> None:
    upload = fake.store.upload(NAME, BAD_HEADER)
    handle_upload(upload.file, fake.deps)
    (report,) = (name for name in fake.store.names("rejected/") if name.endswith(".json"))
    for content in (b"not JSON", b"[]", json.dumps({"arrival": "2999-01-01T00:00:00+00:00"}).encode(), b'{"arrival":7}'):
        fake.store.write(BUCKET, report, content, "application/json")
        (planned,) = plan(fake.store, LAYOUT, Selection((NAME,)))
        assert planned.arrival == planned.stored.created == datetime(2026, 2, 1, 12, tzinfo=UTC)


FOLDERS = ["", "a/", "b/c/"]


def archived(fake: FakeDependencies, folder: str, generation: int, *, lost_folder: bool = False) -> str:
    """An archived object, under its present name or under the name without folder that it had until 2026-12."""
    kept = "" if lost_folder else folder
    return fake.store.upload(f"archive/2026/01/31/{kept}order_tracking_2026_01_31.{generation}.csv", GOOD).file.name


def sources(fake: FakeDependencies, *files: str) -> list[str]:
    return [one.stored.file.name for one in plan(fake.store, LAYOUT, Selection(files))]


def test_a_name_without_folder_means_every_folder_and_a_name_with_one_only_that(fake: FakeDependencies) -> None:
    names = [archived(fake, folder, generation) for generation, folder in enumerate(FOLDERS)]
    assert sources(fake, "order_tracking_2026_01_31.csv") == names
    assert sources(fake, "source/a/order_tracking_2026_01_31.csv") == names[1:2]
    assert sources(fake, "b/c/order_tracking_2026_01_31.csv") == names[2:]
    assert sources(fake, f"{BUCKET}/source/a/order_tracking_2026_01_31.csv#1") == names[1:2]
    assert sources(fake, names[1]) == names[1:2]
    with pytest.raises(SettingsError, match="is not in archive/"):
        sources(fake, f"{BUCKET}/source/a/order_tracking_2026_01_31.csv#2")


def test_objects_whose_names_lost_their_folder_are_found_if_no_other_has_it(fake: FakeDependencies) -> None:
    old = archived(fake, "a/", 1, lost_folder=True)
    assert sources(fake, "a/order_tracking_2026_01_31.csv") == [old]
    new = archived(fake, "a/", 2)
    assert sources(fake, "a/order_tracking_2026_01_31.csv") == [new]
    assert sources(fake, f"{BUCKET}/source/a/order_tracking_2026_01_31.csv#1") == [old]
    assert sources(fake, "order_tracking_2026_01_31.csv") == [old, new]


def test_copies_keep_their_folder_and_a_replay_of_a_replay_is_not_nested(fake: FakeDependencies) -> None:
    for folder in ("a/", "b/", "replay/123/", "replay/123/a/"):
        archived(fake, folder, 7)
    archived(fake, "", 7)
    replay(fake, "order_tracking_2026_01_31.csv")
    assert fake.store.names("source/") == [
        f"source/replay/7/{folder}order_tracking_2026_01_31.csv" for folder in ("a/", "b/", "")
    ]


def test_a_folder_that_the_function_rejects_is_left_out_of_the_copy(fake: FakeDependencies) -> None:
    handle_upload(fake.store.upload("source/#odd/order_tracking_2026_01_31.csv", GOOD).file, fake.deps)
    (planned,) = plan(fake.store, LAYOUT, Selection(("#odd/order_tracking_2026_01_31.csv",)))
    assert planned.to == f"source/replay/{planned.original}/order_tracking_2026_01_31.csv"


def test_a_range_of_days_includes_folders(fake: FakeDependencies) -> None:
    for generation, folder in enumerate(FOLDERS):
        archived(fake, folder, generation)
    assert replay(fake, first=date(2026, 1, 31), last=date(2026, 1, 31)) == ["copied"] * 3
