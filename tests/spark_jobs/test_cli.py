"""The wheel's entry point as Databricks sees it: it returns, or raises one sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spark_jobs import bootstrap, cli
from spark_jobs.cli import RunFailed
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.file_ids import FileId
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import Pace
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore

AT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings: Dependencies(FakeFileStore(), FakeAnnouncer()))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["order-tracking", *arguments])
    cli.run()


def test_a_run_with_nothing_to_do_returns_without_starting_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_spark() -> None:
        raise AssertionError("Spark was started")

    monkeypatch.setattr(cli, "open_session", no_spark)
    run(monkeypatch, "ingest", "--bucket=b", "--warehouse=/tmp/w", "--not-before=", "--catalog=", "--source-prefix=")


def test_an_empty_prefix_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts = []
    monkeypatch.setattr(cli, "run_ingest", lambda settings, *_: layouts.append(settings.layout) or [])
    run(
        monkeypatch,
        "ingest",
        "--bucket=b",
        "--warehouse=w",
        "--source-prefix=",
        "--archive-prefix=a/",
        "--rejected-prefix=",
    )
    (layout,) = layouts
    assert (layout.source_prefix, layout.archive_prefix, layout.rejected_prefix) == ("source/", "a/", "rejected/")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ingest", "--warehouse=w"], "--bucket is missing"),
        (["ingest", "--bucket=b"], "--catalog and --schema"),
        (["status", "--bucket=b"], "--catalog and --schema"),
        (["ingest", "--bucket=b", "--warehouse=w", "--contract-version=99"], "the function sent '99'"),
        (["ingest", "--bucket=b", "--warehouse=w", "--max-bad-row-ratio=many"], "--max-bad-row-ratio must be a number"),
        (["ingest", "--bucket=b", "--warehouse=w", "--not-before=soon"], "--not-before must be a time"),
        (["ingest", "--bucket=b", "--warehouse=w", "--poll-seconds=0"], "--poll-seconds must be a number greater than 0"),
        (["ingest", "--bucket=b", "--warehouse=w", "--max-hours=nan"], "--max-hours must be a number greater than 0"),
        (["ingest", "--bucket=b", "--wharehouse=w"], "--wharehouse"),
    ],
)
def test_an_invalid_option_raises_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    with pytest.raises(RunFailed) as failed:
        run(monkeypatch, *arguments)
    assert message in str(failed.value)
    assert "\n" not in str(failed.value)


def test_an_unexpected_error_is_shortened_to_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("first line " + "x" * 500 + "\nsecond line")

    monkeypatch.setattr(cli, "run_ingest", fail)
    with pytest.raises(RunFailed, match=r"^ValueError: first line x+…$"):
        run(monkeypatch, "ingest", "--bucket=b", "--warehouse=w")


def test_counts_that_differ_fail_the_run_after_everything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        LogEntry(FileId("b", f"source/{n}.csv", n), "merged", "batch", AT, AT, 1, balanced=balanced)
        for n, balanced in enumerate([True, False, None])
    ]
    monkeypatch.setattr(cli, "run_ingest", lambda *_: entries)
    with pytest.raises(RunFailed, match=r"1 files do not balance: b/source/1\.csv#1; they are merged and archived"):
        run(monkeypatch, "ingest", "--bucket=b", "--warehouse=w")


def test_a_continuous_run_gets_its_pace_and_its_alarms_are_those_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    paces: list[Pace] = []

    def continuous(*_: object, pace: Pace, **__: object) -> list[LogEntry]:
        paces.append(pace)
        return [LogEntry(FileId("b", "source/1.csv", 1), "merged", "batch", AT, AT, 1, balanced=False)]

    monkeypatch.setattr(cli, "ingest_continuously", continuous)
    for options in ([], ["--poll-seconds=", "--max-hours="], ["--poll-seconds=0.5", "--max-hours=12"]):
        with pytest.raises(RunFailed, match="1 files do not balance"):
            run(monkeypatch, "ingest", "--continuous", "--bucket=b", "--warehouse=w", *options)
    assert paces == [Pace(2, 24), Pace(2, 24), Pace(0.5, 12)]


@pytest.mark.parametrize("command", ["ingest", "status", "replay", "reject", "retry"])
def test_help_returns_instead_of_exiting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    run(monkeypatch, command, "--help")
    assert "--bucket" in capsys.readouterr().out


def test_without_a_topic_changes_are_not_published_and_that_is_a_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bundle's task always runs, and passes on every parameter."""
    run(monkeypatch, "changes", "--bucket=b", "--catalog=", "--changes-topic=", "--checkpoint=", "--from=", "--feed=")
    assert "no --changes-topic: changes are not published" in capsys.readouterr().out


def test_changes_are_published_for_all_feeds_with_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(cli, "open_session", lambda: "spark")
    monkeypatch.setattr(cli, "publish_changes", lambda *arguments, **more: calls.append((arguments, more)))
    topic = "--changes-topic=projects/p/topics/t"
    run(monkeypatch, "changes", "--bucket=b", "--warehouse=w", topic, "--checkpoint=c", "--from=", "--service-credential=")
    [((_, settings, feeds, _), more)] = calls
    assert (settings.start, settings.checkpoint, more) == ("now", "c", {"continuous": False})
    assert [feed.name for feed in feeds] == list(FEEDS)
