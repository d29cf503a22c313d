"""docs/deploy.md followed from an empty directory to the end of step 3, for two installations, with its own commands.

The programs on the PATH keep what the real ones keep (state by backend, files of a workspace, jobs by folder), and refuse
what the real ones refuse. `make` stands for its targets, without tests and set-up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infra.deploy.recorded_programs import GOOD, OUTPUTS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "deploy.md").read_text()

COMMON = """#!{python}
import json, os, pathlib, re, sys
cloud, arguments = pathlib.Path({cloud!r}), sys.argv[1:]

def load(name):
    file = cloud / name
    return json.loads(file.read_text()) if file.exists() else {{}}

def save(name, content):
    (cloud / name).write_text(json.dumps(content))

def option(name):
    return next((word.split("=", 1)[1] for word in arguments if word.startswith(name + "=")), None)
"""

TERRAFORM = """
if arguments[0] == "version":
    sys.exit(print('{{"terraform_version": "1.11.4"}}'))
step, verb = arguments[0].rpartition("/")[2], arguments[1]
data = pathlib.Path(os.environ["TF_DATA_DIR"])
backend = data / "backend.json"
if verb == "init":
    given = sorted(word for word in arguments if word.startswith("-backend-config="))
    if len(given) != 2:
        sys.exit('Error: The attribute "prefix" or "bucket" is required by the backend.')
    if backend.exists() and json.loads(backend.read_text()) != given:
        sys.exit("Error: Backend configuration changed")
    data.mkdir(parents=True, exist_ok=True)
    backend.write_text(json.dumps(given))
    sys.exit()
if not backend.exists():
    sys.exit("Error: Backend initialization required, please run \\"terraform init\\"")
key, states = " ".join(json.loads(backend.read_text())), load("states")
if verb == "apply":
    variables = json.loads(pathlib.Path(option("-var-file")).read_text())
    declared = set(re.findall(r'^variable "(\\w+)"', pathlib.Path("infra/gcp", step, "variables.tf").read_text(), re.M))
    if unknown := set(variables) - declared:
        sys.exit(f"Error: Value for undeclared variable {{unknown}}")
    if step == "function":
        base = f"-backend-config=bucket={{variables['state_bucket']}} -backend-config=prefix={{variables['state_prefix']}}"
        if base not in states:
            sys.exit("Error: Unable to find remote state")
        if variables["job_id"] not in load("jobs").values():
            sys.exit("Error: no such job")
    states[key] = variables
    save("states", states)
elif verb == "output":
    variables = states.get(key)
    if variables is None:
        sys.exit(print("{{}}"))
    installation = dict({outputs!r}, **{{
        "name": variables["name"], "bucket": variables["bucket"], "deployers": variables["deployers"],
        "bundle_folder": "/Workspace/" + variables["name"],
    }})
    # As in the real one, an output that is null is not in the state.
    outputs = {{"installation": installation, "deployer_account": None}}
    print(json.dumps({{name: {{"value": value}} for name, value in outputs.items() if value is not None}}))
else:
    sys.exit(f"unexpected: {{arguments}}")
"""

DATABRICKS = """
workspace = load("workspace")
match arguments:
    case ["version", *_]:
        print('{{"Version": "1.12.0"}}')
    case ["auth", "login", *_]:
        pass
    case ["account", "workspaces", "get", *_]:
        print('{{"workspace_name": "orders"}}')
    case ["current-user", *_]:
        print('{{"userName": "me@example.com"}}')
    case ["api", *_]:
        print('{{"name": "main"}}')
    case ["workspace", "get-status", path, *_]:
        if path not in workspace:
            sys.exit(f"Error: Path ({{path}}) doesn't exist.")
        print("{{}}")
    case ["workspace", "mkdirs", path]:
        save("workspace", workspace | {{path: None}})
    case ["workspace", "import", path, *_]:
        if path.rpartition("/")[0] not in workspace or path in workspace:
            sys.exit("Error: the parent is missing, or the file exists")
        save("workspace", workspace | {{path: pathlib.Path(option("--file")).stat().st_size}})
    case ["workspace", "list", folder, *_]:
        print(json.dumps([{{"path": path, "modified_at": 1}} for path in workspace if path.startswith(folder + "/")]))
    case ["bundle", verb, "--target", target, *_]:
        text = pathlib.Path("databricks.yml").read_text()
        given = pathlib.Path(".databricks/bundle", target, "variable-overrides.json")
        variables = json.loads(given.read_text()) if given.exists() else {{}}
        section = re.search(r"^variables:\\n(.*?)^\\S", text, re.M | re.S)[1]
        declared = dict(re.findall(r"^  (\\w+):\\n(.*?)(?=^  \\w|\\Z)", section, re.M | re.S))
        for name, body in declared.items():
            if name not in variables and "default:" not in body:
                sys.exit(f"Error: no value assigned to required variable {{name}}")
        if unknown := set(variables) - set(declared):
            sys.exit(f"Error: variable {{unknown}} is not defined but is assigned a value")
        root, jobs = f"/Workspace/{{variables['name']}}/{{target}}", load("jobs")
        if verb == "deploy":
            if variables["wheel"] not in workspace:
                sys.exit(f"Error: {{variables['wheel']}} doesn't exist")
            save("jobs", jobs | {{root: jobs.get(root, str(4711 + len(jobs)))}})
        elif verb == "summary":
            found = {{"order_tracking_ingest": {{"id": jobs[root]}}}} if root in jobs else {{}}
            print(json.dumps({{"resources": {{"jobs": found}}}}))
        elif verb != "validate":
            sys.exit(f"unexpected: {{arguments}}")
    case _:
        sys.exit(f"unexpected: {{arguments}}")
"""

GCLOUD = """
line = " ".join(arguments)
answers = {{
    "version": '{{"Google Cloud SDK": "540.0.0"}}',
    "print-access-token": "token",
    "billing": "True",
    "projects describe": "orders-prod",
    "services list": "serviceusage.googleapis.com cloudresourcemanager.googleapis.com",
    "buckets describe": "there",
}}
print(next((answer for words, answer in answers.items() if words in line), ""))
"""

MAKE = """
commands = {{"setup": [], "deploy-check": ["check"], "deploy": ["all", "--yes"]}}[arguments[0]]
if commands:
    os.execv(".venv/bin/python", ["python", "-m", "infra.deploy", *commands])
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """An empty directory, and a clone of the present state in it."""
    folder = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / ".venv" / "bin" / "python").chmod(0o755)
    return folder


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """What the programs keep; they are in `bin`."""
    folder = tmp_path / "cloud"
    (folder / "bin").mkdir(parents=True)
    programs = {"terraform": TERRAFORM, "databricks": DATABRICKS, "gcloud": GCLOUD, "make": MAKE}
    for name, body in programs.items():
        text = (COMMON + body).format(python=sys.executable, cloud=str(folder), outputs=OUTPUTS)
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return folder


def deployment() -> str:
    """The commands under "Deployment", up to the end of step 3, as one script."""
    section = PAGE[PAGE.index("## Deployment\n") : PAGE.index("If different people are responsible")]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


def follow(clone: Path, cloud: Path, settings_file: Path, **given: str) -> None:
    """Follow the page with an editor that fills in these settings."""
    lines = "".join(f"s|^{name}=.*|{name}={value}|;" for name, value in given.items())
    editor = cloud / "bin" / "editor"
    editor.write_text(f'#!/bin/sh\nsed -i "{lines}" "$1"\n')
    editor.chmod(0o755)
    script = deployment().replace("infra/deploy/settings.env\n", f"{settings_file}\n")
    script = script.replace('"${EDITOR:-vi}" infra/deploy/settings.env', f'"$EDITOR" {settings_file}')
    environment = {
        "PATH": f"{cloud}/bin:/usr/bin:/bin",
        "HOME": str(cloud),
        "EDITOR": str(editor),
        "SETTINGS_FILE": str(clone / settings_file),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=clone, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def kept(cloud: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((cloud / name).read_text())
    return found


def test_two_installations_are_deployed_side_by_side_by_following_the_page(clone: Path, cloud: Path) -> None:
    settings = {name: GOOD[name] for name in ("PROJECT_ID", "DATABRICKS_HOST", "DATABRICKS_ACCOUNT_ID", "CATALOG")}
    settings |= {"DATABRICKS_WORKSPACE_ID": "123"}
    follow(clone, cloud, Path("infra/deploy/settings.env"), **settings)
    assert kept(cloud, "jobs") == {"/Workspace/order-tracking/prod": "4711"}
    follow(clone, cloud, Path("infra/deploy/staging.env"), **settings, INSTALLATION="staging")

    assert kept(cloud, "jobs") == {"/Workspace/order-tracking/prod": "4711", "/Workspace/staging/prod": "4712"}
    states = {key.partition("prefix=")[2]: variables for key, variables in kept(cloud, "states").items()}
    assert sorted(states) == [
        f"{name}/{step}" for name in ("order-tracking", "staging") for step in ("foundation", "function")
    ]
    assert [states[f"{name}/function"]["job_id"] for name in ("order-tracking", "staging")] == ["4711", "4712"]
    first, second = (states[f"{name}/foundation"] for name in ("order-tracking", "staging"))
    assert (first["bucket"], second["bucket"]) == ("orders-prod-order-tracking", "orders-prod-staging")
    assert first["deployers"] == ["users/me@example.com"], "who is logged in"
    shared = {name for name, value in first.items() if second[name] == value}
    assert not {"name", "bucket"} & shared
    wheels = [path for path in kept(cloud, "workspace") if path.endswith(".whl")]
    assert sorted(path.split("/")[2] for path in wheels) == ["order-tracking", "staging"]
    assert not os.environ.get("SETTINGS_FILE"), "nothing leaks into this process"
