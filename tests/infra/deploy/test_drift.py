"""`make deploy-diff` says which steps a deployment would change, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.deploy import drift, wheel
from infra.deploy.__main__ import main
from infra.deploy.shell import CommandFailed
from tests.infra.deploy.recorded_programs import Programs, good, written

UNCHANGED = json.dumps({"plan": {"resources.jobs.order_tracking_ingest": {"action": "skip"}, "resources.schemas.a": {}}})
CHANGED = json.dumps({"plan": {"resources.jobs.order_tracking_ingest": {"action": "update"}}})


def test_nothing_differs(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "plan"): UNCHANGED})
    assert drift.differing_steps(good(tmp_path)) == []


@pytest.mark.parametrize(
    ("words", "answer", "step"),
    [
        (("terraform", "-chdir=infra/gcp/foundation", "plan"), 2, "foundation"),
        (("databricks", "plan"), CHANGED, "bundle"),
        (("terraform", "-chdir=infra/gcp/function", "plan"), 2, "function"),
    ],
)
def test_each_step_can_differ(
    programs: Programs, tmp_path: Path, words: tuple[str, ...], answer: str | int, step: str
) -> None:
    programs.answer({words: answer})
    assert drift.differing_steps(good(tmp_path)) == [step]


def test_a_plan_that_fails_is_an_error_and_no_difference(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("terraform", "plan"): 1})
    with pytest.raises(CommandFailed, match=r"plan .* failed with status 1"):
        drift.differing_steps(good(tmp_path))


def test_it_compares_with_the_wheel_of_this_tree_and_changes_nothing(programs: Programs, tmp_path: Path) -> None:
    drift.differing_steps(good(tmp_path))
    assert programs.overrides()["wheel"].endswith(f"/{wheel.file_name()}")
    changing = {"apply", "deploy", "destroy", "import-dir", "mkdirs", "delete", "rm"}
    assert not [call for call in programs.calls() if changing & set(call)]
    plans = [call for call in programs.calls() if call[0] == "terraform" and "plan" in call]
    assert len(plans) == 2
    for plan in plans:
        assert {"-detailed-exitcode", "-input=false", "-lock=false"} <= set(plan)


@pytest.mark.parametrize(("answer", "status"), [(UNCHANGED, 0), (CHANGED, 2)])
def test_the_exit_status_is_2_if_anything_differs(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    monkeypatch.setenv("SETTINGS_FILE", str(written(tmp_path)))
    programs.answer({("databricks", "plan"): answer})
    done = CliRunner().invoke(main, ["diff"])
    assert done.exit_code == status, done.output
    assert ("would change: bundle" if status else "Nothing differs") in done.output


def test_single_steps_can_be_compared(programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub Actions may not read what only account admins may see."""
    monkeypatch.setenv("SETTINGS_FILE", str(written(tmp_path)))
    programs.answer({("terraform", "-chdir=infra/gcp/foundation", "plan"): 2})
    assert CliRunner().invoke(main, ["diff", "bundle", "function"]).exit_code == 0
    assert CliRunner().invoke(main, ["diff"]).exit_code == 2
