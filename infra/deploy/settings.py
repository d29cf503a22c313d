"""The settings of the deployment, read from `infra/deploy/settings.env` and validated."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent
FILE = Path(os.environ.get("SETTINGS_FILE") or FOLDER / "settings.env")
"""Set SETTINGS_FILE to use another file, if there is more than one installation."""


class Field(NamedTuple):
    """`pattern` must match the whole value."""

    pattern: str
    expected: str
    required: bool = True


NUMBER = r"\d+(\.\d+)?"
FIELDS: Mapping[str, Field] = {
    "INSTALLATION": Field(r"[a-z][a-z0-9-]{2,17}[a-z0-9]", "4 to 19 characters of a-z, 0-9 and -", required=False),
    "PROJECT_ID": Field(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a Google Cloud project"),
    "REGION": Field(r"[a-z]+-[a-z]+\d+", "a single region such as europe-west1"),
    "BUCKET": Field(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "a bucket name without gs://", required=False),
    "STATE_BUCKET": Field(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "a bucket name without gs://", required=False),
    "UPLOADERS": Field(r"[^\s,]+:[^\s,]+(,[^\s,]+:[^\s,]+)*", "IAM members, comma-separated", required=False),
    "DATABRICKS_HOST": Field(r"https://[^/\s]+", "the workspace URL with https:// and without a trailing slash"),
    "DATABRICKS_ACCOUNT_ID": Field(r"[0-9a-f-]{36}", "the account id, a UUID"),
    "DATABRICKS_WORKSPACE_ID": Field(r"\d+", "the workspace id, the number after o= in its URL"),
    "CATALOG": Field(r"[^\s./]+", "the name of an existing catalog"),
    "SCHEMA": Field(r"[^\s./]+", "the name of a schema", required=False),
    "BUNDLE_TARGET": Field(r"prod|prod_cluster", "prod or prod_cluster"),
    "DATABRICKS_LOGIN": Field(r"federation|secret", "federation or secret"),
    "MAINTENANCE": Field(r"PAUSED|UNPAUSED", "PAUSED or UNPAUSED"),
    "DEPLOYERS": Field(r"(users|servicePrincipals|groups)/[^\s,]+(,(users|servicePrincipals|groups)/[^\s,]+)*",
                       "users/NAME, groups/NAME or servicePrincipals/ID, comma-separated", required=False),
    "READERS": Field(r"[^,]+", "the name of one group", required=False),
    "ALERT_EMAIL": Field(r"[^@\s]+@[^@\s]+", "one email address", required=False),
    "GITHUB_REPOSITORY": Field(r"[^/\s]+/[^/\s]+", "OWNER/NAME", required=False),
    "GITHUB_REPOSITORY_ID": Field(r"\d+", "the number of that repository", required=False),
    "LAUNCH_WINDOW_SECONDS": Field(NUMBER, "a number of seconds", required=False),
    "MAX_BAD_ROW_RATIO": Field(NUMBER, "a number from 0 to 1", required=False),
    "SWEEP_GRACE_SECONDS": Field(NUMBER, "a number of seconds", required=False),
    "MAX_INSTANCES": Field(NUMBER, "a number", required=False),
    "WAITING_ALERT_SECONDS": Field(NUMBER, "a number of seconds", required=False),
    "SWEEP_SCHEDULE": Field(r"\S+( \S+){4}", "a cron schedule", required=False),
    "ARCHIVE_NEARLINE_DAYS": Field(NUMBER, "a number of days", required=False),
    "ARCHIVE_DELETE_DAYS": Field(NUMBER, "a number of days", required=False),
    "REJECTED_DELETE_DAYS": Field(NUMBER, "a number of days", required=False),
}  # fmt: skip


# Settings that are Terraform's variables with the same name in lower case; if they are empty, its defaults apply.
_OF_FOUNDATION = ("SWEEP_SCHEDULE", "ARCHIVE_NEARLINE_DAYS", "ARCHIVE_DELETE_DAYS", "REJECTED_DELETE_DAYS")
_OF_FUNCTION = (
    "LAUNCH_WINDOW_SECONDS", "MAX_BAD_ROW_RATIO", "SWEEP_GRACE_SECONDS", "MAX_INSTANCES", "WAITING_ALERT_SECONDS",
)  # fmt: skip


class SettingsError(ValueError):
    """`problems` has one sentence for each missing or invalid value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(dict[str, str]):
    """Values by their names in the file, including empty optional ones."""

    def listed(self, name: str) -> list[str]:
        return [item for item in self[name].split(",") if item]

    def state_prefix(self, step: str) -> str:
        """Where the state of a step is in STATE_BUCKET."""
        return f"{self['INSTALLATION']}/{step}"

    def _given(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name.lower(): self[name] for name in names if self[name]}

    def foundation_variables(self, deployers: Sequence[str]) -> dict[str, Any]:
        """Variables of infra/gcp/foundation; all others keep their defaults."""
        return {
            "name": self["INSTALLATION"],
            "state_bucket": self["STATE_BUCKET"],
            "project_id": self["PROJECT_ID"],
            "region": self["REGION"],
            "bucket": self["BUCKET"],
            "uploaders": self.listed("UPLOADERS"),
            "databricks_host": self["DATABRICKS_HOST"],
            "databricks_account_id": self["DATABRICKS_ACCOUNT_ID"],
            "databricks_workspace_id": int(self["DATABRICKS_WORKSPACE_ID"]),
            "databricks_login": self["DATABRICKS_LOGIN"],
            "catalog": self["CATALOG"],
            "deployers": list(deployers),
            "github_repository": self["GITHUB_REPOSITORY"],
            "github_repository_id": self["GITHUB_REPOSITORY_ID"],
            **self._given(_OF_FOUNDATION),
        }

    def bundle_variables(self, foundation: Mapping[str, Any], wheel: str) -> dict[str, Any]:
        """Variables of infra/databricks, from the settings, the outputs of step 1 and the wheel's path in the workspace."""
        return {
            "name": foundation["name"],
            "wheel": wheel,
            "bucket": foundation["bucket"],
            "catalog": foundation["catalog"],
            "schema": self["SCHEMA"],
            "service_credential": foundation["service_credential"],
            "job_principal": foundation["job_principal"],
            "function_principal": foundation["databricks_client_id"],
            "deployer_principal": foundation["deployer_principal"],
            "managers": [_manager(who) for who in foundation["deployers"]],
            **({"readers": self["READERS"]} if self["READERS"] else {}),
            "alert_emails": [self["ALERT_EMAIL"]] if self["ALERT_EMAIL"] else [],
            "maintenance": self["MAINTENANCE"],
        }

    def function_variables(self, job_id: str, archive: Path) -> dict[str, Any]:
        """Variables of infra/gcp/function."""
        return {
            "state_bucket": self["STATE_BUCKET"],
            "state_prefix": self.state_prefix("foundation"),
            "job_id": job_id,
            "source_archive": str(archive),
            "alert_email": self["ALERT_EMAIL"],
            **self._given(_OF_FUNCTION),
        }


_KINDS = {"users": "user_name", "groups": "group_name", "servicePrincipals": "service_principal_name"}


def _manager(who: str) -> dict[str, str]:
    """An entry of `permissions` for users/NAME, groups/NAME or servicePrincipals/ID."""
    kind, _, name = who.partition("/")
    return {_KINDS[kind]: name, "level": "CAN_MANAGE"}


DERIVED: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "INSTALLATION": lambda given: "order-tracking",
    "BUCKET": lambda given: f"{given.get('PROJECT_ID', '')}-{given['INSTALLATION']}",
    "STATE_BUCKET": lambda given: f"{given.get('PROJECT_ID', '')}-terraform-state",
    "SCHEMA": lambda given: given["INSTALLATION"].replace("-", "_"),
}
"""What empty settings are: another INSTALLATION is enough for a second installation."""


def read(file: Path = FILE) -> Settings:
    """Read and validate the file. Raises SettingsError with all problems."""
    if not file.is_file():
        raise SettingsError([f"{file} is missing: copy settings.env.example to it and fill it in"])
    problems: list[str] = []
    given: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or name.strip() not in FIELDS:
            problems.append(f"{file.name}:{number}: {name.strip()!r} is not a setting; see settings.env.example")
        given[name.strip()] = value.strip().strip("\"'")
    for name in FIELDS:
        if not given.get(name) and name in DERIVED:
            given[name] = DERIVED[name](given)
    for name, field in FIELDS.items():
        value = given.setdefault(name, "")
        if not value and field.required:
            problems.append(f"{name} is missing: {field.expected}")
        elif value and not re.fullmatch(field.pattern, value):
            problems.append(f"{name} is {value!r}, expected {field.expected}")
    if problems:
        raise SettingsError(problems)
    return Settings({name: given[name] for name in FIELDS})
