"""The settings of the deployment, read from `infra/deploy/settings.env` and validated."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent


class Field(NamedTuple):
    """`pattern` must match the whole value. `default` may contain the names of earlier settings in braces."""

    pattern: str
    expected: str
    required: bool = True
    default: str = ""


_NUMBER = r"\d{1,9}"
_SHARE = r"0|1|0?\.\d{1,6}"
# Names of groups may contain spaces.
_DEPLOYER = r"(users|servicePrincipals|groups)/[^\s,]([^,\n]*[^\s,])?"

FIELDS: Mapping[str, Field] = {
    "INSTALLATION": Field(r"[a-z][a-z0-9-]{2,17}[a-z0-9]", "4 to 19 characters of a-z, 0-9 and -",
                          default="order-tracking"),
    "PROJECT_ID": Field(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a Google Cloud project"),
    "REGION": Field(r"[a-z]+-[a-z]+\d+", "a single region such as europe-west1"),
    "BUCKET": Field(r"[a-z0-9][a-z0-9._-]{1,45}[a-z0-9]", "a bucket name of at most 47 characters, without gs://",
                    default="{PROJECT_ID}-{INSTALLATION}"),
    "STATE_BUCKET": Field(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "a bucket name without gs://",
                          default="{PROJECT_ID}-terraform-state"),
    "UPLOADERS": Field(r"[^\s,]+:[^\s,]+(,[^\s,]+:[^\s,]+)*", "IAM members, comma-separated", required=False),
    "DATABRICKS_HOST": Field(r"https://[^/\s]+", "the workspace URL with https:// and without a trailing slash"),
    "DATABRICKS_ACCOUNT_ID": Field(r"[0-9a-f-]{36}", "the account id, a UUID"),
    "DATABRICKS_WORKSPACE_ID": Field(r"\d+", "the workspace id, the number after o= in its URL"),
    "CATALOG": Field(r"[^\s./]+", "the name of an existing catalog"),
    "SCHEMA": Field(r"[^\s./]+", "the name of a schema", default="{INSTALLATION}"),
    "BUNDLE_TARGET": Field(r"prod|live|prod_cluster", "prod, live or prod_cluster", default="prod"),
    "DATABRICKS_LOGIN": Field(r"federation|secret", "federation or secret", default="federation"),
    "PUBLISH_CHANGES": Field(r"yes|no", "yes or no", default="yes"),
    "MAINTENANCE": Field(r"PAUSED|UNPAUSED", "PAUSED or UNPAUSED", default="PAUSED"),
    "DEPLOYERS": Field(rf"{_DEPLOYER}(,{_DEPLOYER})*",
                       "users/NAME, groups/NAME or servicePrincipals/APPLICATION_ID, comma-separated", required=False),
    "READERS": Field(r"[^\n\r]{1,255}", "the name of a group", required=False),
    "SQL_WAREHOUSE_ID": Field(r"[0-9a-f]{16}", "the id of a SQL warehouse, 16 characters of 0-9 and a-f", required=False),
    "SQL_ALERTS": Field(r"PAUSED|UNPAUSED", "PAUSED or UNPAUSED", default="PAUSED"),
    "ALERT_EMAIL": Field(r"[^@\s]+@[^@\s]+", "one email address", required=False),
    "GITHUB_REPOSITORY": Field(r"[^/\s]+/[^/\s]+", "OWNER/NAME", required=False),
    "GITHUB_REPOSITORY_ID": Field(_NUMBER, "the repository's number", required=False),
    "LAUNCH_WINDOW_SECONDS": Field(_NUMBER, "a whole number of seconds", required=False),
    "MAX_BAD_ROW_RATIO": Field(_SHARE, "a number from 0 to 1", required=False),
    "SWEEP_GRACE_SECONDS": Field(_NUMBER, "a whole number of seconds", required=False),
    "MAX_INSTANCES": Field(_NUMBER, "a whole number", required=False),
    "WAITING_ALERT_SECONDS": Field(_NUMBER, "a whole number of seconds", required=False),
    "REJECTED_SHARE_ALERT": Field(_SHARE, "a number from 0 to 1", required=False),
    "ARCHIVE_NEARLINE_DAYS": Field(_NUMBER, "a whole number of days", required=False),
    "ARCHIVE_DELETE_DAYS": Field(_NUMBER, "a whole number of days", required=False),
    "REJECTED_DELETE_DAYS": Field(_NUMBER, "a whole number of days", required=False),
    "SWEEP_SCHEDULE": Field(r"\S+( \S+){4}", "a cron schedule of five fields", required=False),
}  # fmt: skip

_FOUNDATION_TUNABLES = ("ARCHIVE_NEARLINE_DAYS", "ARCHIVE_DELETE_DAYS", "REJECTED_DELETE_DAYS", "SWEEP_SCHEDULE")
_BUNDLE_TUNABLES = ("REJECTED_SHARE_ALERT",)
_FUNCTION_TUNABLES = (
    *("LAUNCH_WINDOW_SECONDS", "MAX_BAD_ROW_RATIO", "SWEEP_GRACE_SECONDS", "MAX_INSTANCES", "WAITING_ALERT_SECONDS"),
)
_MANAGER = {"users": "user_name", "groups": "group_name", "servicePrincipals": "service_principal_name"}


class SettingsError(ValueError):
    """`problems` has one sentence for each missing or invalid value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(dict[str, str]):
    """Values by their names in the file, including defaults and empty optional ones."""

    @property
    def live(self) -> bool:
        """Whether a continuous run loads the files, and the function starts no runs."""
        return self["BUNDLE_TARGET"] == "live"

    def listed(self, name: str) -> list[str]:
        return [item for item in self[name].split(",") if item]

    def foundation_variables(self, deployers: list[str]) -> dict[str, Any]:
        """Variables of infra/gcp/foundation; all others keep their defaults."""
        return {
            "name": self["INSTALLATION"],
            "project_id": self["PROJECT_ID"],
            "region": self["REGION"],
            "bucket": self["BUCKET"],
            "state_bucket": self["STATE_BUCKET"],
            "uploaders": self.listed("UPLOADERS"),
            "databricks_host": self["DATABRICKS_HOST"],
            "databricks_account_id": self["DATABRICKS_ACCOUNT_ID"],
            "databricks_workspace_id": int(self["DATABRICKS_WORKSPACE_ID"]),
            "databricks_login": self["DATABRICKS_LOGIN"],
            "catalog": self["CATALOG"],
            "deployers": deployers,
            "github_repository": self["GITHUB_REPOSITORY"],
            "github_repository_id": self["GITHUB_REPOSITORY_ID"],
            **self._tunables(_FOUNDATION_TUNABLES),
        }

    def bundle_variables(self, foundation: Mapping[str, Any], wheel: str) -> dict[str, Any]:
        """Variables of infra/databricks, from the settings, the output of step 1 and the wheel's path in the workspace."""
        given = {
            "name": foundation["name"],
            "wheel": wheel,
            "bucket": foundation["bucket"],
            "source_prefix": foundation["source_prefix"],
            "archive_prefix": foundation["archive_prefix"],
            "rejected_prefix": foundation["rejected_prefix"],
            "outcome_topic": foundation["outcome_topic"],
            "changes_topic": foundation["changes_topic"] if self["PUBLISH_CHANGES"] == "yes" else "",
            "catalog": foundation["catalog"],
            "schema": self["SCHEMA"],
            "service_credential": foundation["service_credential"],
            "job_principal": foundation["job_principal"],
            "function_principal": foundation["databricks_client_id"],
            "deployer_principal": foundation["deployer_principal"],
            "managers": [_manager(who) for who in foundation["deployers"]],
            "viewers": self._viewers(foundation["deployers"]),
            "alert_emails": [self["ALERT_EMAIL"]] if self["ALERT_EMAIL"] else [],
            "sql_alerts": self["SQL_ALERTS"],
            # Not while they are paused: Databricks takes users of the workspace only, unlike for mails about runs.
            "alert_subscriptions": [{"user_email": self["ALERT_EMAIL"]}] if self._sends_alerts() else [],
            "maintenance": self["MAINTENANCE"],
            **self._tunables(_BUNDLE_TUNABLES),
        }
        if self["MAX_BAD_ROW_RATIO"]:
            given["max_bad_row_ratio"] = self["MAX_BAD_ROW_RATIO"]
        optional = {"readers": self["READERS"], "sql_warehouse_id": self["SQL_WAREHOUSE_ID"]}
        return given | {name: value for name, value in optional.items() if value}

    def _viewers(self, deployers: Iterable[str]) -> list[dict[str, str]]:
        """The readers, unless they manage the dashboard anyway: the CLI would take only the lower one of two levels."""
        group = self["READERS"]
        return [{"group_name": group, "level": "CAN_READ"}] if group and f"groups/{group}" not in deployers else []

    def _sends_alerts(self) -> bool:
        return self["SQL_ALERTS"] == "UNPAUSED" and bool(self["ALERT_EMAIL"])

    def function_variables(self, job_id: str, continuous_job_id: str, archive: str) -> dict[str, Any]:
        """Variables of infra/gcp/function; all others keep their defaults.

        `continuous_job_id`: empty unless in live mode. `archive`: the zip, relative to that folder.
        """
        return {
            "state_bucket": self["STATE_BUCKET"],
            "state_prefix": self.state_prefix("foundation"),
            "job_id": job_id,
            "continuous_job_id": continuous_job_id,
            "source_archive": archive,
            "alert_email": self["ALERT_EMAIL"],
            **self._tunables(_FUNCTION_TUNABLES),
        }

    def state_prefix(self, step: str) -> str:
        """Where the state of a step is in STATE_BUCKET, which all installations may share."""
        return f"{self['INSTALLATION']}/{step}"

    def _tunables(self, names: Iterable[str]) -> dict[str, Any]:
        """Those that are set, by the names that Terraform gives them."""
        return {name.lower(): _number(self[name]) for name in names if self[name]}


def settings_file() -> Path:
    """SETTINGS_FILE, which a second installation needs, or infra/deploy/settings.env."""
    return Path(os.environ.get("SETTINGS_FILE") or FOLDER / "settings.env").absolute()


def read(file: Path | None = None) -> Settings:
    """Read and validate the file, by default `settings_file()`. Raises SettingsError with all problems."""
    file = file or settings_file()
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
    values: dict[str, str] = {}
    for name, field in FIELDS.items():
        value = values[name] = given.get(name) or _default(name, values)
        if not value and field.required:
            problems.append(f"{name} is missing: {field.expected}")
        elif value and not re.fullmatch(field.pattern, value):
            problems.append(f"{name} is {value!r}, expected {field.expected}")
    if values["BUCKET"] and values["BUCKET"] == values["STATE_BUCKET"]:
        problems.append("BUCKET and STATE_BUCKET are the same: whoever may list uploads would see Terraform's states")
    if problems:
        raise SettingsError(problems)
    return Settings(values)


def _default(name: str, values: Mapping[str, str]) -> str:
    default = FIELDS[name].default.format_map(values)
    return default.replace("-", "_") if name == "SCHEMA" else default


def _manager(who: str) -> dict[str, str]:
    """An entry of a bundle's `permissions`. Databricks keeps user names in lower case."""
    kind, _, name = who.partition("/")
    return {_MANAGER[kind]: name.lower() if kind == "users" else name, "level": "CAN_MANAGE"}


def _number(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        return float(text) if re.fullmatch(r"[\d.]+", text) else text
