"""Users paste commands from docs/deploy.md: everything that the page names must exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.deploy.__main__ import main
from infra.deploy.settings import FIELDS
from tests.infra.gcp.terraform_files import load

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda text: text.split("\n")[0][:40])
def test_every_command_is_shell_that_parses(command: str) -> None:
    done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_make_target_on_the_page_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"^make (\S+)", "\n".join(COMMANDS), re.MULTILINE)):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), f"make {target} does not exist"


def test_every_step_on_the_page_exists() -> None:
    named = set(re.findall(r"-m infra\.deploy (\w+)", PAGE))
    assert named
    assert named <= set(main.commands)


def test_every_file_on_the_page_exists() -> None:
    made = {f"infra/deploy/{name}" for name in ("settings.env", "staging.env", "order-tracking.foundation.json")}
    named = set(re.findall(r"\b((?:infra|tests|functions|spark_jobs|\.github)/[\w./-]*\w)", PAGE)) - made
    assert len(named) > 15
    for name in named:
        path = name.split(":")[0]
        assert (ROOT / path).exists() or (ROOT / f".{path}").exists(), name


def test_every_setting_and_output_on_the_page_exists() -> None:
    text = "\n".join(COMMANDS)
    used = set(re.findall(r"\$\{?([A-Z][A-Z_]+)\b", text)) - {"PWD", "EDITOR", "SETTINGS_FILE"}
    assert used <= set(FIELDS)
    outputs = re.findall(r"output -raw (\w+)", text)
    assert outputs
    for output in outputs:
        assert output in load(ROOT / "infra/gcp/foundation").outputs


def test_help_lists_all_commands() -> None:
    answer = CliRunner().invoke(main, ["--help"])
    assert answer.exit_code == 0
    for name in main.commands:
        assert name in answer.output
