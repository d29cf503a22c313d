"""Apply a folder of Terraform files with Terraform itself, but without providers, logins and network.

Each resource and data source is replaced by `terraform_data`, Terraform's built-in resource that only keeps its input: the
resource's arguments. Variables, validations, conditions, `for_each`, outputs and the state are therefore Terraform's own.
The attributes that a provider would compute are texts made from what identifies the resource (IDENTITY).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.gcp.provider_schemas import META, ROOT
from tests.infra.gcp.terraform_files import Body, Folder, load, references

GCP = ROOT / "infra" / "gcp"
BACKEND = "@backend@"

IDENTITY = {
    "databricks_access_control_rule_set": ("name",),
    "databricks_credential": ("name",),
    "databricks_directory": ("path",),
    "databricks_external_location": ("name",),
    "databricks_grant": ("catalog", "credential", "external_location", "principal"),
    "databricks_mws_permission_assignment": ("workspace_id", "principal_id"),
    "databricks_permissions": ("directory_path",),
    "databricks_service_principal": ("display_name",),
    "databricks_service_principal_federation_policy": ("service_principal_id", "policy_id"),
    "databricks_storage_credential": ("name",),
    "google_artifact_registry_repository": ("project", "location", "repository_id"),
    "google_artifact_registry_repository_iam_member": ("project", "location", "repository", "role", "member"),
    "google_cloud_run_service_iam_member": ("project", "location", "service", "role", "member"),
    "google_cloud_scheduler_job": ("project", "region", "name"),
    "google_cloudfunctions2_function": ("project", "location", "name"),
    "google_iam_workload_identity_pool": ("project", "workload_identity_pool_id"),
    "google_iam_workload_identity_pool_provider": ("workload_identity_pool_id", "workload_identity_pool_provider_id"),
    "google_logging_metric": ("project", "name"),
    "google_monitoring_alert_policy": ("project", "display_name"),
    "google_monitoring_dashboard": ("project", "dashboard_json"),
    "google_monitoring_notification_channel": ("project", "display_name"),
    "google_project": ("project_id",),
    "google_project_iam_custom_role": ("project", "role_id"),
    "google_project_iam_member": ("project", "role", "member", "condition"),
    "google_project_service": ("project", "service"),
    "google_pubsub_schema": ("project", "name"),
    "google_pubsub_subscription": ("project", "name"),
    "google_pubsub_subscription_iam_member": ("project", "subscription", "role", "member"),
    "google_pubsub_topic": ("project", "name"),
    "google_pubsub_topic_iam_member": ("project", "topic", "role", "member"),
    "google_secret_manager_secret": ("project", "secret_id"),
    "google_secret_manager_secret_iam_member": ("project", "secret_id", "role", "member"),
    "google_service_account": ("project", "account_id"),
    "google_service_account_iam_member": ("service_account_id", "role", "member"),
    "google_storage_bucket": ("name",),
    "google_storage_bucket_iam_member": ("bucket", "role", "member", "condition"),
    "google_storage_bucket_object": ("bucket", "name"),
    "google_storage_project_service_account": ("project",),
}
"""The arguments that no two resources of a kind may share, as far as a kind has them."""


@dataclass(frozen=True)
class Applied:
    """`resources`: their arguments by address, such as `google_pubsub_topic.sweep` or `…["read"]`."""

    resources: dict[str, Body]
    outputs: dict[str, Any]

    def of(self, kind: str) -> dict[str, Body]:
        return {address: body for address, body in self.resources.items() if address.partition(".")[0] == kind}


class Refused(Exception):
    """Terraform's message, on one line."""


def apply(step: str, variables: dict[str, Any], backend: Path, prefix: str) -> Applied:
    """Apply a step of infra/gcp. `backend`: a folder in place of all buckets; the state is below its folder `prefix`.

    Raises Refused with Terraform's message.
    """
    work = backend / ".work" / prefix
    module = work / "gcp" / step
    if not module.exists():
        shutil.copytree(GCP, work / "gcp", ignore=shutil.ignore_patterns("*.tf", ".terraform*"))
        module.mkdir(exist_ok=True)
        shutil.copy(GCP / step / "variables.tf", module)
        (module / "main.tf").write_text(_stand_in(step).replace(BACKEND, str(backend)))
    (module / "terraform.tfvars.json").write_text(json.dumps(variables))
    state = backend / prefix / "default.tfstate"
    state.parent.mkdir(parents=True, exist_ok=True)
    _terraform(module, "init", f"-backend-config=path={state}")
    _terraform(module, "apply", "-auto-approve")
    written = json.loads(state.read_text())
    resources = {
        _address(resource, instance): _without_nulls(instance["attributes"]["input"]["value"])
        for resource in written["resources"]
        if resource["type"] == "terraform_data"
        for instance in resource["instances"]
    }
    return Applied(resources, {name: output["value"] for name, output in written["outputs"].items()})


def _terraform(module: Path, command: str, *options: str) -> None:
    call = ["terraform", f"-chdir={module}", command, "-input=false", "-no-color", *options]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(" ".join(re.sub("[│╷╵]", " ", done.stderr).split()))


def _address(resource: Body, instance: Body) -> str:
    index = instance.get("index_key")
    return resource["name"].replace("__", ".", 1) + ("" if index is None else f"[{json.dumps(index)}]")


def _without_nulls(body: Body) -> Body:
    """An argument that is null is not given."""
    return {name: value for name, value in body.items() if value is not None}


# --- the files -------------------------------------------------------------------------------------------------------


@cache
def _stand_in(step: str) -> str:
    return stand_in(load(GCP / step))


def stand_in(folder: Folder) -> str:
    """One file in place of all files of the folder but variables.tf. States are below the folder BACKEND."""
    declared = [(f"{kind}__{label}", f"{kind}.{label}", kind, body) for (kind, label), body in folder.resources.items()]
    remote = [(label, body) for (kind, label), body in folder.data.items() if kind == "terraform_remote_state"]
    declared += [
        (f"{kind}__{label}", f"data.{kind}.{label}", kind, body)
        for (kind, label), body in folder.data.items()
        if kind != "terraform_remote_state"
    ]
    text = ['terraform {\n  backend "local" {}\n}']
    for label, body in remote:
        path = f'"{BACKEND}/${{{_expression(body["config"]["prefix"])}}}/default.tfstate"'
        text.append(f'data "terraform_remote_state" "{label}" {{\n  backend = "local"\n  config = {{ path = {path} }}\n}}')
    everything = [folder.locals, folder.outputs, *(body for *_, body in declared)]
    for name, address, kind, body in declared:
        repeated = next((meta for meta in ("count", "for_each") if meta in body), None)
        arguments = {key: value for key, value in body.items() if key not in META}
        lines = [f'resource "terraform_data" "{name}" {{']
        if repeated:
            lines.append(f"  {repeated} = {_expression(body[repeated])}")
        lines.append(f"  input = {_with_computed(kind, address, arguments, everything)}\n}}")
        text.append("\n".join(lines))
        inputs = {
            "count": f"terraform_data.{name}[*].input",
            "for_each": f"{{ for key, one in terraform_data.{name} : key => one.input }}",
            None: f"terraform_data.{name}.input",
        }
        text.append(f"locals {{\n  {name} = {inputs[repeated]}\n}}")
    text += [f"locals {{\n  {name} = {_expression(value)}\n}}" for name, value in folder.locals.items()]
    text += [f'output "{name}" {{\n  value = {_expression(body["value"])}\n}}' for name, body in folder.outputs.items()]
    # Longest addresses first: none is the beginning of another one then.
    whole = "\n".join(text) + "\n"
    for name, address, *_ in sorted(declared, key=lambda one: -len(one[1])):
        whole = re.sub(rf"(?<![\w.\"-]){re.escape(address)}(?![\w-])", f"local.{name}", whole)
    return whole


def _with_computed(kind: str, address: str, arguments: Body, everything: list[Any]) -> str:
    """The arguments, and the attributes that are read from the resource but not given to it, also those of blocks."""
    root, *rest = address.split(".")
    found: dict[str, str] = {}
    for reference in references(everything):
        if reference.root == root and list(reference.parts[: len(rest)]) == rest:
            first, *inner = [part for part in reference.parts[len(rest) :] if not part.startswith("[")] or [""]
            identity = [_expression(arguments[name]) for name in IDENTITY[kind] if name in arguments]
            value = f'"{kind}.{".".join([first, *inner])} of ${{jsonencode([{", ".join(identity)}])}}"'
            if inner:
                found[first] = f"[{{ {inner[0]} = {value} }}]"
            elif first and first not in arguments:
                found[first] = value
    return f"merge({_contents(arguments)}, {{ {', '.join(f'{name} = {value}' for name, value in found.items())} }})"


def _contents(body: Body) -> str:
    """Arguments and blocks as an object. The blocks of a name are a list, as in JSON; dynamic ones are added to it."""
    given = {name: [_expression(value)] for name, value in body.items() if name != "dynamic"}
    for dynamic in body.get("dynamic", []):
        for name, block in dynamic.items():
            each = f"[for one in {_expression(block['for_each'])} : {{ value = one }}]"
            given.setdefault(name, []).append(f"[for {name} in {each} : {_contents(block['content'][0])}]")
    pairs = [f'"{name}" = ' + (v[0] if len(v) == 1 else f"concat({', '.join(v)})") for name, v in given.items()]
    return "{ " + ", ".join(pairs) + " }"


def _expression(value: Any) -> str:
    """A parsed value as an expression."""
    if isinstance(value, dict):
        return _contents(value)
    if isinstance(value, list):
        return "[" + ", ".join(_expression(item) for item in value) + "]"
    if isinstance(value, str):
        return f"({value[2:-1]})" if value.startswith("${") else value
    return json.dumps(value)
