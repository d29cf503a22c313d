"""The table of permissions in docs/deploy.md matches the Terraform files, the bundle and the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.gcp.provider_schemas import ROOT
from tests.infra.gcp.terraform_files import Body, Folder, instances, load, references, text

PAGE = ROOT / "docs" / "deploy.md"
FOUNDATION = load(ROOT / "infra" / "gcp" / "foundation")
FUNCTION = load(ROOT / "infra" / "gcp" / "function")


@dataclass(frozen=True, order=True)
class Right:
    who: str
    may: str
    on: str
    only: str


AGENT = "serviceAccount:service-${data.google_project.this.number}@"
WHO = {
    "google_service_account.function.member": "function",
    "local.job_member": "job",
    "local.spark_member": "Spark",
    "each.value": "senders",
    "google_service_account.trigger.member": "trigger",
    "serviceAccount:${local.base.trigger_account}": "trigger",
    "google_service_account.builder.member": "builder",
    "google_service_account.deployer[0].member": "GitHub Actions",
    f"{AGENT}gs-project-accounts.iam.gserviceaccount.com": "Cloud Storage",
    f"{AGENT}gcp-sa-pubsub.iam.gserviceaccount.com": "Pub/Sub",
    "databricks_service_principal.deployer.application_id": "deployer's principal",
    "databricks_service_principal.deployer.id": "deployer's principal",
    "databricks_service_principal.job.application_id": "job",
    "databricks_service_principal.job.id": "job",
    "databricks_service_principal.function.id": "function",
    "${var.job_principal}": "job",
    "${var.function_principal}": "function",
    "${var.deployer_principal}": "deployer's principal",
    "${var.readers}": "readers",
    "var.deployers": "deployers",
}
ON = {
    "google_storage_bucket.files.name": "bucket",
    "google_storage_bucket.uploads.name": "bucket of function sources",
    "var.state_bucket": "bucket of Terraform states",
    "google_pubsub_topic.outcomes.id": "outcomes topic",
    "google_pubsub_topic.changes.id": "changes topic",
    "google_pubsub_topic.outcomes_dead.id": "dead-letter topic",
    "google_pubsub_subscription.outcomes.id": "outcomes subscription",
    "google_artifact_registry_repository.images.name": "image repository",
    "google_secret_manager_secret.databricks[0].id": "secret",
    "each.value.name": "both functions' services",
    "google_service_account.deployer[0].name": "deployer's account",
    "google_service_account.function.name": "function's account",
    "google_service_account.trigger.name": "trigger's account",
    "google_service_account.builder.name": "builder's account",
    "databricks_external_location.source.id": "external location",
    "databricks_credential.job.id": "service credential",
    "var.catalog": "catalog",
    "var.databricks_workspace_id": "workspace",
    "var.project_id": "project",
}
ALL_DEPLOYERS = [WHO[str(reference)] for reference in references(FOUNDATION.locals["all_deployers"])]
TARGETS = ("bucket", "topic", "subscription", "repository", "secret_id", "service", "service_account_id")


def plain(value: Any) -> str:
    """An expression without quotes and `${}`."""
    written = text(value)
    whole = re.fullmatch(r"\$\{([^{}]*)\}", written)
    return whole[1] if whole else written


def given_by_terraform() -> list[Right]:
    found = []
    for folder in (FOUNDATION, FUNCTION):
        for kind, body in _resources(folder):
            if kind.endswith("_iam_member"):
                found.append(_google(kind, body))
            elif kind == "databricks_grant":
                on = next(
                    plain(v) for k, v in body.items() if k in {"external_location", "credential", "catalog", "schema"}
                )
                found.append(Right(WHO[plain(body["principal"])], _joined(body["privileges"]), ON[on], ""))
            elif kind == "databricks_mws_permission_assignment":
                where = ON[plain(body["workspace_id"])]
                found.append(Right(WHO[plain(body["principal_id"])], _joined(body["permissions"]), where, ""))
            elif kind == "databricks_access_control_rule_set":
                (rule,) = body["grant_rules"]
                assert rule["principals"] == "${local.all_deployers}"
                found += [Right(who, plain(rule["role"]), "job's service principal", "") for who in ALL_DEPLOYERS]
            elif kind == "databricks_permissions":
                (several,) = body["dynamic"]
                assert several["access_control"]["for_each"] == "${local.all_deployers}"
                (content,) = several["access_control"]["content"]
                found += [Right(who, plain(content["permission_level"]), "bundle's folder", "") for who in ALL_DEPLOYERS]
                for one in body["access_control"]:
                    who = WHO[plain(one["service_principal_name"])]
                    found.append(Right(who, plain(one["permission_level"]), "bundle's folder", ""))
    return found


def _resources(folder: Folder) -> Iterator[tuple[str, Body]]:
    for kind in {kind for kind, _ in folder.resources}:
        for body in instances(folder, kind).values():
            yield kind, body


def _google(kind: str, body: Body) -> Right:
    member = plain(body["member"])
    who = "GitHub Actions" if member.startswith("principalSet://") else WHO[member]
    target = "project" if kind == "google_project_iam_member" else next(plain(body[t]) for t in TARGETS if t in body)
    condition = _condition(body)
    return Right(who, _role(plain(body["role"])), ON.get(target, target), plain(condition["title"]) if condition else "")


def _condition(body: Body) -> Body:
    """Title and expression, with our locals filled in; empty: no condition."""
    return {name: _with_locals(value) for name, value in body.get("condition", [{}])[0].items()}


def _with_locals(value: Any) -> Any:
    written = text(value)
    while found := re.search(r"\$\{local\.(\w+)(?:\.(\w+))?\}", written):
        local = FOUNDATION.locals[found[1]]
        written = written.replace(found[0], text(local[found[2]] if found[2] else local))
    return written


def _role(role: str) -> str:
    if role == "google_project_iam_custom_role.deployer[0].id":
        return _joined(FOUNDATION.resources["google_project_iam_custom_role", "deployer"]["permissions"])
    if found := re.fullmatch(r'google_project_iam_custom_role\.objects\["?(\w+)"?\]\.id', role.replace('\\"', '"')):
        return _joined(FOUNDATION.locals["verbs"][found[1]]["permissions"])
    return role


def _joined(values: list[Any]) -> str:
    return ", ".join(sorted(plain(value) for value in values))


def given_by_the_bundle() -> list[Right]:
    """Of the target with all jobs. The others have the same resources without the continuous job."""
    target, more = (
        yaml.safe_load((ROOT / "infra/databricks" / file).read_text())["targets"]["live"]
        for file in ("databricks.yml", "resources/alerts.yml")
    )
    resources = target["resources"]
    assert target["permissions"] == "${var.managers}", "infra.deploy makes them from DEPLOYERS, with CAN_MANAGE"
    assert more.keys() == {"resources"}
    assert not [alert for alert in more["resources"]["alerts"].values() if "permissions" in alert]
    found = [Right("deployers", "CAN_MANAGE", f"job {key}", "") for key in resources["jobs"]]
    found += [Right("deployers", "CAN_MANAGE", f"dashboard {key}", "") for key in resources["dashboards"]]
    found += [Right("deployers", "CAN_MANAGE", "SQL alerts", "")]
    for key, dashboard in resources["dashboards"].items():
        assert dashboard["permissions"] == "${var.viewers}", "infra.deploy makes them from READERS, with CAN_READ"
        found.append(Right("readers", "CAN_READ", f"dashboard {key}", ""))
    found += [
        Right(WHO[grant["principal"]], ", ".join(sorted(grant["privileges"])), on, "")
        for kind, on in (("schemas", "schema"), ("volumes", "volume of checkpoints"))
        for resource in resources[kind].values()
        for grant in resource["grants"]
    ]
    for key, job in resources["jobs"].items():
        for permission in job.get("permissions", []):
            found.append(Right(WHO[permission["service_principal_name"]], permission["level"], f"job {key}", ""))
    return found


def rows() -> list[list[str]]:
    table = re.search(r"<!-- rights -->\n(.*?)<!-- /rights -->", PAGE.read_text(), re.DOTALL)
    assert table
    lines = [line for line in table[1].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


LISTED = {Right(*row[:4]): row[4] for row in rows()}


def test_the_page_lists_exactly_the_granted_permissions() -> None:
    given = [*given_by_terraform(), *given_by_the_bundle()]
    assert len(given) == len(set(given)), "a permission is granted twice"
    assert sorted(given) == sorted(LISTED)


@pytest.mark.parametrize(("right", "because"), LISTED.items(), ids=lambda value: str(getattr(value, "who", ""))[:12])
def test_each_permission_is_used_by_a_call_or_a_platform_resource(right: Right, because: str) -> None:
    named = re.findall(r"`([^`]+)`", because)
    assert named, right
    for name in named:
        if ":" in name:
            path, function, call = name.split(":")
            assert call in calls_in(ROOT / path, function), f"{right}: {path} has no call of {call} in {function}"
        else:
            kind, label = name.split(".")
            assert (kind, label) in {**FOUNDATION.resources, **FUNCTION.resources, **FUNCTION.data}, name
    if right.who in {"function", "job"} and right.on not in {"secret", "workspace", "bundle's folder"}:
        assert all(":" in name for name in named), f"{right.who} is our own code: name its calls"


def calls_in(path: Path, function: str) -> set[str]:
    """The names of the functions that a function calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            called = {child.func for child in ast.walk(node) if isinstance(child, ast.Call)}
            return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in called}
    raise AssertionError(f"{path} has no function {function}")


# --- least privilege -------------------------------------------------------------------------------------------------

PERMISSIONS_OF_A_CALL = {
    # The JSON API's table of permissions by method, and the page of objects.move
    "get_blob": {"storage.objects.get"},
    "reload": {"storage.objects.get"},
    "open": {"storage.objects.get"},
    "list_blobs": {"storage.objects.list"},
    "patch": {"storage.objects.update"},
    "upload_from_string": {"storage.objects.create", "storage.objects.delete"},  # delete where it replaces
    "move_blob": {"storage.objects.move", "storage.objects.create"},
    "rewrite": {"storage.objects.get", "storage.objects.create"},  # to a name that does not exist yet
}


def permissions_of_the_adapter() -> dict[str, set[str]]:
    """The permissions that each method of GcsFileStore needs, from its client calls and those of its helpers."""
    tree = ast.parse((ROOT / "spark_jobs/cloud/gcs.py").read_text())
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    def needed(name: str, seen: frozenset[str]) -> set[str]:
        found: set[str] = set()
        for child in ast.walk(functions[name]):
            if isinstance(child, ast.Call):
                called = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
                found |= PERMISSIONS_OF_A_CALL.get(called, set())
                if called in functions and called not in seen:
                    found |= needed(called, seen | {called})
        return found

    store = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "GcsFileStore")
    methods = [m.name for m in store.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_")]
    return {name: needed(name, frozenset({name})) for name in methods if name != "connect"}


def methods_used(files: list[Path]) -> set[str]:
    return {name for path in files for name in re.findall(r"\bstore\.(\w+)\(", path.read_text())}


@pytest.mark.parametrize(("who", "folder"), [("function", "functions"), ("job", "spark_jobs")])
def test_the_granted_permissions_are_exactly_those_that_the_code_needs(who: str, folder: str) -> None:
    needs = permissions_of_the_adapter()
    used = methods_used(sorted((ROOT / folder).rglob("*.py")))
    assert used <= set(needs), f"GcsFileStore has no such methods: {used - set(needs)}"
    needed = {permission for method in used for permission in needs[method]}
    granted = {
        permission.strip()
        for right in given_by_terraform()
        if right.who == who and right.on == "bucket"
        for permission in right.may.split(",")
    }
    assert granted == needed


def test_only_senders_may_delete_below_source_and_no_one_may_replace_in_the_archive() -> None:
    """Checks the promise on the page against the IAM conditions."""
    for body in instances(FOUNDATION, "google_storage_bucket_iam_member").values():
        if _role(plain(body["role"])) != "storage.objects.delete":
            continue
        expression = plain(_condition(body)["expression"])
        assert "archive_prefix" not in expression
        if "source_prefix" in expression:
            assert WHO[plain(body["member"])] == "senders"
        else:
            assert "rejected_prefix" in expression
            assert 'endsWith(".report.json")' in expression


def test_project_wide_grants_are_only_those_that_the_platform_requires() -> None:
    wide = {right for right in given_by_terraform() if right.on == "project"}
    assert {(right.who, right.may) for right in wide} == {
        ("trigger", "roles/eventarc.eventReceiver"),
        ("Cloud Storage", "roles/pubsub.publisher"),
        ("builder", "roles/storage.objectViewer"),
        ("builder", "roles/logging.logWriter"),
        ("GitHub Actions", "roles/cloudfunctions.developer"),
        ("GitHub Actions", "roles/logging.configWriter"),
        ("GitHub Actions", "roles/monitoring.alertPolicyEditor"),
        ("GitHub Actions", "roles/monitoring.dashboardEditor"),
        ("GitHub Actions", "roles/monitoring.notificationChannelEditor"),
        ("GitHub Actions", "run.services.getIamPolicy, run.services.setIamPolicy"),
    }
    broad = re.compile(r"roles/(\w+\.)?(owner|editor|\w*[aA]dmin)")
    assert not {right for right in given_by_terraform() if broad.fullmatch(right.may)}


def test_github_actions_can_read_no_order_file_and_no_state_but_its_own() -> None:
    on_buckets = {right for right in given_by_terraform() if right.who == "GitHub Actions" and "bucket" in right.on}
    assert {(right.may, right.on, right.only) for right in on_buckets} == {
        ("roles/storage.objectUser", "bucket of function sources", ""),
        ("roles/storage.legacyBucketReader", "bucket of Terraform states", ""),  # lists names only
        ("roles/storage.objectViewer", "bucket of Terraform states", "state of step 1"),
        ("roles/storage.objectUser", "bucket of Terraform states", "state of step 3"),
    }


def test_the_permissions_name_the_replay_folder_that_the_job_uses() -> None:
    from spark_jobs.contract.marks import REPLAY_FOLDER

    body = instances(FOUNDATION, "google_storage_bucket_iam_member")["job_put"]
    assert f"${{var.source_prefix}}{REPLAY_FOLDER}" in _condition(body)["expression"]


def test_report_names_match_the_conditions() -> None:
    from spark_jobs.contract.object_names import report_name

    assert report_name("rejected/x.csv.1").endswith(".report.json")
