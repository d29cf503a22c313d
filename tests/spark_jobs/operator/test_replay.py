"""`replay` on the command line: dry run, copies, and waiting for their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spark_jobs import bootstrap
from spark_jobs.cli import RunFailed, run
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.backlog import POLL_SECONDS
from spark_jobs.settings import SettingsError
from spark_jobs.store import session
from tests.fakes.dependencies import BUCKET, GOOD, NAME
from tests.spark_jobs.harness import JobHarness, row
from tests.spark_jobs.operator.conftest import CommandLine, LiveBucket, invoke, no_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLES = ("--warehouse", "nowhere")


def test_a_dry_run_copies_nothing(bucket: LiveBucket, command_line: CommandLine) -> None:
    bucket.rejected_file()
    before = bucket.fake.store.names()
    lines = json.loads(command_line("replay", NAME, "--dry-run", "--json").stdout)
    assert [line["answer"] for line in lines] == ["would be copied"]
    assert bucket.fake.store.names() == before


@pytest.mark.parametrize("earlier", [False, True], ids=["copied", "already waiting"])
def test_a_copy_that_the_function_rejects_is_shown_with_the_reason_from_its_report(
    bucket: LiveBucket, command_line: CommandLine, earlier: bool
) -> None:
    upload = bucket.rejected_file()
    if earlier:
        command_line("replay", NAME)
    bucket.schedule(lambda: None, bucket.validate_copy(upload))
    result = command_line("replay", NAME, "--wait", *TABLES, "--json")
    assert result.stderr == "0/1 left source/, 1 not validated yet\n1/1 left source/\n"
    (line,) = json.loads(result.stdout)
    assert line["answer"] == ("already waiting" if earlier else "copied")
    assert line["file"].startswith(f"{BUCKET}/{line['to']}#")
    assert (line["outcome"], line["inserted"], line["updated"]) == ("rejected", None, None)
    assert line["reason"].startswith("the header has no column")


def test_the_output_ends_with_a_summary(bucket: LiveBucket, command_line: CommandLine) -> None:
    bucket.schedule(bucket.validate_copy(bucket.rejected_file()))
    result = command_line("replay", NAME, "--wait", *TABLES)
    assert "rejected" in result.stdout
    assert result.stdout.endswith("nothing changed: no file was merged; 1 file rejected\n")
    assert "━" not in result.stderr


def test_waiting_ignores_files_that_were_not_replayed(bucket: LiveBucket, command_line: CommandLine) -> None:
    upload = bucket.rejected_file()
    bucket.fake.store.upload("source/order_tracking_2026_01_30.csv", GOOD)
    bucket.schedule(bucket.validate_copy(upload))
    assert command_line("replay", NAME, "--wait", *TABLES).exit_code == 0
    assert bucket.slept == [POLL_SECONDS]


def test_waiting_without_tables_or_without_copies_is_refused_before_anything_is_copied(
    bucket: LiveBucket, command_line: CommandLine
) -> None:
    bucket.rejected_file()
    with pytest.raises(SettingsError, match="--catalog and --schema"):
        command_line("replay", NAME, "--wait")
    refused = command_line("replay", NAME, "--wait", "--dry-run", *TABLES)
    assert "nothing to wait for" in refused.stderr
    assert bucket.fake.store.names("source/") == []


def test_without_waiting_a_hint_says_how_to_see_the_results(bucket: LiveBucket, command_line: CommandLine) -> None:
    bucket.rejected_file()
    assert "use replay --wait, or status --file" in command_line("replay", NAME).stderr


def test_a_timeout_is_one_sentence_and_prints_no_result(
    bucket: LiveBucket,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bucket.rejected_file()
    arguments = ["replay", "--bucket", BUCKET, *TABLES, NAME, "--wait", "--timeout", "10", "--json"]
    monkeypatch.setattr("sys.argv", ["order-tracking", *arguments])
    with pytest.raises(
        RunFailed, match=r"^1 of 1 files are still waiting after 10 s: source/\S+ \(not validated yet\); files"
    ):
        run()
    assert capsys.readouterr().out == ""


def test_a_replay_of_a_merged_file_changes_nothing_and_its_copy_has_its_own_history(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = JobHarness(spark, tmp_path)
    good = [row(f"G{n}") for n in range(20)]
    original = str(harness.day(1, row("T1"), "x,T9,,,lost,,2026-01-01 10:00:00", *good).file)
    harness.ingest()
    to = f"source/replay/{original.partition('#')[2]}/order_tracking_2026_01_01.csv"

    def next_run(seconds: float) -> None:
        harness.clock.advance(seconds)
        copy = harness.store.stat(BUCKET, to)
        assert copy is not None, "one run is enough"
        harness.accept(copy, harness.store.content(to))
        harness.ingest()

    deps = Dependencies(
        harness.store, harness.announcer, harness.clock, next_run, elapsed=lambda: harness.clock().timestamp()
    )
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings, **_: deps)
    monkeypatch.setattr(session, "open_session", no_spark)
    tables = ("--warehouse", harness.settings.warehouse)
    before = harness.target()
    text = invoke("replay", "order_tracking_2026_01_01.csv", "--wait", *tables).stdout
    assert text.endswith("nothing changed: the target already had every valid row, or a newer one; 1 row quarantined\n")
    assert harness.target() == before

    def histories(name: str) -> list[dict[str, object]]:
        return json.loads(invoke("status", "--file", name, "--json", *tables).stdout)["file"]

    (history,) = histories(to)
    assert str(history["file"]).startswith(f"{BUCKET}/{to}#")
    entry = history["entry"]
    assert isinstance(entry, dict)
    assert [entry[name] for name in ("rows", "inserted", "updated", "outranked", "rejected_rows")] == [22, 0, 0, 21, 1]
    assert histories(str(history["place"])) == [history], "its archived name works as well"
    assert [each["file"] for each in histories("order_tracking_2026_01_01.csv")] == [original, history["file"]]
    explained = invoke("status", "--file", to, "--key", "T1", *tables).stdout
    assert f"row 1 of {BUCKET}/{to}#" in explained
