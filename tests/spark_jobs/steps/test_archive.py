"""Announce and archive work file by file: one that fails does not stop the others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from spark_jobs.cloud.ports import FileRefused, TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import OutcomeKind
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.archive import GIVE_UP_AFTER, announce, archive, destination
from spark_jobs.steps.run import Run
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SETTINGS = IngestSettings(BucketLayout("orders-data"), warehouse="unused")


def entry(file: FileId, outcome: OutcomeKind = "merged") -> LogEntry:
    return LogEntry(file, outcome, "r-1", NOW, NOW, 1)


def uploaded(store: FakeFileStore, *names: str) -> list[LogEntry]:
    return [entry(store.upload(f"source/{name}", b"x").file) for name in names]


def published(entries: list[LogEntry]) -> dict[FileId, OutcomeKind]:
    return {entry.file: entry.outcome for entry in entries}


def run_on(store: FakeFileStore, announcer: FakeAnnouncer | None = None) -> Run:
    """Nothing here needs Spark."""
    return Run(SETTINGS, Dependencies(store, announcer or FakeAnnouncer()), spark=cast("SparkSession", None))


def test_a_file_that_can_not_be_moved_does_not_stop_the_others() -> None:
    def held(method: str, name: str) -> None:
        if method == "move" and "01_02" in name:
            raise TransientError("403: the object is under a retention policy")

    store = FakeFileStore(before_call=held)
    entries = uploaded(store, *(f"order_tracking_2026_01_0{day}.csv" for day in (1, 2, 3)))
    run = run_on(store)
    archive(run, entries, published(entries))
    (problem,) = run.problems.values()
    assert str(entries[1].file) in problem and "retention" in problem
    assert store.names("source/") == ["source/order_tracking_2026_01_02.csv"]
    assert len(store.names("archive/")) == 2


def test_an_object_that_is_gone_is_an_answer_and_a_superseded_one_is_not_moved() -> None:
    store = FakeFileStore()
    gone, newer = uploaded(store, "order_tracking_2026_01_01.csv", "order_tracking_2026_01_02.csv")
    store.delete(gone.file.name)
    run, entries = run_on(store), [gone, entry(newer.file, "superseded")]
    archive(run, entries, published(entries))
    assert run.problems == {}
    assert store.names("source/") == [newer.file.name]


def test_an_outage_is_not_waited_out_file_by_file() -> None:
    def down(method: str, name: str) -> None:
        raise TransientError("503")

    store = FakeFileStore()
    entries = uploaded(store, *(f"{n}/order_tracking_2026_01_01.csv" for n in range(200)))
    store.before_call = down
    run = run_on(store)
    archive(run, entries, published(entries))
    assert len(run.problems) == 200
    assert sum(method == "move" for method, _ in store.calls) < GIVE_UP_AFTER + 20


def test_an_outcome_that_is_refused_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[FileId] = []
    monkeypatch.setattr("spark_jobs.steps.archive.note", lambda run, files, *_: noted.extend(files))
    store, announcer = FakeFileStore(), FakeAnnouncer()
    entries = uploaded(store, *(f"order_tracking_2026_01_0{day}.csv" for day in (1, 2, 3)))
    turns = iter(range(3))

    def refuse() -> None:
        if next(turns) == 1:
            raise FileRefused("the schema of the topic doesn't allow it")

    announcer.before_call = refuse
    assert len(announce(run_on(store, announcer), entries)) == 2
    assert len(announcer.outcomes) == 2
    assert len(noted) == 1, "a later run publishes it"


def test_equal_names_and_generations_in_two_folders_do_not_collide_in_the_archive() -> None:
    files = [FileId("orders-data", f"source/{folder}order_tracking_2026_01_31.csv", 7) for folder in ("", "a/", "b/c/")]
    assert [destination(entry(file), SETTINGS) for file in files] == [
        "archive/2026/01/31/order_tracking_2026_01_31.7.csv",
        "archive/2026/01/31/a/order_tracking_2026_01_31.7.csv",
        "archive/2026/01/31/b/c/order_tracking_2026_01_31.7.csv",
    ]
    long = destination(entry(FileId("b", f"source/{'x' * 980}/order_tracking_2026_01_31.csv", 7)), SETTINGS)
    assert len(long) <= 1024 and long.endswith("/order_tracking_2026_01_31.7.csv")
