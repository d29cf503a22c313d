"""Console output: escaped names, the width off a terminal, progress on stderr, JSON of our own types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from spark_jobs.contract.file_ids import FileId
from spark_jobs.operator.console import print_json, printable, stdout, wait_progress


@dataclass(frozen=True)
class Line:
    file: FileId
    at: datetime


def test_control_characters_are_escaped() -> None:
    assert printable("\x1b[31m[red]\n\x07größe\u202e") == "\\x1b[31m[red]\\n\\x07größe\\u202e"


def test_off_a_terminal_a_long_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    stdout().print("x " * 500)
    assert capsys.readouterr().out.splitlines() == ["x " * 500]


def test_a_terminal_has_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert stdout().width == 80


def test_json_shows_file_ids_and_times_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 31, 10, tzinfo=UTC)
    print_json([Line(FileId("b", "n", 7), at), {"day": date(2026, 1, 31)}])
    assert json.loads(capsys.readouterr().out) == [
        {"file": "b/n#7", "at": "2026-01-31T10:00:00+00:00"},
        {"day": "2026-01-31"},
    ]
    with pytest.raises(TypeError, match="object can't be written as JSON"):
        print_json(object())


def test_a_terminal_shows_a_progress_bar_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with wait_progress(2) as show:
        show(1, "left source/, 1 [red]accepted\x1b")
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/2" in err
    assert "1 [red]accepted\\x1b" in err
    assert "━" in err


def test_off_a_terminal_progress_is_one_line_per_change(capsys: pytest.CaptureFixture[str]) -> None:
    with wait_progress(2) as show:
        for done in (0, 0, 1):
            show(done, "left source/")
    assert capsys.readouterr().err == "0/2 left source/\n1/2 left source/\n"
