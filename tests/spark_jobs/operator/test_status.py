"""`status` on the command line: the overview, one file, one key, ties, and waiting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result

from functions.handler import handle_upload
from spark_jobs import bootstrap
from spark_jobs.cli import RunFailed, run
from spark_jobs.cloud.ports import NoLogin
from spark_jobs.operator import file_view, overview
from spark_jobs.operator.file_view import FileView
from spark_jobs.operator.status import REFRESH_SECONDS
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.queries.engine import Engine
from spark_jobs.queries.sql_warehouse import QueryFailed
from spark_jobs.settings import IngestSettings, SettingsError
from spark_jobs.store import session
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, NAME, FakeDependencies
from tests.fakes.job import FakeJob
from tests.spark_jobs.harness import JobHarness, csv, row
from tests.spark_jobs.operator.conftest import CommandLine, LiveBucket, invoke, no_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLES = ("--warehouse", "nowhere")


@pytest.fixture(scope="module")
def harness(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> JobHarness:
    """Two files merged, the older day last; one rejected; one accepted, one not validated yet and one empty waiting."""
    harness = JobHarness(spark, tmp_path_factory.mktemp("status"))
    harness.day(2, row("T1", "2026-01-02 10:00:00", "shipped"), row("T2", "2026-01-02 10:00:00"), row("T3", address="b"))
    harness.ingest()
    harness.clock.advance(60)
    good = [row(f"G{n}") for n in range(20)]
    bad = "x,T9,,,lost,,2026-01-01 10:00:00"
    harness.day(1, row("T1"), row("T2", "2026-01-02 10:00:00"), bad, row("T3", address="a"), *good)
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
def ask(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings, **_: harness.deps())
    monkeypatch.setattr(session, "open_session", no_spark)
    return lambda *arguments: invoke("status", "--warehouse", harness.settings.warehouse, *arguments)


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


def test_the_overview_shows_the_backlog_with_states_rejected_and_merged_files(ask: CommandLine) -> None:
    overview = answer(ask("--json"))
    waiting = {line["name"].rpartition("/")[2]: line["state"] for line in overview["waiting"]}
    assert waiting == {
        "order_tracking_2026_01_04.csv": "accepted",
        "order_tracking_2026_01_05.csv": "not validated yet",
        "order_tracking_2026_01_06.csv": "empty",
    }
    (rejected,) = overview["rejected_24h"]
    assert "has no column" in rejected["reason"]
    assert [(e["file"].split("/")[-1].split("#")[0], e["outcome"]) for e in overview["files"]] == [
        ("order_tracking_2026_01_01.csv", "merged"),
        ("order_tracking_2026_01_02.csv", "merged"),
    ]
    text = ask().stdout
    assert text.startswith("3 waiting (oldest: 0 s); 0 parked; 1 rejected in 24 h; last merge: 60 min ago\n")
    assert "last 24 h: 27 rows of 2 merged files\n85% inserted, 0% updated, 11% outranked, 4% rejected\n" in text
    assert overview["log_24h"] | {"last_merge": ""} == {
        "merged": 2,
        "rejected": 0,
        "superseded": 0,
        "inserted": 23,
        "updated": 0,
        "outranked": 3,
        "rejected_rows": 1,
        "last_merge": "",
    }
    assert overview["log_24h"]["last_merge"] == overview["files"][0]["logged_at"]
    assert overview["missing"] == []


def test_times_are_the_readers_or_utc_and_always_utc_in_json(berlin: None, ask: CommandLine) -> None:
    name = "order_tracking_2026_01_01.csv"
    assert answer(ask("--file", name, "--json"))["file"][0]["seen"] == "2026-02-01T12:01:00+00:00"
    assert "seen      2026-02-01 13:01:00 CET (60 min ago)" in ask("--file", name).stdout
    assert "seen      2026-02-01 12:01:00 UTC (60 min ago)" in ask("--file", name, "--utc").stdout


def test_a_merged_file_is_shown_with_its_accounting_equation(ask: CommandLine) -> None:
    text = ask("--file", "order_tracking_2026_01_01.csv").stdout
    assert "24 = 20 inserted + 0 updated + 3 outranked + 1 rejected" in text
    assert "archive/2026/01/01/order_tracking_2026_01_01." in text
    (history,) = answer(ask("--file", "order_tracking_2026_01_01.csv", "--json"))["file"]
    assert len(history["taken"]) == 1
    assert history["seen"] <= history["taken"][0] <= history["entry"]["logged_at"]


def test_a_rejected_file_is_shown_with_its_first_violation(ask: CommandLine) -> None:
    text = ask("--file", "order_tracking_2026_01_03.csv").stdout
    assert "rejected: the header has no column" in text
    assert "rejected/order_tracking_2026_01_03.csv." in text


def test_a_waiting_file_is_shown_with_its_state(ask: CommandLine) -> None:
    assert "waiting: not validated yet" in ask("--file", "order_tracking_2026_01_05.csv").stdout


@pytest.mark.parametrize(
    ("file", "key", "sentence"),
    [
        ("01", "T1", "was outranked by row 1 of orders-data/source/order_tracking_2026_01_02.csv#"),
        ("04", "T4", "has not reached the target yet"),
        ("03", "T1", "has no valid row for tracking_num 'T1'"),
    ],
)
def test_a_key_is_explained_for_a_merged_a_waiting_and_a_rejected_file(
    ask: CommandLine, file: str, key: str, sentence: str
) -> None:
    assert sentence in ask("--file", f"order_tracking_2026_01_{file}.csv", "--key", key).stdout


def test_rows_that_tie_with_the_target_are_listed(ask: CommandLine) -> None:
    """T2 has the same content in both files, T1 another timestamp: only T3 is a conflict."""
    (tie,) = answer(ask("--file", "order_tracking_2026_01_01.csv", "--ties", "--json"))["ties"]
    assert (tie["key"], tie["row"], tie["kept_row"]) == ("T3", 4, 3)
    assert "order_tracking_2026_01_02.csv" in tie["kept_file"] and tie["stamp"] == "2026-01-01T10:00:00+00:00"
    assert "no row conflicts" in ask("--file", "order_tracking_2026_01_02.csv", "--ties").stdout


def test_a_file_that_does_not_exist_is_one_sentence(ask: CommandLine) -> None:
    for name in ("order_tracking_2031_01_01.csv", "a/order_tracking_2026_01_01.csv"):
        with pytest.raises(SettingsError, match="not waiting, not archived and not rejected"):
            ask("--file", name)


def test_hostile_names_are_escaped(harness: JobHarness, ask: CommandLine) -> None:
    harness.store.upload("source/\x1b[31mred\n.csv", b"x")
    try:
        text = ask().stdout
    finally:
        harness.store.delete("source/\x1b[31mred\n.csv")
    assert "\\x1b[31mred\\n.csv" in text
    assert "\x1b[31m" not in text


@pytest.fixture
def no_login(harness: JobHarness) -> Iterator[None]:
    """Nobody is logged in to Google."""

    def refuse(method: str, name: str) -> None:
        raise NoLogin("Cloud Storage: DefaultCredentialsError: Your default credentials were not found.")

    harness.store.before_call = refuse
    yield
    harness.store.before_call = lambda method, name: None


LOGIN = "because this machine has no valid Google login: run `gcloud auth application-default login`"


@pytest.mark.usefixtures("no_login")
def test_without_a_google_login_the_overview_says_what_is_missing_and_shows_the_rest(ask: CommandLine) -> None:
    text = ask().stdout
    assert text.startswith("? waiting; 0 parked; ? rejected in 24 h; last merge: ")
    assert f"missing: waiting and rejected files, {LOGIN}\n" in text
    assert "27 rows of 2 merged files" in text and "order_tracking_2026_01_01.csv" in text
    overview = answer(ask("--json"))
    assert (overview["waiting"], overview["rejected_24h"], len(overview["files"])) == (None, None, 2)
    assert overview["missing"] == [f"missing: waiting and rejected files, {LOGIN}"]


@pytest.mark.usefixtures("no_login")
def test_without_a_google_login_a_file_is_answered_from_the_tables(harness: JobHarness, ask: CommandLine) -> None:
    name = "order_tracking_2026_01_01.csv"
    view = answer(ask("--file", name, "--key", "T1", "--ties", "--json"))
    (history,) = view["file"]
    assert (history["state"], history["place"], history["entry"]["outranked"]) == ("merged", None, 3)
    assert [line["sentence"][:30] for line in view["key"]] == ["the target has row 1 of orders"]
    assert (view["ties"], view["missing"]) == (
        None,
        [f"missing: the file's location and rows, and generations that aren't logged, {LOGIN}"],
    )
    text = ask("--file", name, "--key", "nobody").stdout
    assert "24 = 20 inserted + 0 updated + 3 outranked + 1 rejected" in text
    assert "the target has no row for tracking_num 'nobody'" in text
    ((_, generation),) = [history["file"].split("#")]
    for known_as in (f"{BUCKET}/source/{name}#{generation}", f"archive/2026/01/01/{name[:-4]}.{generation}.csv"):
        assert len(answer(ask("--file", known_as, "--json"))["file"]) == 1
    for unknown in ("order_tracking_2026_01_04.csv", f"a/{name}", f"{BUCKET}/source/{name}#1"):
        with pytest.raises(SettingsError, match=r"no run has taken '.*' yet; missing: .*`gcloud auth"):
            ask("--file", unknown)


@pytest.mark.usefixtures("no_login")
def test_waiting_for_a_file_needs_the_bucket(ask: CommandLine) -> None:
    with pytest.raises(NoLogin):
        ask("--wait")


def test_runs_that_cannot_be_read_are_mentioned(ask: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "build_job", lambda job_id: FakeJob(error="Databricks job 5: no login"))
    overview = answer(ask("--job-id", "5", "--json"))
    assert (overview["runs"], len(overview["files"]), len(overview["waiting"])) == ([], 2, 3)
    assert overview["missing"][0].startswith("missing: the latest runs, because the job's runs can't be read (Databricks")


def test_watching_needs_a_terminal(command_line: CommandLine) -> None:
    for more in ((), ("--json",)):
        assert "--watch draws on a terminal" in command_line("status", *TABLES, "--watch", *more).output


def end() -> None:
    raise KeyboardInterrupt


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("arguments", [(), ("--file", NAME)], ids=["overview", "file"])
def test_watching_refreshes_until_ctrl_c_and_connects_once(
    bucket: LiveBucket, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    on_a_terminal(monkeypatch)
    engines: list[Engine] = []

    def build_engine(settings: IngestSettings, sql_warehouse: str) -> Engine:
        engines.append(DeltaFolder("nowhere"))
        return engines[-1]

    monkeypatch.setattr(bootstrap, "build_engine", build_engine)
    file = bucket.fake.store.upload(NAME, GOOD).file
    bucket.schedule(bucket.validate(file), lambda: None, end)
    result = command_line("status", *TABLES, "--watch", *arguments)
    assert result.exit_code == 0
    assert bucket.slept == [REFRESH_SECONDS] * 3
    assert len(engines) == 1
    out = result.stdout
    assert out.index("not validated yet") < out.index("accepted")
    assert out.count("every 5 s until Ctrl-C") == 3 + 1  # rich draws the last view once more at the end
    assert out.rstrip().endswith("\x1b[?25h")  # the cursor is back


def test_watching_survives_an_outage_and_says_so(
    bucket: LiveBucket, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    broken: list[str] = []

    class Engine(DeltaFolder):
        def rows(self, *arguments: Any) -> Any:
            if broken:
                raise QueryFailed(broken[0])
            return super().rows(*arguments)

    monkeypatch.setattr(bootstrap, "build_engine", lambda *_: Engine("nowhere"))
    bucket.schedule(lambda: broken.append("the warehouse \x1b[31mis gone"), broken.clear, end)
    out = command_line("status", *TABLES, "--watch").stdout
    assert out.count("the warehouse \\x1b[31mis gone") == 1
    assert out.count("last merge: never") == 3 + 1
    assert out.count("every 5 s until Ctrl-C") == 2 + 1
    broken.append("down at once")
    with pytest.raises(QueryFailed):
        command_line("status", *TABLES, "--watch")


def test_an_overview_without_tables_says_so(command_line: CommandLine, tmp_path: Path) -> None:
    result = command_line("status", "--warehouse", str(tmp_path / "typo"))
    assert result.exit_code == 0
    assert f"no tables in {tmp_path / 'typo'}: no run has created them yet" in result.stderr
    assert "last merge: never" in result.stdout


def test_options_about_one_file_need_a_file(command_line: CommandLine) -> None:
    assert "--key and --ties need --file" in command_line("status", *TABLES, "--key", "T1").output


def test_waiting_covers_everything_that_can_leave_and_comes_first(
    bucket: LiveBucket, monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    shown: list[str] = []
    gather = overview.gather
    monkeypatch.setattr(overview, "gather", lambda *asked: [shown.append("overview"), gather(*asked)][1])
    monkeypatch.setattr(file_view, "gather", lambda *_: [shown.append("file"), FileView([], [], None, [])][1])
    files = [bucket.fake.store.upload(name, GOOD).file for name in ("source/order_tracking_2026_01_30.csv", NAME)]
    bucket.fake.store.upload("source/order_tracking_2026_01_29.csv", b"")
    bucket.schedule(bucket.archive(files[1]), bucket.archive(files[0]))
    assert command_line("status", "--wait", "--file", NAME, *TABLES).exit_code == 0
    assert len(bucket.slept) == 1
    result = command_line("status", "--wait", *TABLES)
    assert result.stderr.startswith("0/1 left source/, 1 not validated yet\n1/1 left source/\n")
    assert (len(bucket.slept), shown) == (2, ["file", "overview"])
    assert command_line("status", "--wait", "--file", "order_tracking_2026_01_29.csv", *TABLES).exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("--file", NAME)], ids=["overview", "file"])
def test_a_timeout_is_one_sentence_and_prints_no_result(
    bucket: LiveBucket,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    bucket.fake.store.upload(NAME, GOOD)
    line = ["status", "--bucket", BUCKET, *TABLES, *arguments, "--wait", "--timeout", "10", "--json"]
    monkeypatch.setattr("sys.argv", ["order-tracking", *line])
    with pytest.raises(
        RunFailed, match=r"^1 of 1 files are still waiting after 10 s: source/\S+ \(not validated yet\); files"
    ):
        run()
    assert capsys.readouterr().out == ""
