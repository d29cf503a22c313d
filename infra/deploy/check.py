"""`make deploy-check`: find missing tools, settings and logins before anything is created. It only reads."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.deploy.settings import Settings, SettingsError, read, settings_file
from infra.deploy.shell import ROOT, CommandFailed, ask, ask_json
from infra.deploy.steps import member, workspace
from infra.deploy.upload_set import upload_set


@dataclass(frozen=True)
class Finding:
    """`fix`: what to do, as a command if possible; empty if nothing is wrong."""

    what: str
    detail: str
    fix: str = ""


TOOLS = {
    ("terraform", "version", "-json"): ((1, 9), "install Terraform 1.9 or newer"),
    ("gcloud", "version", "--format=json"): ((400,), "install the Google Cloud CLI"),
    ("databricks", "version", "--output", "json"): ((1, 12), "install the Databricks CLI 1.12.0 or newer"),
}
"""The command that prints a tool's version, the lowest version that works, and how to get it."""
SERVICES = ("cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com")
"""What Terraform needs before it can make its first plan. It enables all others itself."""
ACCOUNT_HOST = "https://accounts.gcp.databricks.com"
STARTER_WAREHOUSE = "Serverless Starter Warehouse"
"""What the bundle looks up if SQL_WAREHOUSE_ID is empty."""
LOCK_FILES = ("infra/gcp/foundation/.terraform.lock.hcl", "infra/gcp/function/.terraform.lock.hcl")


def findings(file: Path | None = None) -> Iterator[Finding]:
    """All findings, in the order in which to fix them."""
    file = file or settings_file()
    version = sys.version.split()[0]
    yield Finding("python", version, "" if sys.version_info >= (3, 11) else "use Python 3.11 or newer")
    for command, (minimum, install) in TOOLS.items():
        yield _tool(command, minimum, install)
    yield _query("upload set", _upload, "install git, or fix .gcloudignore")
    yield _query("provider versions", _lock_files, "install git")
    try:
        settings = read(file)
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("settings", problem, f"edit {file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}")
        return
    yield Finding("settings", f"complete, installation {settings['INSTALLATION']}")
    yield from _google(settings)
    yield from _databricks(settings)


def _tool(command: tuple[str, ...], minimum: tuple[int, ...], install: str) -> Finding:
    try:
        answer = json.loads(ask(*command))
    except (CommandFailed, json.JSONDecodeError) as error:
        return Finding(command[0], str(error).splitlines()[0], install)
    text = answer.get("terraform_version") or answer.get("Google Cloud SDK") or answer.get("Version") or ""
    version = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
    return Finding(command[0], text or "unknown version", "" if version >= minimum else install)


def _upload() -> str:
    files = upload_set()
    if missing := {"main.py", "requirements.txt"} - {file.as_posix() for file in files}:
        raise CommandFailed(f".gcloudignore excludes {', '.join(sorted(missing))}")
    return f"{len(files)} files"


def _lock_files() -> str:
    """What is there is committed, or the detail says what to commit. Missing files are no problem: `init` writes them."""
    if missing := [name for name in LOCK_FILES if not (ROOT / name).is_file()]:
        return f"open: the first `terraform init` writes {' and '.join(missing)}, which belongs in git"
    if changed := ask("git", "status", "--porcelain", "--", *LOCK_FILES):
        names = " and ".join(line.split()[-1] for line in changed.splitlines())
        return f"commit {names}, so that everyone uses the same versions"
    return "in git"


def _google(settings: Settings) -> Iterator[Finding]:
    project, state = settings["PROJECT_ID"], settings["STATE_BUCKET"]
    yield _query(
        "google login",
        lambda: ask("gcloud", "auth", "application-default", "print-access-token", "--quiet") and "application default",
        "gcloud auth application-default login",
    )
    yield _query(
        "project",
        lambda: ask("gcloud", "projects", "describe", project, "--format=value(projectId)"),
        f"gcloud projects create {project}, or get access to it",
    )
    yield _query("billing", lambda: _billing(project), f"gcloud billing projects link {project} --billing-account=ACCOUNT")
    yield _query("services", lambda: _services(project), f"gcloud services enable {' '.join(SERVICES)} --project={project}")
    yield _query(
        "state bucket",
        lambda: ask("gcloud", "storage", "buckets", "describe", f"gs://{state}", "--format=value(name)"),
        f"gcloud storage buckets create gs://{state} --project={project} --location={settings['REGION']}"
        " --uniform-bucket-level-access --public-access-prevention",
    )


def _billing(project: str) -> str:
    if ask("gcloud", "billing", "projects", "describe", project, "--format=value(billingEnabled)").lower() != "true":
        raise CommandFailed("billing is not enabled")
    return "enabled"


def _services(project: str) -> str:
    enabled = ask("gcloud", "services", "list", "--enabled", f"--project={project}", "--format=value(config.name)")
    if missing := set(SERVICES) - set(enabled.split()):
        raise CommandFailed(f"not enabled: {', '.join(sorted(missing))}")
    return "enabled, as far as Terraform needs them for its first plan"


def _databricks(settings: Settings) -> Iterator[Finding]:
    host, catalog = settings["DATABRICKS_HOST"], settings["CATALOG"]
    try:
        me = ask_json("databricks", "current-user", "me", "--output", "json", env=workspace(settings))
    except CommandFailed as error:
        yield Finding("workspace login", _last_line(error), f"databricks auth login --host {host}")
    else:
        groups = [group["display"] for group in me.get("groups") or [] if "display" in group]
        admin = "workspace admin" if "admins" in groups else "not a workspace admin, which the first deployment takes"
        yield Finding("workspace login", f"{me['userName']}, {admin}")
        yield _deployers(settings, member(me), groups)
    account = settings["DATABRICKS_ACCOUNT_ID"]
    yield _query(
        "account login",
        lambda: f"account admin, workspace {_workspace_name(settings)}",
        f"databricks auth login --host {ACCOUNT_HOST} --account-id {account}  # as an account admin, for step 1",
    )
    get_catalog = ("databricks", "api", "get", f"/api/2.1/unity-catalog/catalogs/{catalog}")
    yield _query(
        "catalog",
        lambda: str(ask_json(*get_catalog, env=workspace(settings)).get("name")),
        f"create the catalog {catalog}, or set CATALOG to an existing one",
    )
    yield _query("SQL warehouse", lambda: _sql_warehouse(settings), "set SQL_WAREHOUSE_ID; databricks warehouses list")


def _sql_warehouse(settings: Settings) -> str:
    """Its name. Raises CommandFailed if it isn't there, or not visible."""
    listed = (
        ask_json("databricks", "api", "get", "/api/2.0/sql/warehouses", env=workspace(settings)).get("warehouses") or []
    )
    wanted = settings["SQL_WAREHOUSE_ID"]
    for one in listed:
        if one["id"] == wanted or (not wanted and one["name"] == STARTER_WAREHOUSE):
            return str(one["name"])
    raise CommandFailed(f"there is no {wanted or STARTER_WAREHOUSE}")


def _deployers(settings: Settings, me: str, groups: list[str]) -> Finding:
    """Who may deploy the jobs, and whether that includes the one who is logged in."""
    given = settings.listed("DEPLOYERS")
    if not given:
        return Finding("deployers", f"{me} in the first deployment, and then those of the first one: DEPLOYERS is empty")
    mine = {me.lower(), *(f"groups/{group}".lower() for group in groups)}
    missing = not mine & {who.lower() for who in given}
    return Finding("deployers", ", ".join(given), f"add {me} to DEPLOYERS, or log in as one of them" if missing else "")


def _workspace_name(settings: Settings) -> str:
    """Only account admins may ask this. Raises CommandFailed, also if the workspace is not in that account."""
    env = {"DATABRICKS_HOST": ACCOUNT_HOST, "DATABRICKS_ACCOUNT_ID": settings["DATABRICKS_ACCOUNT_ID"]}
    get = ("databricks", "account", "workspaces", "get", settings["DATABRICKS_WORKSPACE_ID"], "--output", "json")
    return str(ask_json(*get, env=env).get("workspace_name"))


def _query(what: str, query: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(what, query())
    except CommandFailed as error:
        return Finding(what, _last_line(error), fix)


def _last_line(error: CommandFailed) -> str:
    return str(error).splitlines()[-1][:200]


def report(found: list[Finding]) -> int:
    """Print all findings. Returns the number of problems."""
    width = max(len(finding.what) for finding in found)
    for finding in found:
        print(f"{'FIX ' if finding.fix else 'ok  '}  {finding.what:<{width}}  {finding.detail}")
        if finding.fix:
            print(f"      {'':<{width}}  -> {finding.fix}")
    return sum(bool(finding.fix) for finding in found)
