"""`order-tracking report` on the command line."""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from spark_jobs.cloud.ports import TransientError
from spark_jobs.operator import report
from spark_jobs.settings import SettingsError
from tests.fakes.dependencies import BUCKET
from tests.released_tables import unpack_tables
from tests.spark_jobs.operator.conftest import CommandLine, LiveBucket

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(unpack_tables(tmp_path_factory.mktemp("tables")))


def test_the_page_and_the_json_have_the_same_answers(
    command_line: CommandLine, bucket: LiveBucket, tables: str, tmp_path: Path
) -> None:
    bucket.rejected_file()
    file = tmp_path / "new folder" / "report.html"
    shown = command_line("report", "--warehouse", tables, "--html", str(file), "--json")

    answers = json.loads(shown.stdout)
    included = re.search(r'id="answers">(.*?)</script>', file.read_text("utf-8"))
    assert included
    assert json.loads(included[1]) == answers
    assert answers["status_funnel"]["rows"]
    assert answers["rejected_files"]["rows"][0][:2] == [report_reason(answers), 1]
    assert "missing" in answers["customer_orders.revenue"]


def report_reason(answers: dict[str, dict[str, list[list[str]]]]) -> str:
    (row,) = answers["rejected_files"]["rows"]
    assert "tracking_num" in row[0]
    return row[0]


def test_the_terminal_shows_every_question_and_no_control_characters(
    command_line: CommandLine, bucket: LiveBucket, tables: str
) -> None:
    bucket.fake.store.upload("source/order_tracking_\x1b[31m.csv", b"x")
    everything = command_line("report", "--warehouse", tables).stdout
    one_feed = command_line("report", "--warehouse", tables, "--feed", "order_tracking").stdout

    for title in ("Shipments by status", "Waiting files", "Conflicting ties"):
        assert title in one_feed
    assert "Revenue" in everything
    assert "Revenue" not in one_feed
    assert r"\x1b[31m" in everything
    assert "\x1b" not in everything


def test_times_in_the_terminal_are_the_readers_or_utc(
    command_line: CommandLine, bucket: LiveBucket, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bucket.rejected_file()
    moved = bucket.fake.store.stat(BUCKET, f"rejected/order_tracking_2026_01_31.csv.{file.generation}")
    assert moved
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        shown = command_line("report", "--warehouse", tables).stdout
        in_utc = command_line("report", "--warehouse", tables, "--utc").stdout
    finally:
        monkeypatch.undo()
        time.tzset()

    assert f"{moved.created + timedelta(hours=5, minutes=30):%Y-%m-%d %H:%M} IST" in shown
    assert f"{moved.created:%Y-%m-%d %H:%M} UTC" in in_utc


def test_without_the_bucket_the_tables_are_asked_and_the_output_says_what_is_missing(
    command_line: CommandLine, bucket: LiveBucket, tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise TransientError("no <login>")

    monkeypatch.setattr(bucket.fake.store, "list_files", down)
    file = tmp_path / "report.html"
    shown = command_line("report", "--warehouse", tables, "--html", str(file))

    assert "missing: files that wait for the function, and files that it rejected, because" in shown.stderr
    assert "no &lt;login&gt;" in file.read_text("utf-8")
    assert f"wrote {file}" in shown.stdout


def test_a_missing_package_is_one_sentence_with_the_command(
    command_line: CommandLine, tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "spark_jobs.report.page", raising=False)
    monkeypatch.setitem(sys.modules, "vl_convert", None)

    with pytest.raises(SettingsError, match=r"^--html needs the package vl_convert: pip install .*vl-convert-python=="):
        command_line("report", "--warehouse", tables, "--html", str(tmp_path / "report.html"))


def test_the_extra_is_what_the_message_says() -> None:
    extra = re.search(r"^report = \[(.*)\]", (ROOT / "spark_jobs" / "pyproject.toml").read_text(), re.MULTILINE)
    assert extra
    for package in re.findall(r'"([^"]+)"', extra[1]):
        assert package in report.INSTALL


def test_a_file_that_can_not_be_written_is_one_sentence(command_line: CommandLine, tables: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="can't be written: "):
        command_line("report", "--warehouse", tables, "--html", str(tmp_path / "file" / "report.html"))
