"""Stand-ins for gcloud, terraform and databricks that keep a state and answer as the real programs do.

python stand_in_programs.py gcloud|terraform|databricks ARGUMENTS

All of them work on one cloud, a JSON file that the variable STAND_IN_CLOUD names. Like Terraform 1.11 and the Databricks
CLI 1.12 they refuse an unknown command, a missing login, service, bucket, variable or folder, another state in the same
working data, and a name that is taken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any, NoReturn

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.infra.gcp.terraform_files import load

CLOUD = Path(os.environ.get("STAND_IN_CLOUD", "/nonexistent"))
KINDS = ("jobs", "schemas", "volumes")
"""Of the bundle's resources."""
PRINCIPALS = {"job_principal": "job", "databricks_client_id": "function", "deployer_principal": "deployer"}


def new_cloud(project: str) -> dict[str, Any]:
    """A project with billing and nothing else, and a workspace with a catalog."""
    return {
        "project": project,
        "services": [],
        "buckets": {},
        "logins": [],
        "configured_project": "",
        "quota_project": "",
        "states": {},
        "taken": {},
        "user": "ann@example.com",
        "catalogs": ["main"],
        "folders": {},
        "files": {},
        "jobs": {},
        "schemas": {},
        "calls": [],
    }


def fail(message: str, status: int = 1) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(status)


# --- gcloud ----------------------------------------------------------------------------------------------------------


def gcloud(cloud: dict[str, Any], arguments: list[str]) -> None:
    words = [word for word in arguments if not word.startswith("--")]
    options = dict(word.removeprefix("--").partition("=")[::2] for word in arguments if word.startswith("--"))
    match words:
        case ["version"]:
            print(json.dumps({"Google Cloud SDK": "528.0.0"}))
        case ["auth", "login"]:
            cloud["logins"].append("gcloud")
        case ["config", "set", "project", project]:
            cloud["configured_project"] = project
        case ["auth", "application-default", "login"]:
            cloud["logins"].append("application-default")
            cloud["quota_project"] = cloud["configured_project"]
        case ["auth", "application-default", "print-access-token"]:
            if "application-default" not in cloud["logins"]:
                fail("ERROR: (gcloud.auth.application-default.print-access-token) Your default credentials were not found.")
            print("token")
        case _ if "gcloud" not in cloud["logins"]:
            fail("ERROR: You do not currently have an active account selected.")
        case ["projects", "describe", cloud_project] if cloud_project == cloud["project"]:
            print(cloud_project)
        case ["billing", "projects", "describe", _]:
            print("True")
        case ["services", "list"]:
            if "serviceusage.googleapis.com" not in cloud["services"]:
                fail("ERROR: (gcloud.services.list) PERMISSION_DENIED: Service Usage API has not been used in project.")
            print("\n".join(cloud["services"]))
        case ["services", "enable", *names] if options["project"] == cloud["project"]:
            cloud["services"] += names
        case ["storage", "buckets", "describe", name]:
            if name.removeprefix("gs://") not in cloud["buckets"]:
                fail(f"ERROR: (gcloud.storage.buckets.describe) {name} not found: 404.")
            print(name.removeprefix("gs://"))
        case ["storage", "buckets", "create", name] if options["project"] == cloud["project"]:
            cloud["buckets"][name.removeprefix("gs://")] = "gcloud"
        case _:
            fail(f"ERROR: (gcloud) Invalid choice: {words!r}.", 2)


# --- terraform -------------------------------------------------------------------------------------------------------


def terraform(cloud: dict[str, Any], arguments: list[str]) -> None:
    if arguments == ["version", "-json"]:
        print(json.dumps({"terraform_version": "1.11.4"}))
        return
    folder = Path(arguments[0].removeprefix("-chdir=")).absolute()
    command, *rest = arguments[1:]
    data = Path(os.environ.get("TF_DATA_DIR") or folder / ".terraform")
    if command == "init":
        _init(cloud, folder, data, rest)
        return
    if not (data / "backend.json").is_file():
        fail('Error: Backend initialization required, please run "terraform init"')
    bucket, prefix = json.loads((data / "backend.json").read_text())
    place = f"{bucket}/{prefix}"
    state = cloud["states"].get(place, {})
    match command, rest:
        case "output", ["-json"]:
            print(
                json.dumps({name: {"sensitive": False, "value": value} for name, value in state.get("outputs", {}).items()})
            )
        case "output", ["-raw", name]:
            if name not in state.get("outputs", {}):
                fail(f'Error: Output "{name}" not found')
            print(state["outputs"][name], end="")
        case "state", ["pull"]:
            if state:
                print(
                    json.dumps({"resources": [dict(zip(("type", "name"), key, strict=True)) for key in state["resources"]]})
                )
        case "state", ["rm", *addresses]:
            for address in addresses:
                if address.split(".") not in state.get("resources", []):
                    fail("Error: Invalid target address\n\nNo matching objects found.")
                state["resources"].remove(address.split("."))
        case "plan", [*options]:
            assert "-detailed-exitcode" in options
            wanted = _planned(cloud, folder, options)
            raise SystemExit(0 if wanted == {**state, "resources": wanted["resources"]} else 2)
        case "apply", [*options]:
            planned = _planned(cloud, folder, options)
            _ask(options)
            _take_names(cloud, place, planned["names"])
            cloud["states"][place] = planned
        case "destroy", [*options]:
            _planned(cloud, folder, options)
            for kind, name in state.get("resources", []):
                if "prevent_destroy" in str(load(folder).resources[kind, name].get("lifecycle", "")):
                    fail(f"Error: Instance cannot be destroyed\n\n{kind}.{name} has lifecycle.prevent_destroy set")
            _ask(options)
            cloud["states"][place] = {}
            cloud["taken"] = {name: by for name, by in cloud["taken"].items() if by != place}
            for path in [path for path, by in cloud["folders"].items() if by == place]:
                del cloud["folders"][path]
        case _:
            fail(f"Terraform has no command named {command!r}.")


def _init(cloud: dict[str, Any], folder: Path, data: Path, options: list[str]) -> None:
    given = dict(
        word.removeprefix("-backend-config=").split("=") for word in options if word.startswith("-backend-config=")
    )
    if "application-default" not in cloud["logins"]:
        fail("Error: could not find default credentials.")
    if given["bucket"] not in cloud["buckets"]:
        fail("Error: Failed to get existing workspaces: querying Cloud Storage failed: storage: bucket doesn't exist")
    backend = json.dumps([given["bucket"], given["prefix"]])
    if (data / "backend.json").is_file() and (data / "backend.json").read_text() != backend:
        fail('Error: Backend configuration changed\n\n… use "terraform init -reconfigure".')
    data.mkdir(parents=True, exist_ok=True)
    (data / "backend.json").write_text(backend)
    if not (folder / ".terraform.lock.hcl").exists():
        (folder / ".terraform.lock.hcl").write_text('# This file is maintained automatically by "terraform init".\n')


def _ask(options: list[str]) -> None:
    """Read one line, and not a byte of what belongs to the next program."""
    if "-auto-approve" in options:
        return
    print("Do you want to perform these actions?\n  Enter a value: ", end="", flush=True)
    answer = b""
    while not answer.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        answer += byte
    if answer.strip() != b"yes":
        fail("Apply cancelled.")


def _planned(cloud: dict[str, Any], folder: Path, options: list[str]) -> dict[str, Any]:
    """The state after an apply. Fails if the plan would."""
    (file,) = [word.removeprefix("-var-file=") for word in options if word.startswith("-var-file=")]
    given = json.loads(Path(file).read_text())
    files = load(folder)
    if missing := {name for name, body in files.variables.items() if "default" not in body} - set(given):
        fail(f"Error: No value for required variable: {', '.join(sorted(missing))}")
    if unknown := set(given) - set(files.variables):
        fail(f"Warning: Value for undeclared variable: {', '.join(sorted(unknown))}")
    if folder.name == "foundation":
        if missing := {"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com"} - set(cloud["services"]):
            fail(f"Error when reading or editing Project: {missing} has not been used in project before or it is disabled.")
        if not set(given["deployers"]):
            fail("Error: Invalid value for variable: deployers")
        outputs = _foundation_outputs(given, files)
    else:
        if f"{given['state_bucket']}/{given['state_prefix']}" not in cloud["states"]:
            fail("Error: Unable to find remote state")
        base = cloud["states"][f"{given['state_bucket']}/{given['state_prefix']}"]["outputs"]["installation"]
        given = {**given, "name": base["name"], "zip": _digest(folder / given["source_archive"])}
        if given["job_id"] != "1" and given["job_id"] not in cloud["jobs"]:
            fail(f"the function would start the job {given['job_id']}, which does not exist")
        outputs = {}
    return {
        "outputs": outputs,
        "resources": [list(key) for key in files.resources],
        "variables": {name: value for name, value in given.items() if name != "source_archive"},
        "names": _names(files, given),
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _names(files: Any, given: dict[str, Any]) -> list[str]:
    """The names that a second installation must not use, from the files themselves: `TYPE NAME`."""
    found = []
    for (kind, _), body in files.resources.items():
        for attribute in ("account_id", "name", "path", "policy_id", "role_id", "secret_id", "workload_identity_pool_id"):
            text = str(body.get(attribute, "")).strip('"')
            known = re.sub(r"\$\{(?:var|local\.base)\.(\w+)\}", lambda match: str(given.get(match[1], match[0])), text)
            if text in ("var.bucket", "${var.bucket}"):
                known = given["bucket"]
            if known != text and "${" not in known:
                found.append(f"{kind} {known}")
    return sorted(found)


def _take_names(cloud: dict[str, Any], place: str, names: list[str]) -> None:
    for name in names:
        if cloud["taken"].setdefault(name, place) != place:
            fail(f"Error: googleapi: Error 409: {name} already exists.")
        kind, _, path = name.partition(" ")
        if kind == "databricks_directory":
            cloud["folders"][f"/Workspace{path}"] = place


def _foundation_outputs(given: dict[str, Any], files: Any) -> dict[str, Any]:
    """All that outputs.tf declares, without nulls: Terraform drops those."""
    name, bucket = given["name"], given["bucket"]
    known = {
        **{key: given[key] for key in ("project_id", "region", "databricks_host", "catalog")},
        **{key: f"{name}-{role}-id" for key, role in PRINCIPALS.items()},
        "name": name,
        "bucket": bucket,
        "deployers": sorted(given["deployers"]),
        "bundle_folder": f"/Workspace/{name}",
        "databricks_secret": "" if given["databricks_login"] == "federation" else f"{name}-databricks",
        "sweep_topic": f"projects/{given['project_id']}/topics/{name}-sweep",
    }
    declared = files.outputs["installation"]["value"]
    outputs = {key: "" for key in files.outputs if key != "installation"}
    return {**outputs, "installation": {key: known.get(key, f"{name}-{key}") for key in [*declared, *known]}}


# --- databricks ------------------------------------------------------------------------------------------------------


def databricks(cloud: dict[str, Any], arguments: list[str]) -> None:
    if arguments[:1] == ["bundle"]:
        _bundle(cloud, arguments[1:])
        return
    parser = argparse.ArgumentParser()
    for option in ("--output", "--host", "--account-id"):
        parser.add_argument(option)
    options, words = parser.parse_known_args(arguments)
    host = os.environ.get("DATABRICKS_HOST", "")
    match words:
        case ["version"]:
            print(json.dumps({"Version": "1.12.0"}))
        case ["auth", "login"]:
            cloud["logins"].append(options.host)
        case _ if host not in cloud["logins"]:
            fail(f"Error: cache: token not found for {host}. Try logging in again with `databricks auth login`.")
        case ["current-user", "me"]:
            print(json.dumps(_me(cloud)))
        case ["account", "workspaces", "get", workspace_id] if os.environ.get("DATABRICKS_ACCOUNT_ID"):
            print(json.dumps({"workspace_id": int(workspace_id), "workspace_name": "orders"}))
        case ["api", "get", path] if path.startswith("/api/2.1/unity-catalog/catalogs/"):
            if path.rpartition("/")[2] not in cloud["catalogs"]:
                fail("Error: Catalog does not exist.")
            print(json.dumps({"name": path.rpartition("/")[2]}))
        case ["api", "get", "/api/2.0/sql/warehouses"]:
            print(json.dumps({"warehouses": [{"id": "0123456789abcdef", "name": "Serverless Starter Warehouse"}]}))
        case ["workspace", "mkdirs", path]:
            _writable(cloud, path)
            cloud["folders"].setdefault(path, "")
        case ["workspace", "list", path]:
            if path not in cloud["folders"]:
                fail(f"Error: Path ({path}) doesn't exist.")
            print(
                json.dumps(
                    [{"path": name, **info} for name, info in cloud["files"].items() if name.rpartition("/")[0] == path]
                )
            )
        case ["jobs", "cancel-all-runs", "--job-id", job_id]:
            if job_id not in cloud["jobs"]:
                fail(f"Error: Job {job_id} does not exist.")
        case ["workspace", "import-dir", source, target]:
            _writable(cloud, target)
            for file in sorted(Path(source).iterdir()):
                cloud["files"].setdefault(
                    f"{target}/{file.name}", {"object_type": "FILE", "created_at": 1, "digest": _digest(file)}
                )
        case _:
            fail(f'Error: unknown command "{words}" for "databricks"')


def _me(cloud: dict[str, Any]) -> dict[str, Any]:
    return {"userName": cloud["user"], "groups": [{"display": "admins"}]}


def _writable(cloud: dict[str, Any], path: str) -> None:
    """Only step 1 makes folders at the top of the workspace."""
    top = "/".join(path.split("/")[:3])
    if top not in cloud["folders"]:
        fail(f"Error: Path ({top}) doesn't exist.")


def _bundle(cloud: dict[str, Any], arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", default=os.environ.get("DATABRICKS_BUNDLE_TARGET", "dev"))
    parser.add_argument("--output", default="text")
    parser.add_argument("--auto-approve", action="store_true")
    options, words = parser.parse_known_args(arguments)
    if os.environ.get("DATABRICKS_HOST", "") not in cloud["logins"]:
        fail("Error: cannot resolve bundle auth configuration: default auth: cannot configure default credentials")
    declared = _resolved_bundle(options.target)
    root = declared["root"]
    copy = Path(os.environ.get("DATABRICKS_BUNDLE_TMP") or ".databricks/bundle") / options.target / "resources.json"
    remote = cloud["files"].get(f"{root}/state/resources.json", {}).get("state")
    local = json.loads(copy.read_text()) if copy.is_file() else None
    if remote and local and remote["lineage"] != local["lineage"]:
        fail(f"Error: lineage mismatch in state files: {remote['lineage']} and {local['lineage']}")
    state = remote or local or {"lineage": str(uuid.uuid4()), **{kind: {} for kind in KINDS}}
    match words:
        case ["validate"]:
            print("Validation OK!")
            return
        case ["summary"]:
            with_ids = {
                kind: {key: {**body, **state[kind].get(key, {})} for key, body in declared[kind].items()} for kind in KINDS
            }
            print(json.dumps({"bundle": {"target": options.target}, "resources": with_ids}))
            return
        case ["plan"]:
            plan = {}
            for kind in KINDS:
                for key in state[kind].keys() - declared[kind].keys():
                    plan[f"resources.{kind}.{key}"] = {"action": "delete"}
                for key, body in declared[kind].items():
                    deployed = {name: value for name, value in state[kind].get(key, {}).items() if name != "id"}
                    plan[f"resources.{kind}.{key}"] = {
                        "action": "skip" if deployed == body else "update" if deployed else "create"
                    }
            print(json.dumps({"plan_version": 2, "plan": plan}))
            return
        case ["deploy"]:
            _writable(cloud, root)
            _deploy(cloud, declared, state)
        case ["deployment", "unbind", key]:
            next(state[kind] for kind in KINDS if key in state[kind]).pop(key)
        case ["destroy"]:
            if state["schemas"] or state["volumes"]:
                fail("Error: a resource has lifecycle.prevent_destroy set")
            if not options.auto_approve:
                fail("Error: please specify --auto-approve to skip interactive confirmation checks for non tty consoles")
            for job in state["jobs"].values():
                del cloud["jobs"][job["id"]]
            cloud["files"] = {path: info for path, info in cloud["files"].items() if not path.startswith(f"{root}/")}
            return
        case _:
            fail(f'Error: unknown command "{words}" for "databricks bundle"')
    cloud["files"][f"{root}/state/resources.json"] = {"state": state}
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(json.dumps(state))


def _resolved_bundle(target: str) -> dict[str, Any]:
    """What of the bundle's target decides about installations: its folder, jobs and schema."""
    text = yaml.safe_load(Path("databricks.yml").read_text())
    text |= yaml.safe_load(Path("variables.yml").read_text())
    overrides_file = Path(f".databricks/bundle/{target}/variable-overrides.json")
    overrides = json.loads(overrides_file.read_text()) if overrides_file.is_file() else {}
    if unknown := set(overrides) - set(text["variables"]):
        fail(f"Error: variable {sorted(unknown)} is not defined but is set in {overrides_file}")
    values = {}
    for name, body in text["variables"].items():
        if name not in overrides and "default" not in body:
            fail(f"Error: no value assigned to required variable {name}. Variables can be assigned in databricks.yml")
        values[name] = overrides.get(name, body.get("default"))

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if not isinstance(value, str):
            return value
        if whole := re.fullmatch(r"\$\{var\.(\w+)\}", value):
            given = values[whole[1]]
            return given if given == value else resolved(given)
        inner = re.sub(r"\$\{var\.(\w+)\}", lambda match: str(resolved(values[match[1]])), value)
        return inner.replace("${bundle.target}", target)

    chosen = resolved(text["targets"][target])
    jobs = chosen["resources"]["jobs"]
    names = {key: body["name"] for key, body in jobs.items() if "name" in body}
    names |= {key: body["name"] for file in Path("resources").glob("*.yml") for key, body in _jobs_of(file).items()}
    return {
        "root": chosen["workspace"]["root_path"],
        "schemas": chosen["resources"]["schemas"],
        "volumes": chosen["resources"]["volumes"],
        "jobs": {
            key: {**body, "name": resolved(names[key]), "managers": chosen["permissions"]} for key, body in jobs.items()
        },
        "wheel": values["wheel"],
    }


def _jobs_of(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text()).get("resources", {}).get("jobs", {}))


def _deploy(cloud: dict[str, Any], declared: dict[str, Any], state: dict[str, Any]) -> None:
    if declared["wheel"] not in cloud["files"]:
        fail(f"runs could not install {declared['wheel']}, which does not exist")
    for key, body in declared["schemas"].items():
        full = f"{body['catalog_name']}.{body['name']}"
        if key not in state["schemas"] and full in cloud["schemas"]:
            fail(f"Error: cannot create resources.schemas.{key}: Schema '{full}' already exists")
        cloud["schemas"].setdefault(full, state["lineage"])
        state["schemas"][key] = {"id": full, **body}
    for key, body in declared["volumes"].items():
        state["volumes"][key] = {"id": body["name"], **body}
    for key in state["jobs"].keys() - declared["jobs"].keys():
        del cloud["jobs"][state["jobs"].pop(key)["id"]]
    for key, body in declared["jobs"].items():
        me = {"user_name": cloud["user"], "level": "CAN_MANAGE"}
        if me not in body["managers"]:
            fail(f"Error: cannot create resources.jobs.{key}: {cloud['user']} lacks the User role on the run-as principal")
        job_id = state["jobs"].get(key, {}).get("id") or str(1000 + len(cloud["jobs"]))
        cloud["jobs"][job_id] = {**body, "wheel": declared["wheel"]}
        state["jobs"][key] = {"id": job_id, **body}


def main() -> None:
    cloud = json.loads(CLOUD.read_text())
    program, *arguments = sys.argv[1:]
    cloud["calls"].append([program, *arguments])
    try:
        {"gcloud": gcloud, "terraform": terraform, "databricks": databricks}[program](cloud, arguments)
    finally:
        CLOUD.write_text(json.dumps(cloud, indent=1))


if __name__ == "__main__":
    main()
