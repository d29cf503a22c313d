"""Stand-ins for terraform, databricks and gcloud that record their calls, and settings that are valid."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.deploy import settings, shell, steps
from infra.deploy.settings import Settings, read
from tests.infra.gcp.terraform_files import load

ROOT = Path(__file__).resolve().parents[3]


GOOD = {
    "PROJECT_ID": "orders-prod",
    "REGION": "europe-west1",
    "BUCKET": "orders-files",
    "STATE_BUCKET": "orders-state",
    "UPLOADERS": "serviceAccount:shop@orders-prod.iam.gserviceaccount.com,group:ops@example.com",
    "DATABRICKS_HOST": "https://123.4.gcp.databricks.com",
    "DATABRICKS_ACCOUNT_ID": "01234567-89ab-cdef-0123-456789abcdef",
    "DATABRICKS_WORKSPACE_ID": "123",
    "CATALOG": "main",
    "SCHEMA": "order_tracking",
    "BUNDLE_TARGET": "prod",
    "DATABRICKS_LOGIN": "federation",
    "MAINTENANCE": "PAUSED",
    "ALERT_EMAIL": "ops@example.com",
}


OUTPUTS = {
    **dict.fromkeys(load(ROOT / "infra/gcp/foundation").outputs["installation"]["value"], "some"),
    "project_id": "orders-prod",
    "region": "europe-west1",
    "name": "order-tracking",
    "bucket": "orders-files",
    "source_prefix": "source/",
    "archive_prefix": "archive/",
    "rejected_prefix": "rejected/",
    "outcome_topic": "projects/orders-prod/topics/order-tracking-outcomes",
    "changes_topic": "projects/orders-prod/topics/order-tracking-changes",
    "sweep_topic": "projects/orders-prod/topics/order-tracking-sweep",
    "databricks_host": "https://123.4.gcp.databricks.com",
    "databricks_client_id": "the-function",
    "federation_audience": "https://123.4.gcp.databricks.com/order-tracking",
    "databricks_secret": "",
    "deployer_principal": "the-deployer",
    "deployers": ["users/me@example.com"],
    "bundle_folder": "/Workspace/order-tracking",
    "function_account": "f@orders-prod.iam.gserviceaccount.com",
    "trigger_account": "t@orders-prod.iam.gserviceaccount.com",
}


SUMMARY = {
    "resources": {
        "jobs": {"order_tracking_ingest": {"id": "4711"}, "order_tracking_maintenance": {"id": "12"}},
        "schemas": {"order_tracking": {"id": "main.order_tracking", "catalog_name": "main"}},
        "volumes": {"order_tracking_checkpoints": {"id": "main.order_tracking.checkpoints"}},
    }
}
LIVE_SUMMARY = {
    "resources": {
        **SUMMARY["resources"],
        "jobs": {**SUMMARY["resources"]["jobs"], "order_tracking_live": {"id": "13"}},
    }
}
WAREHOUSES = [
    {"id": "00000000000000aa", "name": "reports"},
    {"id": "00000000000000bb", "name": "Serverless Starter Warehouse"},
]
ME = {"userName": "me@example.com", "groups": [{"display": "admins"}, {"display": "data team"}]}


PROGRAM = """#!{python}
import json, os, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
with open({calls!r}, "a") as log:
    log.write(json.dumps([name, *arguments, dict(os.environ)]) + "\\n")
for words, answer in json.load(open({answers!r})):
    if [name, *arguments][: len(words)] == words or all(word in [name, *arguments] for word in words):
        if answer is None:
            sys.exit(f"{{name}}: no")
        if isinstance(answer, int):
            sys.exit(answer)
        print(answer)
        break
"""


@dataclass
class Programs:
    """Stand-ins for terraform, databricks and gcloud, placed first on the PATH."""

    folder: Path

    def __post_init__(self) -> None:
        self.calls_file, self.answers_file = self.folder / "calls", self.folder / "answers"
        self.calls_file.touch()
        self.answer({})
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for name in ("terraform", "databricks", "gcloud"):
            text = PROGRAM.format(python=sys.executable, calls=str(self.calls_file), answers=str(self.answers_file))
            (bin_folder / name).write_text(text)
            (bin_folder / name).chmod(0o755)
        self.path = f"{bin_folder}:/usr/bin:/bin"

    def answer(self, more: dict[tuple[str, ...], str | int | None]) -> None:
        """Set the output or the exit status of calls with these words; None: the call fails. The first match wins."""
        defaults: dict[tuple[str, ...], str | int | None] = {
            ("terraform", "output"): json.dumps({"installation": {"value": OUTPUTS}}),
            ("databricks", "summary"): json.dumps(SUMMARY),
            ("terraform", "version"): '{"terraform_version": "1.11.4"}',
            ("gcloud", "version"): '{"Google Cloud SDK": "540.0.0"}',
            ("databricks", "version"): '{"Version": "1.12.0"}',
            ("gcloud", "print-access-token"): "token",
            ("gcloud", "projects", "describe", "--format=value(projectId)"): "orders-prod",
            ("gcloud", "billing"): "True",
            ("gcloud", "buckets"): "orders-state",
            ("gcloud", "services"): "cloudresourcemanager.googleapis.com\nserviceusage.googleapis.com",
            ("databricks", "current-user"): json.dumps(ME),
            ("databricks", "account"): '{"workspace_name": "orders"}',
            ("databricks", "/api/2.0/sql/warehouses"): json.dumps({"warehouses": WAREHOUSES}),
            ("databricks", "api"): '{"name": "main"}',
            ("databricks", "workspace", "list"): "[]",
            ("databricks", "plan"): '{"plan": {}}',
        }
        known = [*more.items(), *defaults.items()]
        self.answers_file.write_text(json.dumps([[list(words), answer] for words, answer in known]))

    def calls(self) -> list[list[str]]:
        return [json.loads(line)[:-1] for line in self.calls_file.read_text().splitlines()]

    def lines(self) -> list[str]:
        return [" ".join(call) for call in self.calls()]

    def environments(self, *words: str) -> list[dict[str, str]]:
        """Of the calls with these words."""
        calls = [json.loads(line) for line in self.calls_file.read_text().splitlines()]
        return [call[-1] for call in calls if set(words) <= set(call[:-1])]

    def overrides(self, target: str = "prod") -> dict[str, Any]:
        """The bundle's variables, from where the CLI looks for them."""
        file = steps.BUNDLE / ".databricks" / "bundle" / target / "variable-overrides.json"
        return dict(json.loads(file.read_text()))


@pytest.fixture(autouse=True)
def no_real_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings and outputs in infra/deploy must not reach the tests."""
    monkeypatch.setenv("SETTINGS_FILE", str(tmp_path / "none.env"))
    monkeypatch.setattr(settings, "FOLDER", tmp_path)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("DATABRICKS_HOST", "https://elsewhere")
    monkeypatch.setattr(steps, "WORK", tmp_path / "work")
    monkeypatch.setattr(shell, "RETRY_DELAYS_SECONDS", (0, 0))
    bundle = tmp_path / "bundle"
    shutil.copytree(ROOT / "infra" / "databricks", bundle, ignore=shutil.ignore_patterns(".databricks"))
    monkeypatch.setattr(steps, "BUNDLE", bundle)
    return made


def written(folder: Path, **changes: str) -> Path:
    file = folder / "settings.env"
    file.write_text("# a comment\n\n" + "".join(f"{k}={v}\n" for k, v in {**GOOD, **changes}.items()))
    return file


def good(folder: Path, **changes: str) -> Settings:
    return read(written(folder, **changes))
