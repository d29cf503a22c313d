"""What the platform sees of a run: it returns, or raises one sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spark_jobs import bootstrap, cli
from spark_jobs.cli import RunFailed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.dependencies import Dependencies
from spark_jobs.steps import ingest
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore

AT = datetime(2026, 2, 1, tzinfo=UTC)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings: Dependencies(FakeFileStore(), FakeAnnouncer()))
    monkeypatch.setattr("sys.argv", ["order-tracking", "ingest", *words])
    cli.run()


def test_a_run_with_nothing_to_do_returns_without_starting_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_spark() -> None:
        raise AssertionError("Spark was started")

    monkeypatch.setattr(cli, "open_session", no_spark)
    run(monkeypatch, "--bucket=b", "--warehouse=/tmp/w", "--contract-version=1", "--not-before=", "--catalog=", "--schema=")


def test_counts_that_differ_fail_the_run_after_everything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        LogEntry(FileId("b", f"source/{n}.csv", n), "merged", "batch", AT, AT, 1, balanced=balanced)
        for n, balanced in enumerate([True, False, None])
    ]
    monkeypatch.setattr(ingest, "ingest", lambda *_: entries)
    with pytest.raises(RunFailed, match=r"1 files do not balance, among them b/source/1\.csv#1; they are loaded"):
        run(monkeypatch, "--bucket=b", "--warehouse=/tmp/w")
