"""A file that keeps failing is worked on alone and rejected; an outage rejects nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import spark_jobs.ingest
import spark_jobs.isolating
from spark_jobs.staging import stage
from tests.spark_jobs.workshop import Crash, Workshop, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Workshop:
    return Workshop(spark, tmp_path)


def failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[list[str]], BaseException | None]) -> list[list[str]]:
    """Let staging fail by the names in the batch; answers with the batches that were tried."""
    tried: list[list[str]] = []

    def doubtful(spark: Any, tables: Any, batch: Any, *rest: Any) -> Any:
        names = [waiting.file.name for waiting in batch.files]
        tried.append(names)
        if error := fails(names):
            raise error
        return stage(spark, tables, batch, *rest)

    monkeypatch.setattr(spark_jobs.ingest, "stage", doubtful)
    monkeypatch.setattr(spark_jobs.isolating, "stage", doubtful)
    return tried


def poisoned(names: list[str]) -> BaseException | None:
    return RuntimeError("no reader can read this") if any("01_13" in name for name in names) else None


def test_a_file_that_fails_alone_while_others_succeed_is_rejected_with_the_reason(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = shop.day(13, row("P1")).file
    good = [shop.day(day, row(f"T{day}")).file for day in (1, 2)]
    failing(monkeypatch, poisoned)
    shop.ingest()
    log = shop.log()
    assert [log[str(file)]["outcome"] for file in good] == ["merged", "merged"]
    assert log[str(poison)]["outcome"] == "rejected"
    assert "run_failure" in log[str(poison)]["reason"] and "no reader can read this" in log[str(poison)]["reason"]
    assert "run_failure" in json.loads(shop.store.content(log[str(poison)]["report"]))["counts"]
    assert shop.store.names("source/") == []
    assert set(shop.target()) == {"T1", "T2"}


def test_an_outage_rejects_nothing_however_long_it_lasts(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.day(1, row("T1"))
    shop.ingest()
    waiting = [shop.day(2, row("T2")).file.name, shop.day(3, row("T3")).file.name]
    with monkeypatch.context() as patch:
        failing(patch, lambda names: RuntimeError("the tables can't be reached"))
        for _ in range(3):
            with pytest.raises(RuntimeError):
                shop.ingest()
    assert shop.store.names("source/") == waiting
    shop.ingest()
    shop.assert_right()
    assert set(shop.target()) == {"T1", "T2", "T3"}


def test_without_a_file_known_to_be_good_nothing_is_rejected(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    name = shop.day(13, row("P1")).file.name
    failing(monkeypatch, poisoned)
    with pytest.raises(RuntimeError):
        shop.ingest()
    assert shop.store.names() == [name]


def test_a_file_that_kills_the_process_every_time_is_rejected_in_the_end_and_never_blocks_others(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.day(1, row("T1"))
    shop.ingest()
    killer = shop.day(13, row("P1")).file
    failing(monkeypatch, lambda names: Crash() if poisoned(names) else None)
    for _ in range(2):
        with pytest.raises(Crash):
            shop.ingest()
    shop.day(4, row("T4"))  # the other is a suspect by now: what comes later overtakes it
    for _ in range(2):
        with pytest.raises(Crash):
            shop.ingest()
        assert "T4" in shop.target()
    shop.ingest()
    assert shop.log()[str(killer)]["outcome"] == "rejected"
    assert shop.store.names("source/") == []


def test_a_file_that_fails_behind_its_merge_is_never_rejected(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are in the target: the log must come to say merged."""
    shop.day(1, row("T1"))
    shop.ingest()
    file = shop.day(2, row("T2")).file

    def fails(*args: Any) -> Any:
        raise RuntimeError("the log can't be written")

    with monkeypatch.context() as patch:
        patch.setattr(spark_jobs.ingest, "record", fails)
        with pytest.raises(RuntimeError):
            shop.ingest()
    shop.ingest()
    assert shop.log()[str(file)]["outcome"] == "merged"
    shop.assert_right()
