"""Terraform's own evaluation of both steps (stand_ins.py): two installations side by side, who may deploy, the outputs."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.infra.gcp.stand_ins import GCP, IDENTITY, Applied, Refused, apply
from tests.infra.gcp.terraform_files import load

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")

SHARED: dict[str, Any] = {
    "project_id": "my-project",
    "region": "europe-west1",
    "state_bucket": "my-project-terraform-state",
    "databricks_host": "https://1234567890123456.7.gcp.databricks.com",
    "databricks_account_id": "00000000-0000-0000-0000-000000000000",
    "databricks_workspace_id": 4711,
    "catalog": "main",
    "deployers": [
        "users/Ann@example.com",
        "groups/data engineers",
        "servicePrincipals/11111111-0000-0000-0000-000000000000",
    ],
    "uploaders": ["serviceAccount:shop@my-project.iam.gserviceaccount.com"],
    "github_repository": "me/orders",
}
DEPLOYERS = sorted(SHARED["deployers"])


def foundation(backend: Path, name: str = "order-tracking", **changes: Any) -> Applied:
    """Step 1 with the variables that infra/deploy derives from PROJECT_ID and INSTALLATION."""
    variables = {**SHARED, "name": name, "bucket": f"{SHARED['project_id']}-{name}", **changes}
    return apply("foundation", variables, backend, f"{name}/foundation")


def function(backend: Path, name: str = "order-tracking", **changes: Any) -> Applied:
    """Step 3; it reads the state of step 1."""
    archive = backend / "function.zip"
    archive.write_bytes(b"")
    variables = {"job_id": "1", "source_archive": str(archive), "alert_email": "ann@example.com", **changes}
    variables |= {"state_bucket": SHARED["state_bucket"], "state_prefix": f"{name}/foundation"}
    return apply("function", variables, backend, f"{name}/function")


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Applied:
    return foundation(tmp_path_factory.mktemp("applied"), github_repository_id="42")


# --- two installations -----------------------------------------------------------------------------------------------

SHARED_BY_ALL = {
    # Stays enabled when one installation is removed.
    "google_project_service",
    # Data sources: read, not created.
    "google_project",
    "google_storage_project_service_account",
}


def identities(applied: Applied) -> set[str]:
    """What identifies each resource, in its project, account, workspace or catalog."""
    found = set()
    for address, body in applied.resources.items():
        kind = address.partition(".")[0]
        found.add(f"{kind} {json.dumps([body.get(name) for name in IDENTITY[kind]])}")
    assert len(found) == len(applied.resources), "two resources of one installation have the same identity"
    return found


def shown(applied: Applied) -> set[str]:
    """The names by which people tell resources apart in a console."""
    return {
        f"{address.partition('.')[0]} {body[name]}"
        for address, body in applied.resources.items()
        for name in ("display_name", "title")
        if name in body
    }


@pytest.mark.parametrize(
    ("one", "other"), [("order-tracking", "staging"), ("orders", "orders-staging"), ("a-b-c", "a-b-c-job")]
)
@pytest.mark.parametrize("login", ["federation", "secret"])
def test_two_installations_share_nothing(tmp_path: Path, one: str, other: str, login: str) -> None:
    """They have one project, account, workspace, catalog and bucket of states, and the same deployers and senders."""
    applied = []
    for name in (one, other):
        base = foundation(tmp_path, name, databricks_login=login)
        steps = [base, function(tmp_path, name)]
        applied.append(Applied({k: v for step in steps for k, v in step.resources.items()}, base.outputs))
    first, second = applied
    both = {text for text in identities(first) & identities(second) if text.partition(" ")[0] not in SHARED_BY_ALL}
    # One grant to Google's own account, which both need: it is protected, so that removing one can't stop the other.
    assert [text.split()[0] for text in both] == ["google_project_iam_member"]
    assert "gs-project-accounts.iam.gserviceaccount.com" in both.pop()
    grant = load(GCP / "foundation").resources["google_project_iam_member", "storage_publishes"]
    assert grant["lifecycle"] == [{"prevent_destroy": True}]
    assert not shown(first) & shown(second)
    assert first.outputs["installation"]["bundle_folder"] == f"/Workspace/{one}"
    for key, value in first.outputs["installation"].items():
        same_on_purpose = {"project_id", "region", "catalog", "databricks_host", "deployers"}
        same_on_purpose |= {"source_prefix", "archive_prefix", "rejected_prefix"}
        different = value != second.outputs["installation"][key]
        assert different == (key not in same_on_purpose and value != ""), key


def test_each_installation_keeps_its_own_states(tmp_path: Path) -> None:
    for name in ("orders", "staging"):
        foundation(tmp_path, name)
        function(tmp_path, name)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*/default.tfstate")} == {
        f"{name}/{step}/default.tfstate"
        for name, step in itertools.product(("orders", "staging"), ("foundation", "function"))
    }


def test_the_function_uses_the_installation_whose_state_it_is_given(tmp_path: Path) -> None:
    foundation(tmp_path, "orders")
    foundation(tmp_path, "staging")
    functions = function(tmp_path, "staging").of("google_cloudfunctions2_function")
    assert {body["name"] for body in functions.values()} == {"staging-intake", "staging-sweep"}
    for body in functions.values():
        assert body["service_config"][0]["environment_variables"]["SOURCE_BUCKET"] == "my-project-staging"


def test_metrics_count_the_lines_of_their_own_functions(tmp_path: Path) -> None:
    foundation(tmp_path, "staging")
    applied = function(tmp_path, "staging")
    services = " OR ".join(f'"{body["name"]}"' for body in applied.of("google_cloudfunctions2_function").values())
    for address, body in applied.of("google_logging_metric").items():
        assert f"resource.labels.service_name=({services})" in body["filter"], address


def test_the_longest_name_fits_everywhere(tmp_path: Path) -> None:
    applied = foundation(tmp_path, "a" * 19, bucket="b" * 47)
    limits = {
        ("google_service_account", "account_id"): r"[a-z][a-z0-9-]{4,28}[a-z0-9]",
        ("google_iam_workload_identity_pool", "workload_identity_pool_id"): r"[a-z0-9-]{4,32}",
        ("google_project_iam_custom_role", "role_id"): r"[a-zA-Z0-9_.]{3,64}",
        ("google_project_iam_custom_role", "title"): r".{1,100}",
        ("google_service_account", "display_name"): r".{1,100}",
        ("google_artifact_registry_repository", "repository_id"): r"[a-z][a-z0-9-]{0,61}[a-z0-9]",
        ("google_storage_bucket", "name"): r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]",
    }
    for (kind, argument), pattern in limits.items():
        bodies = applied.of(kind)
        assert bodies
        for address, body in bodies.items():
            assert re.fullmatch(pattern, body[argument]), (address, body[argument])


# --- deployers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repository", ["", "me/orders"])
def test_all_deployers_may_set_run_as_and_manage_the_folder(tmp_path: Path, repository: str) -> None:
    applied = foundation(tmp_path, github_repository=repository)
    own = applied.outputs["installation"]["deployer_principal"]
    rules = applied.resources["databricks_access_control_rule_set.job"]["grant_rules"]
    assert rules == [{"role": "roles/servicePrincipal.user", "principals": [*DEPLOYERS, f"servicePrincipals/{own}"]}]
    assert applied.resources["databricks_access_control_rule_set.job"]["name"].count(
        applied.outputs["installation"]["job_principal"]
    )
    folder = applied.resources["databricks_permissions.bundle"]
    assert folder["directory_path"] == "/order-tracking"
    may = {
        value: entry["permission_level"]
        for entry in folder["access_control"]
        for name, value in entry.items()
        if value is not None and name != "permission_level"
    }
    assert may == {
        "ann@example.com": "CAN_MANAGE",
        "data engineers": "CAN_MANAGE",
        "11111111-0000-0000-0000-000000000000": "CAN_MANAGE",
        own: "CAN_MANAGE",
        applied.outputs["installation"]["job_principal"]: "CAN_READ",
    }


def test_every_principal_is_assigned_to_the_workspace(applied: Applied) -> None:
    principals = {body["id"] for body in applied.of("databricks_service_principal").values()}
    assigned = applied.of("databricks_mws_permission_assignment").values()
    assert len(principals) == 3
    assert {body["principal_id"] for body in assigned} == principals
    assert all(body["permissions"] == ["USER"] and body["workspace_id"] == 4711 for body in assigned)


def test_without_deployers_nothing_is_planned(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="deployers must name at least one"):
        foundation(tmp_path, deployers=[])


def test_no_grant_replaces_those_of_people_and_groups(applied: Applied) -> None:
    """databricks_grant sets all privileges of a principal on an object, and removes those that it does not name."""
    own = {body["application_id"] for body in applied.of("databricks_service_principal").values()}
    assert {body["principal"] for body in applied.of("databricks_grant").values()} <= own


# --- GitHub Actions --------------------------------------------------------------------------------------------------

WORKFLOW = {
    "repository": "me/orders",
    "repository_id": "42",
    "ref": "refs/heads/main",
    "environment": "production",
    "sub": "repo:me/orders:environment:production",
}


def accepts(provider: dict[str, Any], claims: dict[str, str]) -> bool:
    """Our subset of CEL: equalities joined by &&, and a mapping that needs all claims that it names."""
    if not {text.removeprefix("assertion.") for text in provider["attribute_mapping"].values()} <= set(claims):
        return False
    conditions = provider["attribute_condition"].split(" && ")
    parsed = [re.fullmatch(r'assertion\.(\w+) == "([^"]*)"', condition) for condition in conditions]
    return all(found and claims.get(found[1]) == found[2] for found in parsed)


@pytest.mark.parametrize(
    ("changed", "accepted"),
    [
        ({}, True),
        ({"environment": "staging", "sub": "repo:me/orders:environment:staging"}, False),
        ({"ref": "refs/heads/other"}, False),
        ({"repository": "you/orders"}, False),
        ({"repository_id": "43"}, False),
    ],
)
def test_google_trusts_only_the_repositorys_main_branch_in_production(
    applied: Applied, changed: dict[str, str], accepted: bool
) -> None:
    (provider,) = applied.of("google_iam_workload_identity_pool_provider").values()
    assert accepts(provider, WORKFLOW | changed) == accepted


def test_a_job_outside_of_any_environment_is_refused(applied: Applied) -> None:
    (provider,) = applied.of("google_iam_workload_identity_pool_provider").values()
    without = {name: value for name, value in WORKFLOW.items() if name != "environment"}
    assert accepts(provider, WORKFLOW)
    assert not accepts(provider, without)


def test_the_principals_that_may_deploy_are_known_by_a_mapped_attribute(applied: Applied) -> None:
    (provider,) = applied.of("google_iam_workload_identity_pool_provider").values()
    (pool,) = applied.of("google_iam_workload_identity_pool").values()
    member = applied.resources["google_service_account_iam_member.github_is_deployer[0]"]["member"]
    prefix, _, attribute = member.partition(f"{pool['name']}/")
    name, _, value = attribute.partition("/")
    assert prefix == "principalSet://iam.googleapis.com/"
    assert WORKFLOW[provider["attribute_mapping"][name].removeprefix("assertion.")] == value


def test_databricks_trusts_the_same_environment(applied: Applied) -> None:
    policy = applied.resources["databricks_service_principal_federation_policy.deployer[0]"]
    assert policy["oidc_policy"]["subject"] == WORKFLOW["sub"]
    assert policy["service_principal_id"] == applied.resources["databricks_service_principal.deployer"]["id"]


def test_github_actions_reaches_the_states_of_its_own_installation_only(tmp_path: Path) -> None:
    applied = foundation(tmp_path, "orders")
    deployer = applied.resources["google_service_account.deployer[0]"]["member"]
    grants = [body for body in applied.of("google_storage_bucket_iam_member").values() if body["member"] == deployer]
    on_states = [body for body in grants if body["bucket"] == SHARED["state_bucket"]]
    below = "projects/_/buckets/my-project-terraform-state/objects/orders"
    assert {(body["role"], *(one["expression"] for one in body["condition"])) for body in on_states} == {
        ("roles/storage.legacyBucketReader",),
        ("roles/storage.objectViewer", f'resource.name.startsWith("{below}/foundation/")'),
        ("roles/storage.objectUser", f'resource.name.startsWith("{below}/function/")'),
    }
    assert applied.outputs["installation"]["bucket"] not in {body["bucket"] for body in grants}


def test_without_a_repository_google_has_no_deployer(tmp_path: Path) -> None:
    applied = foundation(tmp_path, github_repository="")
    google = [address for address in applied.resources if address.startswith("google") and "deployer" in address]
    assert google == []
    assert not applied.of("google_iam_workload_identity_pool")
    assert "databricks_service_principal_federation_policy.deployer[0]" not in applied.resources


# --- outputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["federation", "secret"])
@pytest.mark.parametrize("repository", ["", "me/orders"])
def test_the_state_has_every_output(tmp_path: Path, login: str, repository: str) -> None:
    """Terraform keeps no output that is null; within an object, it keeps null. Nothing here is null."""
    outputs = foundation(tmp_path, databricks_login=login, github_repository=repository).outputs
    people = {"databricks_secret", "workload_identity_provider", "deployer_account", "deployer_principal"}
    assert set(outputs) == {"installation", *people}
    assert None not in [*outputs.values(), *outputs["installation"].values()]
    assert outputs["installation"]["deployers"] == DEPLOYERS
    for name in ("workload_identity_provider", "deployer_account"):
        assert bool(outputs[name]) == bool(repository)
    assert bool(outputs["databricks_secret"]) == (login == "secret")


@pytest.mark.parametrize("login", ["federation", "secret"])
def test_the_function_logs_in_as_step_1_arranged(tmp_path: Path, login: str) -> None:
    base = foundation(tmp_path, databricks_login=login).outputs["installation"]
    for body in function(tmp_path).of("google_cloudfunctions2_function").values():
        (service,) = body["service_config"]
        audience = service["environment_variables"].get("DATABRICKS_FEDERATION_AUDIENCE", "")
        secrets = [one["secret"] for one in service["secret_environment_variables"]]
        assert (audience, secrets) == (base["federation_audience"], [base["databricks_secret"]] * (login == "secret"))
        assert bool(audience) == (login == "federation")


# --- variables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bucket", "b" * 48, "at most 47 characters"),
        ("bucket", SHARED["state_bucket"], "must not be the bucket of Terraform's state"),
        ("archive_nearline_days", 1.5, "must be a whole number"),
        ("archive_nearline_days", 1090, "at least 30 more than archive_nearline_days"),
        ("sweep_schedule", "0 * * * *", "with N from 1 to 20"),
        ("sweep_schedule", "*/21 * * * *", "with N from 1 to 20"),
        ("github_repository_id", "me/orders", "must be a number"),
    ],
)
def test_step_1_refuses(tmp_path: Path, name: str, value: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        foundation(tmp_path, **{name: value})


@pytest.mark.parametrize("schedule", ["* * * * *", "*/5 * * * *", "*/20 * * * *"])
def test_step_1_accepts_a_schedule(tmp_path: Path, schedule: str) -> None:
    applied = foundation(tmp_path, sweep_schedule=schedule)
    assert applied.resources["google_cloud_scheduler_job.sweep"]["schedule"] == schedule


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"launch_window_seconds": 2.5}, "must be a whole number from 1 to 55"),
        ({"max_instances": 0.5}, "must be a whole number from 1 to 100"),
        ({"waiting_alert_seconds": 1200, "sweep_grace_seconds": 1200}, "more than sweep_grace_seconds"),
    ],
)
def test_step_3_refuses(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    foundation(tmp_path)
    with pytest.raises(Refused, match=message):
        function(tmp_path, **changes)


def test_tunables_reach_the_function_as_text_that_it_reads(tmp_path: Path) -> None:
    from functions.config import Config

    foundation(tmp_path)
    # infra/deploy passes numbers as texts, as they are in the settings.
    tuned = {"launch_window_seconds": "45", "max_bad_row_ratio": ".25", "sweep_grace_seconds": "1800", "max_instances": "3"}
    bodies = function(tmp_path, **tuned, waiting_alert_seconds="7200").of("google_cloudfunctions2_function")
    (service,) = bodies['google_cloudfunctions2_function.functions["intake"]']["service_config"]
    settings = {**service["environment_variables"], "OUTCOME_TOPIC": ""}
    config = Config.read(settings)
    assert (config.launch_window_seconds, config.max_bad_row_ratio, config.sweep_grace_seconds) == (45, 0.25, 1800)
    assert service["max_instance_count"] == 3


def test_what_the_first_plan_needs_stays_enabled(applied: Applied) -> None:
    services = {body["service"]: body for body in applied.of("google_project_service").values()}
    assert {"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com"} <= set(services)
    assert not any(body["disable_on_destroy"] for body in services.values())
