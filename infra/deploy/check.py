"""`make deploy-check`: find missing tools, settings and logins before anything is created. It only reads."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.deploy.settings import FILE, Settings, SettingsError, read
from infra.deploy.shell import CommandFailed, Shell
from infra.deploy.steps import workspace
from infra.deploy.upload_set import ROOT, upload_set

Version = tuple[int, ...]


@dataclass(frozen=True)
class Finding:
    """`fix`: what to do, as a command if possible; empty if nothing is wrong."""

    what: str
    detail: str
    fix: str = ""

    @property
    def good(self) -> bool:
        return not self.fix


@dataclass(frozen=True)
class Tool:
    name: str
    version_command: tuple[str, ...]
    minimum: Version
    install: str


TOOLS = (
    Tool("terraform", ("terraform", "version", "-json"), (1, 9), "install Terraform 1.9 or newer"),
    Tool("gcloud", ("gcloud", "version", "--format=json"), (400,), "install the Google Cloud CLI"),
    Tool(
        "databricks", ("databricks", "version", "--output", "json"), (0, 299), "install the Databricks CLI 0.299 or newer"
    ),
)


def findings(shell: Shell, file: Path = FILE) -> Iterator[Finding]:
    """All findings, in the order in which to fix them."""
    yield _python()
    yield from (_tool(tool, shell) for tool in TOOLS)
    yield _upload()
    try:
        settings = read(file)
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("settings", problem, f"edit {file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}")
        return
    yield Finding("settings", "complete")
    yield from _google(settings, shell)
    yield from _databricks(settings, shell)


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("python", version, "" if sys.version_info >= (3, 11) else "use Python 3.11 or newer")


def _tool(tool: Tool, shell: Shell) -> Finding:
    try:
        answer = json.loads(shell.ask(*tool.version_command))
    except (CommandFailed, json.JSONDecodeError) as error:
        return Finding(tool.name, str(error).splitlines()[0], tool.install)
    text = answer.get("terraform_version") or answer.get("Google Cloud SDK") or answer.get("Version") or ""
    version = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
    return Finding(tool.name, text or "unknown version", "" if version >= tool.minimum else tool.install)


def _upload() -> Finding:
    names = [path.as_posix() for path in upload_set()]
    missing = {"main.py", "requirements.txt"} - set(names)
    return Finding("upload set", f"{len(names)} files", f"fix .gcloudignore: it excludes {missing}" if missing else "")


def _google(settings: Settings, shell: Shell) -> Iterator[Finding]:
    project, state = settings["PROJECT_ID"], settings["STATE_BUCKET"]
    yield _query(
        "google login",
        lambda: (
            shell.ask("gcloud", "auth", "application-default", "print-access-token", "--quiet") and "application default"
        ),
        "gcloud auth application-default login",
    )
    yield _query(
        "project",
        lambda: shell.ask("gcloud", "projects", "describe", project, "--format=value(projectId)"),
        f"gcloud projects create {project}, or get access to it",
    )
    yield _query(
        "billing",
        lambda: _enabled(shell.ask("gcloud", "billing", "projects", "describe", project, "--format=value(billingEnabled)")),
        f"gcloud billing projects link {project} --billing-account=ACCOUNT",
    )
    yield _query(
        "state bucket",
        lambda: shell.ask("gcloud", "storage", "buckets", "describe", f"gs://{state}", "--format=value(name)"),
        f"gcloud storage buckets create gs://{state} --project={project} --location={settings['REGION']}"
        " --uniform-bucket-level-access --public-access-prevention",
    )


def _databricks(settings: Settings, shell: Shell) -> Iterator[Finding]:
    host = settings["DATABRICKS_HOST"]
    yield _query(
        "workspace login",
        lambda: str(shell.ask_json("databricks", "auth", "describe", "--host", host, "--output", "json").get("username")),
        f"databricks auth login --host {host}",
    )
    yield _query(
        "catalog",
        lambda: str(
            shell.ask_json(
                *("databricks", "api", "get", f"/api/2.1/unity-catalog/catalogs/{settings['CATALOG']}"),
                env=workspace(settings),
            ).get("name")
        ),
        f"create the catalog {settings['CATALOG']}, or set CATALOG to an existing one",
    )


def _query(what: str, ask: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(what, ask())
    except CommandFailed as error:
        return Finding(what, str(error).splitlines()[-1][:200], fix)


def _enabled(answer: str) -> str:
    if answer.lower() != "true":
        raise CommandFailed("billing is not enabled")
    return "enabled"


def report(found: list[Finding]) -> int:
    """Print all findings. Returns the number of problems."""
    width = max(len(finding.what) for finding in found)
    for finding in found:
        print(f"{'ok  ' if finding.good else 'FIX '}  {finding.what:<{width}}  {finding.detail}")
        if finding.fix:
            print(f"      {'':<{width}}  -> {finding.fix}")
    return sum(not finding.good for finding in found)
