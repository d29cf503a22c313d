"""Waiting with a clock that only sleeping moves: for what waits now, until it has left source/, and not for ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from functions.handler import handle_upload
from spark_jobs import bootstrap
from spark_jobs.cli import main
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import archive_name
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator import commands as operating
from spark_jobs.operator.backlog import POLL_SECONDS, StillWaiting, Waiting, wait_for
from spark_jobs.operator.console import waiting_bar
from spark_jobs.operator.replay_result import Change, changes_of, in_a_sentence
from spark_jobs.settings import BucketLayout
from spark_jobs.store import session
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, NAME, FakeDependencies

PLACES = BucketLayout(BUCKET)
OTHER = "source/order_tracking_2026_01_30.csv"


class Life:
    """A bucket in which something happens each time that somebody sleeps."""

    def __init__(self) -> None:
        self.fake = FakeDependencies()
        self.happenings: Iterator[Callable[[], object]] = iter(())
        self.slept: list[float] = []
        self.deps = Dependencies(
            self.fake.store,
            self.fake.announcer,
            self.fake.clock,
            self.sleep,
            elapsed=lambda: self.fake.clock().timestamp(),
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.fake.clock.advance(seconds)
        next(self.happenings, lambda: None)()

    def then(self, *happenings: Callable[[], object]) -> None:
        self.happenings = iter(happenings)

    def archive(self, file: FileId) -> Callable[[], object]:
        return lambda: self.fake.store.move(
            file, archive_name(ORDER_TRACKING, file, PLACES.source_prefix, PLACES.archive_prefix)
        )

    def judge(self, file: FileId) -> Callable[[], object]:
        return lambda: handle_upload(file, self.fake.deps)


@pytest.fixture
def life() -> Life:
    return Life()


def waited(life: Life, files: list[FileId], patience: float = 60) -> list[list[tuple[str, str]]]:
    told: list[list[tuple[str, str]]] = []

    def tell(left: list[Waiting]) -> None:
        told.append([(line.name, line.state) for line in left])

    wait_for(files, life.deps, PLACES, patience, tell)
    return told


def test_it_looks_again_until_the_last_one_has_left_and_tells_how_far_each_has_come(life: Life) -> None:
    files = [life.fake.store.upload(name, GOOD).file for name in (OTHER, NAME)]
    life.then(life.judge(files[0]), life.archive(files[0]), life.judge(files[1]), life.archive(files[1]))
    assert waited(life, files) == [
        [(OTHER, "not judged yet"), (NAME, "not judged yet")],
        [(OTHER, "accepted"), (NAME, "not judged yet")],
        [(NAME, "not judged yet")],
        [(NAME, "accepted")],
        [],
    ]
    assert life.slept == [POLL_SECONDS] * 4


def test_what_comes_later_even_under_the_same_name_is_not_waited_for(life: Life) -> None:
    file = life.fake.store.upload(NAME, GOOD).file
    life.fake.store.upload(NAME, GOOD)
    life.fake.store.upload(NAME + "2", GOOD)
    assert waited(life, [file]) == [[]]
    assert waited(life, []) == []
    assert life.slept == []


def test_only_listings_are_asked_and_no_wider_than_needed(life: Life) -> None:
    file = life.fake.store.upload(NAME, GOOD).file
    life.fake.store.calls.clear()
    life.then(lambda: None, lambda: life.fake.store.delete(NAME))
    waited(life, [file])
    assert life.fake.store.calls == [("list_files", NAME)] * 3


def test_patience_ends_with_what_waits_and_what_to_do(life: Life) -> None:
    names = [f"source/order_tracking_2026_01_{day:02d}.csv" for day in range(1, 6)]
    files = [life.fake.store.upload(name, GOOD).file for name in names]
    life.judge(files[1])()
    life.then(life.archive(files[0]))
    with pytest.raises(StillWaiting) as told:
        waited(life, files, 7)
    assert str(told.value) == (
        f"after 7 s 4 of 5 files still wait: {names[1]} (accepted), {names[2]} (not judged yet), {names[3]} (not judged"
        " yet) and 1 more; accepted files wait for a run (status --job-id shows the latest); files not judged yet wait for"
        " the function (its log says why; the sweep makes up for lost events)"
    )
    assert sum(life.slept) == 7


def test_no_patience_is_one_look(life: Life) -> None:
    file = life.fake.store.upload("source/\x1b[31mred.csv", GOOD).file
    with pytest.raises(StillWaiting, match=r"source/\\x1b\[31mred\.csv"):
        waited(life, [file], 0)
    assert life.slept == []


def test_a_terminal_sees_a_bar_on_stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with waiting_bar(2) as say:
        say(1, "left source/, 1 [red]accepted\x1b")
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/2" in err
    assert "1 [red]accepted\\x1b" in err
    assert "━" in err


@pytest.fixture
def ask(life: Life, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line on that bucket; whoever starts Spark fails."""

    def no_spark() -> None:
        raise AssertionError("Spark was started")

    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings: life.deps)
    monkeypatch.setattr(bootstrap, "build_file_store", lambda: life.fake.store)
    monkeypatch.setattr(session, "open_session", no_spark)

    def ask(*words: str) -> Result:
        result = CliRunner().invoke(main, [words[0], "--bucket", BUCKET, *words[1:]])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return ask


TABLES = ("--warehouse", "nowhere")


def rejected(life: Life) -> FileId:
    upload = life.fake.store.upload(NAME, BAD_HEADER).file
    life.judge(upload)()
    return upload


def judge_copy(life: Life, upload: FileId) -> Callable[[], object]:
    def judge() -> None:
        copy = life.fake.store.stat(BUCKET, f"source/replay/{upload.generation}/order_tracking_2026_01_31.csv")
        assert copy is not None
        handle_upload(copy.file, life.fake.deps)

    return judge


@pytest.mark.parametrize("earlier", [False, True], ids=["copied", "waiting already"])
def test_a_copy_that_the_function_rejects_is_told_with_its_report_s_reason(life: Life, ask: Any, earlier: bool) -> None:
    upload = rejected(life)
    if earlier:
        ask("replay", NAME)
    life.then(lambda: None, judge_copy(life, upload))
    result = ask("replay", NAME, "--wait", *TABLES, "--json")
    assert result.stderr == "0/1 left source/, 1 not judged yet\n1/1 left source/\n"
    (line,) = json.loads(result.stdout)
    assert line["answer"] == ("waiting already" if earlier else "copied")
    assert line["file"].startswith(f"{BUCKET}/{line['to']}#")
    assert (line["outcome"], line["inserted"], line["updated"]) == ("rejected", None, None)
    assert line["reason"].startswith("the header has no column")


def test_the_answer_ends_with_what_changed(life: Life, ask: Any) -> None:
    life.then(judge_copy(life, rejected(life)))
    result = ask("replay", NAME, "--wait", *TABLES)
    assert "rejected" in result.stdout
    assert result.stdout.endswith("nothing changed: no file was merged; 1 file rejected\n")
    assert "━" not in result.stderr


def test_a_replay_waits_only_for_its_own_copies(life: Life, ask: Any) -> None:
    upload = rejected(life)
    life.fake.store.upload(OTHER, GOOD)
    life.then(judge_copy(life, upload))
    assert ask("replay", NAME, "--wait", *TABLES).exit_code == 0
    assert life.slept == [POLL_SECONDS]


def test_a_replay_that_would_wait_without_tables_or_without_copies_is_refused_first(life: Life, ask: Any) -> None:
    from spark_jobs.settings import SettingsError

    rejected(life)
    with pytest.raises(SettingsError, match="--catalog and --schema"):
        ask("replay", NAME, "--wait")
    refused = ask("replay", NAME, "--wait", "--dry-run", *TABLES)
    assert "nothing to --wait for" in refused.stderr
    assert life.fake.store.names("source/") == []


def test_without_waiting_the_answer_names_how_to_learn_more(life: Life, ask: Any) -> None:
    rejected(life)
    assert "replay --wait, or status --file" in ask("replay", NAME).stderr


@pytest.mark.parametrize("words", [("status",), ("status", "--file", NAME), ("replay", NAME)])
def test_a_wait_that_takes_too_long_is_one_sentence_and_no_answer(
    life: Life, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], ask: Any
) -> None:
    from spark_jobs.cli import RunFailed, run

    if words[0] == "replay":
        rejected(life)
    else:
        life.fake.store.upload(NAME, GOOD)
    line = [words[0], "--bucket", BUCKET, *TABLES, *words[1:], "--wait", "--timeout", "10", "--json"]
    monkeypatch.setattr("sys.argv", ["order-tracking", *line])
    with pytest.raises(RunFailed, match=r"^after 10 s 1 of 1 files still wait: source/\S+ \(not judged yet\); files not"):
        run()
    assert capsys.readouterr().out == ""


def test_status_waits_for_everything_that_can_leave_and_then_answers(
    life: Life, monkeypatch: pytest.MonkeyPatch, ask: Any
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(operating, "_show_overview", lambda *_: shown.append("overview"))
    monkeypatch.setattr(operating, "_show_file", lambda *_: shown.append("file"))
    files = [life.fake.store.upload(name, GOOD).file for name in (OTHER, NAME)]
    life.fake.store.upload("source/order_tracking_2026_01_29.csv", b"")
    life.then(life.archive(files[1]), life.archive(files[0]))
    assert ask("status", "--wait", "--file", NAME, *TABLES).exit_code == 0
    assert len(life.slept) == 1
    result = ask("status", "--wait", *TABLES)
    assert result.stderr == "0/1 left source/, 1 not judged yet\n1/1 left source/\n"
    assert (result.stdout, len(life.slept), shown) == ("", 2, ["file", "overview"])
    assert ask("status", "--wait", "--file", "order_tracking_2026_01_29.csv", *TABLES).exit_code == 0


FILE = FileId(BUCKET, NAME, 7)


def entry(file: FileId, **facts: Any) -> LogEntry:
    at = FakeDependencies().clock()
    return LogEntry(file, facts.pop("outcome", "merged"), "batch", at, at, 1, **facts)


def test_a_copy_that_is_neither_logged_nor_rejected_is_lost_and_an_unknown_count_says_why(life: Life) -> None:
    other = FileId(BUCKET, NAME, 8)
    note = "the change feed can't be read"
    found = changes_of([FILE, other], life.fake.store, PLACES, lambda _: [entry(other, rows=3, note=note)])
    assert found[FILE].outcome == "lost"
    assert (found[other].outcome, found[other].reason) == ("merged", note)


def merged(inserted: int | None, updated: int | None, rejected_rows: int = 0) -> Change:
    return Change(FILE, "merged", 9, inserted, updated, 0, rejected_rows)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ([], "nothing changed: no file was copied"),
        ([merged(0, 0)], "nothing changed: every row was there already, or a newer one"),
        ([merged(0, 0, 2)], "nothing changed: every good row was there already, or a newer one; 2 rows set aside"),
        ([merged(2, 0), merged(0, 1000), merged(0, 10)], "3 files changed 1,012 rows (2 inserted, 1,010 updated)"),
        ([merged(1, 0), merged(0, 0), Change(FILE, "lost")], "1 file changed 1 row (1 inserted, 0 updated); 1 file lost"),
        ([merged(None, None)], "how many rows 1 file changed can't be known"),
        ([Change(FILE, "superseded")], "nothing changed: no file was merged; 1 file superseded"),
    ],
)
def test_the_last_sentence_never_says_nothing_where_that_is_not_known(changes: list[Change], sentence: str) -> None:
    assert in_a_sentence(changes) == sentence
