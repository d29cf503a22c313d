"""The operator's questions, asked of the command line: where is my file, what waits, why didn't my row change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from functions.handler import handle_upload
from spark_jobs import bootstrap
from spark_jobs.cli import main
from spark_jobs.dependencies import Dependencies
from spark_jobs.store import session
from tests.fakes.dependencies import BAD_HEADER, FakeDependencies
from tests.spark_jobs.harness import JobHarness, csv, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def harness(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobHarness:
    """Two days merged, the older one last; one file rejected; one accepted, one unjudged and one empty still waiting."""
    harness = JobHarness(spark, tmp_path_factory.mktemp("operating"))
    harness.day(2, row("T1", "2026-01-02 10:00:00", "shipped"), row("T2", "2026-01-02 10:00:00"))
    harness.ingest()
    harness.clock.advance(60)
    bad = [row(f"G{n}") for n in range(20)]
    harness.day(
        1, row("T1", "2026-01-01 10:00:00"), row("T2", "2026-01-02 10:00:00"), "x,T9,,,lost,,2026-01-01 10:00:00", *bad
    )
    harness.ingest()
    function = FakeDependencies(clock=harness.clock)
    function.store = harness.store
    handle_upload(harness.store.upload("source/order_tracking_2026_01_03.csv", BAD_HEADER).file, function.deps)
    harness.clock.advance(3600)
    harness.day(4, row("T4"))
    harness.store.upload("source/order_tracking_2026_01_05.csv", csv(row("T5")))
    harness.store.upload("source/order_tracking_2026_01_06.csv", b"")
    return harness


@pytest.fixture
def ask(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings: harness.deps())
    monkeypatch.setattr(bootstrap, "build_file_store", lambda: harness.store)
    monkeypatch.setattr(session, "open_session", lambda: harness.spark)

    def ask(command: str, *words: str) -> Result:
        tables = ["--warehouse", harness.settings.warehouse] if command == "status" or "--wait" in words else []
        result = CliRunner().invoke(main, [command, "--bucket", "orders-data", *tables, *words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return ask


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


def test_the_overview_says_what_waits_at_which_step_what_was_rejected_and_what_was_merged(ask: Any) -> None:
    overview = answer(ask("status", "--json"))
    waiting = {line["name"].rpartition("/")[2]: line["state"] for line in overview["waiting"]}
    assert waiting == {
        "order_tracking_2026_01_04.csv": "accepted",
        "order_tracking_2026_01_05.csv": "not judged yet",
        "order_tracking_2026_01_06.csv": "empty",
    }
    (rejected,) = overview["rejected_24h"]
    assert "has no column" in rejected["reason"]
    assert [(e["file"].split("/")[-1].split("#")[0], e["outcome"]) for e in overview["files"]] == [
        ("order_tracking_2026_01_01.csv", "merged"),
        ("order_tracking_2026_01_02.csv", "merged"),
    ]
    text = ask("status").stdout
    assert text.startswith("3 waiting, the oldest for ")
    assert "1 rejected in 24 h" in text


def test_a_merged_file_s_way_is_told_with_its_equation(ask: Any) -> None:
    text = ask("status", "--file", "order_tracking_2026_01_01.csv").stdout
    assert "23 = 20 inserted + 0 updated + 2 outranked + 1 rejected" in text
    assert "archive/2026/01/01/order_tracking_2026_01_01." in text
    (file_history,) = answer(ask("status", "--file", "order_tracking_2026_01_01.csv", "--json"))["file"]
    assert len(file_history["taken"]) == 1
    assert file_history["seen"] <= file_history["taken"][0] <= file_history["entry"]["logged_at"]


def test_a_rejected_file_s_way_repeats_the_first_violation(ask: Any) -> None:
    assert "rejected: the header has no column tracking_num" not in ask("status").stdout
    text = ask("status", "--file", "order_tracking_2026_01_03.csv").stdout
    assert "rejected: the header has no column" in text
    assert "rejected/order_tracking_2026_01_03.csv." in text


def test_a_waiting_file_s_way_says_what_it_waits_for(ask: Any) -> None:
    assert "waiting: not judged yet" in ask("status", "--file", "order_tracking_2026_01_05.csv").stdout


@pytest.mark.parametrize(
    ("file", "key", "sentence"),
    [
        ("01", "T1", "was outranked by row 1 of orders-data/source/order_tracking_2026_01_02.csv#"),
        ("02", "T1", "the target has row 1 of orders-data/source/order_tracking_2026_01_02.csv#"),
        ("01", "T2", "the target has the same content as row 2"),
        ("01", "T9", "has no good row for tracking_num 'T9'"),
        ("04", "T4", "has not reached the target yet"),
        ("03", "T1", "has no good row for tracking_num 'T1'"),
    ],
)
def test_a_key_s_row_is_told_what_outranked_it(ask: Any, file: str, key: str, sentence: str) -> None:
    assert sentence in ask("status", "--file", f"order_tracking_2026_01_{file}.csv", "--key", key).stdout


def test_a_file_that_is_nowhere_and_a_key_without_a_file_are_one_sentence(ask: Any) -> None:
    from spark_jobs.settings import SettingsError

    for name in ("order_tracking_2031_01_01.csv", "a/order_tracking_2026_01_01.csv"):
        with pytest.raises(SettingsError, match="neither waiting, nor archived, nor rejected"):
            ask("status", "--file", name)
    assert "--key and --ties go with --file" in ask("status", "--key", "T1").output


def test_a_dry_replay_copies_nothing_and_a_replay_of_what_was_right_changes_nothing(harness: JobHarness, ask: Any) -> None:
    before, objects = harness.target(), harness.store.names()
    dry = answer(ask("replay", "order_tracking_2026_01_02.csv", "--dry-run", "--json"))
    assert [line["answer"] for line in dry] == ["would be copied"]
    assert harness.store.names() == objects
    (line,) = answer(ask("replay", "--from", "2026-01-02", "--to", "2026-01-02", "--json"))
    assert line["answer"] == "copied"
    copy = harness.store.stat("orders-data", line["to"])
    assert copy is not None
    harness.accept(copy, harness.store.content(line["to"]))
    harness.ingest()
    assert {k: v for k, v in harness.target().items() if k != "T4"} == before
    entry = harness.log()[str(copy.file)]
    assert (entry["inserted"], entry["updated"], entry["outranked"], entry["balanced"]) == (0, 0, 2, True)


def test_a_replay_that_waits_says_that_nothing_changed_and_its_copy_s_way_is_told_by_its_own_id(
    harness: JobHarness, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (original,) = (name for name in harness.log() if "/source/order_tracking_2026_01_01.csv#" in name)
    to = f"source/replay/{original.partition('#')[2]}/order_tracking_2026_01_01.csv"

    def run(seconds: float) -> None:
        harness.clock.advance(seconds)
        copy = harness.store.stat("orders-data", to)
        assert copy is not None, "one run is enough"
        harness.accept(copy, harness.store.content(to))
        harness.ingest()

    deps = Dependencies(harness.store, harness.announcer, harness.clock, run, elapsed=lambda: harness.clock().timestamp())
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings: deps)
    before = harness.target()
    text = ask("replay", "order_tracking_2026_01_01.csv", "--wait").stdout
    assert text.endswith("nothing changed: every good row was there already, or a newer one; 1 row set aside\n")
    assert {key: row for key, row in harness.target().items() if key in before} == before
    (way,) = answer(ask("status", "--file", to, "--json"))["file"]
    assert way["file"].startswith(f"orders-data/{to}#")
    counts = [way["entry"][name] for name in ("rows", "inserted", "updated", "outranked", "rejected_rows")]
    assert counts == [23, 0, 0, 22, 1]
    assert answer(ask("status", "--file", way["place"], "--json"))["file"] == [way], "by its archived name as well"
    told = ask("status", "--file", to, "--key", "T1").stdout
    assert f"row 1 of orders-data/{to}#" in told
    ways = answer(ask("status", "--file", "order_tracking_2026_01_01.csv", "--json"))["file"]
    assert [each["file"] for each in ways] == [original, way["file"]]


def test_hostile_names_do_not_reach_the_terminal_unescaped(harness: JobHarness, ask: Any) -> None:
    harness.store.upload("source/\x1b[31mred\n.csv", b"x")
    try:
        text = ask("status").stdout
    finally:
        harness.store.delete("source/\x1b[31mred\n.csv")
    assert "\\x1b[31mred\\n.csv" in text
    assert "\x1b[31m" not in text


def test_the_wheel_s_entry_point_turns_a_mistake_into_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from spark_jobs.cli import RunFailed, run

    monkeypatch.setattr("sys.argv", ["order-tracking", "status", "--bucket=b"])
    with pytest.raises(RunFailed, match="--catalog and --schema"):
        run()


def test_the_rows_that_tie_with_the_target_are_listed(harness: JobHarness, ask: Any) -> None:
    """Two shops tell different stories of one moment: who loses the tie can be found out, run or batch regardless."""
    kept = "order_tracking_2026_01_08.csv"
    harness.upload(kept, csv(row("TIE1", address="b"), row("TIE2"), row("TIE3")))
    harness.ingest()
    loser = harness.day(9, row("TIE1", address="a"), row("TIE2"), row("TIE3", "2026-01-01 09:00:00", address="c"))
    harness.ingest()
    (tie,) = json.loads(ask("status", "--file", str(loser.file), "--ties", "--json").stdout)["ties"]
    assert (tie["key"], tie["row"], tie["kept_row"]) == ("TIE1", 1, 1)
    assert kept in tie["kept_file"] and tie["stamp"] == "2026-01-01T10:00:00+00:00"
    assert "no row of it differs" in ask("status", "--file", kept, "--ties").stdout
