"""checkov finds no problem in Terraform files and workflows, and each skipped check has a reason.

`python -m tests.infra.gcp.test_static_security` creates checkov's environment ahead of the tests (30 s).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.local.installer import install
from infra.local.jobs.locking import locked
from tests.infra.gcp.provider_schemas import ROOT

REQUIREMENTS = Path(__file__).with_name("checkov-requirements.txt")
OPEN_BUCKET = """
resource "google_storage_bucket" "open" {
  name                     = "open"
  location                 = "EU"
  public_access_prevention = "inherited"
}
"""


def checkov() -> list[str]:
    """The command, in an environment that is kept until the pinned version changes.

    It names Python, because an installed script names the folder in which it was installed, which may be another worktree.
    """
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / ".cache" / "checkov" / key
    with locked(folder.with_name(f"{key}.lock")):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
            install(folder / "bin" / "python", f"--requirement={REQUIREMENTS}")
            (folder / "complete").touch()
    return [str(folder / "bin" / "python"), "-m", "checkov.main"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of one run (a few seconds) over our files and a bad one, for all frameworks together."""
    bad = tmp_path_factory.mktemp("bad")
    (bad / "open.tf").write_text(OPEN_BUCKET)
    folders = [ROOT / "infra" / "gcp", ROOT / ".github" / "workflows", bad]
    command = [*checkov(), *(f"--directory={folder}" for folder in folders)]
    command += ["--framework", "terraform", "github_actions", "--output=json", "--quiet", "--compact", "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=bad)
    decoder, rest, found = json.JSONDecoder(), done.stdout.strip(), []
    while rest:
        value, end = decoder.raw_decode(rest)
        found += value if isinstance(value, list) else [value]
        rest = rest[end:].strip()
    assert found, done.stderr[-2000:]
    return {
        outcome: [check for result in found if "results" in result for check in result["results"].get(outcome, [])]
        for outcome in ("failed_checks", "skipped_checks", "passed_checks")
    }


def test_our_files_pass_all_checks(results: dict[str, Any]) -> None:
    ours = [check for check in results["failed_checks"] if "open" not in check["resource"]]
    assert [(check["check_id"], check["check_name"], check["resource"]) for check in ours] == []


def test_a_bucket_open_to_the_public_would_fail(results: dict[str, Any]) -> None:
    found = {check["check_id"] for check in results["failed_checks"] if check["resource"] == "google_storage_bucket.open"}
    assert {"CKV_GCP_114", "CKV_GCP_29"} <= found


def test_every_skipped_check_has_a_reason() -> None:
    made = [
        line.strip()
        for folder in (ROOT / "infra" / "gcp", ROOT / ".github" / "workflows")
        for path in folder.rglob("*.*")
        if path.suffix in {".tf", ".yml"}
        for line in path.read_text().splitlines()
        if "checkov:skip" in line
    ]
    assert made
    for line in made:
        assert re.fullmatch(r"#checkov:skip=CKV2?_\w+:[A-Z].{7,}", line), line


if __name__ == "__main__":
    print(*checkov())
