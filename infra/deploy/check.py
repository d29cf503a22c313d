"""`make deploy-check`: find missing tools, settings and logins before anything is created. It only reads."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.deploy.settings import FILE, Settings, SettingsError, read
from infra.deploy.shell import ROOT, CommandFailed, ask, ask_json
from infra.deploy.steps import databricks, logged_in
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
    ("databricks", "version", "--output", "json"): ((1, 12), "install the Databricks CLI 1.12 or newer"),
}
"""The command that prints a tool's version, the lowest version that works, and how to get it."""


def findings(file: Path = FILE) -> Iterator[Finding]:
    """All findings, in the order in which to fix them."""
    version = sys.version.split()[0]
    yield Finding("python", version, "" if sys.version_info >= (3, 11) else "use Python 3.11 or newer")
    for command, (minimum, install) in TOOLS.items():
        yield _tool(command, minimum, install)
    yield _query("upload set", _upload, "install git, or fix .gcloudignore")
    yield Finding("provider locks", _locks())
    try:
        settings = read(file)
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("settings", problem, f"edit {file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}")
        return
    yield Finding("settings", "complete")
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
    needed = ("cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com")
    yield _query(
        "first services",
        lambda: _enabled(project, needed),
        f"gcloud services enable {' '.join(needed)} --project={project}",
    )
    yield _query("billing", lambda: _billing(project), f"gcloud billing projects link {project} --billing-account=ACCOUNT")
    yield _query(
        "state bucket",
        lambda: ask("gcloud", "storage", "buckets", "describe", f"gs://{state}", "--format=value(name)"),
        f"gcloud storage buckets create gs://{state} --project={project} --location={settings['REGION']}"
        " --uniform-bucket-level-access --public-access-prevention",
    )


def _enabled(project: str, needed: tuple[str, ...]) -> str:
    """Terraform enables all others, but asks these two before its first plan."""
    listed = ask("gcloud", "services", "list", "--enabled", f"--project={project}", "--format=value(config.name)").split()
    if missing := set(needed) - set(listed):
        raise CommandFailed(f"not enabled: {', '.join(sorted(missing))}")
    return "enabled"


def _billing(project: str) -> str:
    if ask("gcloud", "billing", "projects", "describe", project, "--format=value(billingEnabled)").lower() != "true":
        raise CommandFailed("billing is not enabled")
    return "enabled"


def _databricks(settings: Settings) -> Iterator[Finding]:
    host, catalog = settings["DATABRICKS_HOST"], settings["CATALOG"]
    # `databricks auth describe` succeeds without a login, too.
    yield _query("workspace login", lambda: logged_in(settings), f"databricks auth login --host {host}")
    account = ("https://accounts.gcp.databricks.com", settings["DATABRICKS_ACCOUNT_ID"])
    get_workspace = ("databricks", "account", "workspaces", "get", settings["DATABRICKS_WORKSPACE_ID"], "--output", "json")
    account_login = {"DATABRICKS_HOST": account[0], "DATABRICKS_ACCOUNT_ID": account[1]}
    yield _query(
        "account login",
        lambda: str(ask_json(*get_workspace, env=account_login).get("workspace_name")),
        f"databricks auth login --host {account[0]} --account-id {account[1]}",
    )
    yield _query("deployers", lambda: _deployers(settings), "add yourself, or a group that you are in, to DEPLOYERS")
    get_catalog = ("databricks", "api", "get", f"/api/2.1/unity-catalog/catalogs/{catalog}")
    yield _query(
        "catalog",
        lambda: str(ask_json(*get_catalog, env=databricks(settings)).get("name")),
        f"create the catalog {catalog}, or set CATALOG to an existing one",
    )


def _deployers(settings: Settings) -> str:
    given, me = settings.listed("DEPLOYERS"), logged_in(settings)
    if not given:
        return f"{me}, who is logged in"
    if me not in given and not any(who.startswith("groups/") for who in given):
        raise CommandFailed(f"{me}, who is logged in, is not among {', '.join(given)}")
    return ", ".join(given)


def _locks() -> str:
    """Terraform's own checksums of the providers can't be made without a network."""
    missing = [
        step for step in ("foundation", "function") if not (ROOT / f"infra/gcp/{step}/.terraform.lock.hcl").is_file()
    ]
    if not missing:
        return "complete"
    return f"none yet for {' and '.join(missing)}: the first deployment writes them; commit infra/gcp/*/.terraform.lock.hcl"


def _query(what: str, query: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(what, query())
    except CommandFailed as error:
        return Finding(what, str(error).splitlines()[-1][:200], fix)


def report(found: list[Finding]) -> int:
    """Print all findings. Returns the number of problems."""
    width = max(len(finding.what) for finding in found)
    for finding in found:
        print(f"{'FIX ' if finding.fix else 'ok  '}  {finding.what:<{width}}  {finding.detail}")
        if finding.fix:
            print(f"      {'':<{width}}  -> {finding.fix}")
    return sum(bool(finding.fix) for finding in found)
