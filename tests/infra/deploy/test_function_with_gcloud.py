"""The gcloud script deploys the same functions with the same settings as Terraform."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.deploy.steps import gcloud_values
from tests.infra.deploy.recorded_programs import OUTPUTS, Programs, good, written
from tests.infra.gcp.terraform_files import load

ROOT = Path(__file__).resolve().parents[3]


def environment_of(values: dict[str, str]) -> dict[str, str]:
    assert values["ENVIRONMENT"].startswith("^|^")
    return dict(item.split("=", 1) for item in values["ENVIRONMENT"][3:].split("|"))


def test_gcloud_and_terraform_give_the_function_the_same_settings(programs: Programs, tmp_path: Path) -> None:
    base, federation = load(ROOT / "infra/gcp/function").locals["settings"], "DATABRICKS_FEDERATION_AUDIENCE"
    by_terraform = settings_named_in(base) | {federation}
    assert set(environment_of(gcloud_values(good(tmp_path)))) == by_terraform


def settings_named_in(expression: Any) -> set[str]:
    return set(re.findall(r"\b([A-Z][A-Z_]{4,})\b\s*=", str(expression)))


def test_the_function_reads_and_accepts_every_setting(programs: Programs, tmp_path: Path) -> None:
    from functions.config import Config

    given = environment_of(gcloud_values(good(tmp_path)))
    config = Config.read(given)
    assert config.job_id == 4711
    assert config.source_bucket == "orders-files"
    assert config.federation_audience == OUTPUTS["federation_audience"]
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    read_by_libraries = {"LOG_EXECUTION_ID", "DATABRICKS_CLIENT_ID"}
    for name in set(given) - read_by_libraries:
        assert f'"{name}"' in sources, f"nothing reads {name}"


def test_the_script_deploys_both_functions_with_every_value_filled_in(programs: Programs, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "infra/deploy/function_with_gcloud.sh")],
        env={**os.environ, "PYTHON": sys.executable, "SETTINGS_FILE": str(written(tmp_path)), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    gcloud = [call for call in programs.calls() if call[0] == "gcloud"]
    deployed = [call for call in gcloud if call[1:3] == ["functions", "deploy"]]
    assert [call[3] for call in deployed] == ["order-tracking-intake", "order-tracking-sweep"]
    for call in gcloud:
        assert not [word for word in call if word.endswith("=") or word == ""], call
    assert "--retry" in deployed[0]
    assert "--retry" not in deployed[1]
    assert "--trigger-topic=order-tracking-sweep" in deployed[1]
    targets = {word.partition("=")[2] for call in deployed for word in call if word.startswith("--entry-point=")}
    main = (ROOT / "main.py").read_text()
    assert all(f"def {target}(" in main for target in targets)
    assert len(targets) == 2
    invokers = [call for call in gcloud if "add-iam-policy-binding" in call]
    assert [call[4] for call in invokers] == ["order-tracking-intake", "order-tracking-sweep"]
