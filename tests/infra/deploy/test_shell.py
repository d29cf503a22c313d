"""Programs that a deployment runs: their status, their errors, and a program that isn't there."""

from __future__ import annotations

import sys

import pytest

from infra.deploy.shell import CommandFailed, ask, ask_json, run


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_errors_are_shown_as_they_come_and_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandFailed, match="failed with status 3") as caught:
        run(*python("import sys; print('plan'); print('went wrong', file=sys.stderr); sys.exit(3)"))
    shown = capfd.readouterr()
    assert caught.value.errors == "went wrong\n"
    assert (shown.out, shown.err.splitlines()[-1]) == ("plan\n", "went wrong")
    assert shown.err.startswith("+ "), "the command can be repeated by hand"


def test_other_statuses_may_be_expected() -> None:
    assert run(*python("raise SystemExit(2)"), ok=(0, 2)) == 2
    assert run(*python("")) == 0


def test_an_answer_is_the_output_without_its_line_end() -> None:
    assert ask(*python("print('here')")) == "here"
    assert ask_json(*python("print('[1]')")) == [1]
    with pytest.raises(CommandFailed, match="did not print JSON"):
        ask_json(*python("print('no')"))
    with pytest.raises(CommandFailed, match="no such thing"):
        ask(*python("import sys; sys.exit('no such thing')"))


def test_the_environment_is_added_to_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    assert ask(*python("import os; print(os.environ['KEPT'] + os.environ['GIVEN'])"), env={"GIVEN": "2"}) == "12"


def test_a_program_that_is_not_installed_is_named() -> None:
    for call in (run, ask):
        with pytest.raises(CommandFailed, match="no-such-program is not installed"):
            call("no-such-program")
