"""The bundle as it is deployed: the typed models of `databricks-bundles` accept it, and the function calls its job.

Every target is resolved as the CLI does it; nothing here looks at the text of the files.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.alerts import Alert, AlertV2RunAs
from databricks.bundles.dashboards import Dashboard
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume
from packaging.specifiers import SpecifierSet

from functions.sweep import CHANGES_TASK
from infra.deploy.steps import CONTINUOUS_JOB, INGEST_JOB
from infra.local.jobs.bundle import resolve_bundle
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.parameters import RunParameters

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = ROOT / "infra" / "databricks"
PRODUCTION = ["prod", "live", "prod_cluster"]
DEPLOYED = ["dev", *PRODUCTION]
LOCAL = ["local", "local_live"]
TARGETS = [*DEPLOYED, *LOCAL]
LIVE = ["live", "local_live"]
BUILT = ["dev", *LOCAL]
MAINTENANCE_JOB = "order_tracking_maintenance"
BUILT_WHEEL = "../../spark_jobs/dist/*.whl"

MANAGERS = [{"user_name": "jane@example.com", "level": "CAN_MANAGE"}, {"group_name": "data", "level": "CAN_MANAGE"}]
# What infra.deploy sets. The other targets need a bucket only.
INSTALLATION = {
    "bucket": "files",
    "schema": "order_tracking",
    "wheel": "/Workspace/order-tracking/wheels/order_tracking-0.1.0+g489e14c-py3-none-any.whl",
    "job_principal": "job-id",
    "function_principal": "function-id",
    "deployer_principal": "deployer-id",
    "managers": MANAGERS,
}


def resolved(target: str, **variables: Any) -> dict[str, Any]:
    given = INSTALLATION if target in PRODUCTION else {"bucket": "files"}
    return resolve_bundle(BUNDLE, target, given | variables)


def jobs(target: str, **variables: Any) -> dict[str, dict[str, Any]]:
    """The job settings by key, as the API expects them."""
    found: dict[str, dict[str, Any]] = resolved(target, **variables)["resources"]["jobs"]
    return found


def schema(target: str, **variables: Any) -> dict[str, Any]:
    (found,) = resolved(target, **variables)["resources"]["schemas"].values()
    return found


def ingest_task(target: str) -> dict[str, Any]:
    return jobs(target)[INGEST_JOB]["tasks"][0]


def changes_task(target: str) -> dict[str, Any]:
    _, task = jobs(target)[INGEST_JOB]["tasks"]
    return task


def live_task(target: str) -> dict[str, Any]:
    (task,) = jobs(target)[CONTINUOUS_JOB]["tasks"]
    return task


def options(task: dict[str, Any]) -> dict[str, str]:
    """What a wheel task passes to the command, by option; flags have an empty value."""
    _, *words = task["python_wheel_task"]["parameters"]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def main_file() -> dict[str, Any]:
    return yaml.safe_load((BUNDLE / "databricks.yml").read_text())


def declared_variables() -> dict[str, Any]:
    return yaml.safe_load((BUNDLE / "variables.yml").read_text())["variables"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_job_loads_through_the_typed_model(target: str) -> None:
    found = {key: Job.from_dict(settings) for key, settings in jobs(target).items()}
    names = {INGEST_JOB: "order-tracking-ingest", MAINTENANCE_JOB: "order-tracking-maintenance"}
    assert {key: job.name for key, job in found.items()} == names | (
        {CONTINUOUS_JOB: "order-tracking-live"} if target in LIVE else {}
    )


@pytest.mark.parametrize("target", PRODUCTION)
def test_the_schema_loads_through_the_typed_model_and_survives_a_destroy(target: str) -> None:
    loaded = Schema.from_dict(schema(target))
    assert loaded.lifecycle
    assert loaded.lifecycle.prevent_destroy is True


@pytest.mark.parametrize("target", PRODUCTION)
def test_the_checkpoints_are_in_a_volume_of_the_schema_that_only_the_job_can_use(target: str) -> None:
    """Whoever loses it misses changes; the default of the variable is its path."""
    (declared,) = resolved(target)["resources"]["volumes"].values()
    volume = Volume.from_dict(declared)
    assert volume.lifecycle
    assert volume.lifecycle.prevent_destroy is True
    assert declared["schema_name"] == "${resources.schemas.order_tracking.name}", "made after the schema"
    assert declared["grants"] == [{"principal": "job-id", "privileges": ["READ_VOLUME", "WRITE_VOLUME"]}]
    path = f"/Volumes/{volume.catalog_name}/{schema(target)['name']}/{volume.name}"
    (parameter,) = (item for item in jobs(target)[INGEST_JOB]["parameters"] if item["name"] == "checkpoint")
    assert parameter["default"] == path


def test_these_tests_cover_every_target_and_every_kind_of_resource() -> None:
    assert set(main_file()["targets"]) == {*DEPLOYED, *BUILT}
    kinds = {target: {"jobs", "dashboards", "schemas", "volumes", "alerts"} for target in PRODUCTION}
    # The local jobs server has neither dashboards nor alerts, and its target must not look up a SQL warehouse.
    kinds |= {"dev": {"jobs", "dashboards"}, **{target: {"jobs"} for target in LOCAL}}
    for target in main_file()["targets"]:
        assert resolved(target)["resources"].keys() == kinds[target]
    assert "sql_warehouse_id" not in main_file()["targets"]["local"]["variables"]
    assert declared_variables()["sql_warehouse_id"]["default"] == ""


WAREHOUSE = "0123456789abcdef"


@pytest.mark.parametrize("target", DEPLOYED)
def test_the_dashboard_loads_through_the_typed_model_and_reads_the_targets_schema(target: str) -> None:
    viewers = [{"group_name": "analysts", "level": "CAN_READ"}]
    (body,) = resolved(target, sql_warehouse_id=WAREHOUSE, viewers=viewers)["resources"]["dashboards"].values()
    dashboard = Dashboard.from_dict(body)
    schema_of_target = "order_tracking" if target in PRODUCTION else "order_tracking_dev"
    assert (dashboard.dataset_catalog, dashboard.dataset_schema) == ("main", schema_of_target)
    assert dashboard.warehouse_id == WAREHOUSE
    assert dashboard.embed_credentials is False, "whoever looks at it must be allowed to read the tables"
    assert body.get("permissions", []) == (viewers if target in PRODUCTION else [])
    pages = json.loads((BUNDLE / body["file_path"]).read_text())["pages"]
    assert [page["displayName"] for page in pages] == ["Orders", "Pipeline"]


@pytest.mark.parametrize("target", PRODUCTION)
def test_every_alert_loads_through_the_typed_model_and_runs_as_the_job(target: str) -> None:
    given = {"rejected_share_alert": 0.02, "alert_subscriptions": [{"user_email": "ops@example.com"}]}
    alerts = resolved(target, sql_warehouse_id=WAREHOUSE, **given)["resources"]["alerts"]
    assert len(alerts) == 3 * len(FEEDS)
    for key, body in alerts.items():
        alert = Alert.from_dict(body)
        assert alert.run_as == AlertV2RunAs(service_principal_name="job-id"), "deployers need not read the tables"
        assert alert.warehouse_id == WAREHOUSE
        assert body["schedule"]["pause_status"] == "PAUSED", "it starts a warehouse every hour"
        assert body["evaluation"]["notification"]["subscriptions"] == given["alert_subscriptions"]
        threshold = body["evaluation"]["threshold"]["value"]["double_value"]
        assert threshold == (0.02 if key.endswith("rejected_share") else 0)
        assert "${" not in body["query_text"]


def test_a_mistake_in_a_dashboard_or_an_alert_is_refused() -> None:
    resources = resolved("prod")["resources"]
    for model, body in (
        (Dashboard, resources["dashboards"]["order_tracking"]),
        (Alert, next(iter(resources["alerts"].values()))),
    ):
        with pytest.raises(ValueError, match="Unexpected field"):
            model.from_dict({**body, "wharehouse_id": "x"})


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("tasks", 0, "max_retrys"), 1),
        (("queue", "enable"), True),
        (("performance_target",), "FAST"),
        (("tasks", 0, "python_wheel_task", "entrypoint"), "x"),
        (("permissions",), [{"service_principal_name": "x", "level": "CAN_RUN"}]),
    ],
)
def test_a_mistake_in_a_job_is_refused(path: tuple[Any, ...], wrong: object) -> None:
    settings = jobs("prod")[INGEST_JOB]
    inner: Any = settings
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = wrong
    with pytest.raises(ValueError, match=r"Unexpected field|is not a valid"):
        Job.from_dict(settings)


@pytest.mark.parametrize("target", TARGETS)
def test_the_job_declares_and_passes_on_every_parameter_that_the_function_sends(target: str) -> None:
    """A parameter that one side does not know would break a deployment silently."""
    sent = set(RunParameters("b", "s/", "a/", "r/", "t", 0.1, None).as_job_parameters())
    declared = {parameter["name"] for parameter in jobs(target)[INGEST_JOB]["parameters"]}
    assert sent <= declared
    passed = options(ingest_task(target)) | options(changes_task(target))
    assert passed == {f"--{name.replace('_', '-')}": f"{{{{job.parameters.{name}}}}}" for name in declared}
    assert sent <= {name.removeprefix("--").replace("-", "_") for name in options(ingest_task(target))}


@pytest.mark.parametrize("target", LIVE)
def test_a_continuous_run_gets_what_the_others_get_although_nobody_passes_parameters(target: str) -> None:
    """Not those that belong to one launch."""
    of_one_launch = {"--not-before", "--feed", "--contract-version", "--files-root"}
    given = options(live_task(target))
    assert given.keys() == (options(ingest_task(target)) | options(changes_task(target))).keys() - of_one_launch | {
        "--continuous"
    }
    defaults = {f"--{item['name'].replace('_', '-')}": item["default"] for item in jobs(target)[INGEST_JOB]["parameters"]}
    assert {name: value for name, value in given.items() if name != "--continuous"} == {
        name: value for name, value in defaults.items() if name in given
    }


@pytest.mark.parametrize(
    "task", [ingest_task("prod"), changes_task("prod"), live_task("live")], ids=["ingest", "changes", "live"]
)
def test_the_command_line_knows_every_option_that_a_task_passes(task: dict[str, Any]) -> None:
    command = task["python_wheel_task"]["parameters"][0]
    assert set(options(task)) <= options_of_the_command_line(command)


@pytest.mark.parametrize("target", TARGETS)
def test_changes_are_published_after_each_ingest_whatever_became_of_it_and_for_a_limited_time(target: str) -> None:
    """A failed ingest may have merged all files but one. The next run waits until this task has ended."""
    task = changes_task(target)
    assert task["task_key"] == CHANGES_TASK
    assert task["depends_on"] == [{"task_key": "ingest"}]
    assert task["run_if"] == "ALL_DONE"
    assert 0 < task["timeout_seconds"] <= 900


@pytest.mark.parametrize("target", PRODUCTION)
def test_a_failed_ingest_is_mailed_although_the_run_may_count_as_successful(target: str) -> None:
    """A run's result is that of its last task: the mails of the job would miss it."""
    emails = {"alert_emails": ["ops@example.com"]}
    ingest = jobs(target, **emails)[INGEST_JOB]
    assert ingest["tasks"][0]["email_notifications"] == {"on_failure": ["ops@example.com"]}
    assert ingest["email_notifications"]["on_failure"] == ["ops@example.com"]


def test_live_is_prod_and_a_continuous_job_in_the_same_deployment() -> None:
    """Deploying one over the other then keeps the ids of jobs, schema and volume, and moves no file."""
    live, prod = resolved("live"), resolved("prod")
    job = live["resources"]["jobs"].pop(CONTINUOUS_JOB)
    live["bundle"].pop("target", None)
    prod["bundle"].pop("target", None)
    assert live == prod
    assert job["continuous"] == {"pause_status": "UNPAUSED", "task_retry_mode": "NEVER"}


@pytest.mark.parametrize("target", LIVE)
def test_a_continuous_job_has_only_what_the_platform_allows(target: str) -> None:
    job = jobs(target)[CONTINUOUS_JOB]
    assert job["max_concurrent_runs"] == 1
    assert not {"depends_on", "max_retries", "run_if"} & live_task(target).keys()
    if target == "live":  # serverless has no continuous jobs
        assert "environments" not in job
        assert job["timeout_seconds"] > 24 * 3600, "the run ends by itself after 24 hours"


def options_of_the_command_line(command: str) -> set[str]:
    """The options of the wheel's entry point, which is called like on the platform."""
    module, _, function = entry_points()["order-tracking"].partition(":")
    code = (
        f"import sys; sys.argv = ['order-tracking', {command!r}, '--help']; from {module} import {function}; {function}()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "--help" in done.stdout, done.stderr
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "spark_jobs" / "pyproject.toml").read_text())["project"]


def entry_points() -> dict[str, str]:
    return project()["scripts"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_tasks_call_the_wheels_entry_point(target: str) -> None:
    tasks = [task for job in jobs(target).values() for task in job["tasks"] if "python_wheel_task" in task]
    assert len(tasks) == (3 if target in LIVE else 2)
    for task in tasks:
        assert task["python_wheel_task"]["package_name"] == project()["name"].replace("-", "_")
        assert task["python_wheel_task"]["entry_point"] in entry_points()


def wheels(job: dict[str, Any]) -> list[str]:
    """What is installed for each of the job's tasks, which all install the same."""
    shared = [line for environment in job.get("environments", []) for line in environment["spec"]["dependencies"]]
    first, *others = ([one["whl"] for one in task["libraries"]] if "libraries" in task else shared for task in job["tasks"])
    assert all(installed == first for installed in others)
    return first


@pytest.mark.parametrize("target", BUILT)
def test_dev_and_local_build_the_wheel_that_their_tasks_install(target: str) -> None:
    """A path that is relative to the bundle's folder; the CLI uploads the file and puts its path in the workspace there."""
    (artifact,) = resolved(target)["artifacts"].values()
    assert (BUNDLE / artifact["path"]).resolve() == ROOT / "spark_jobs"
    assert all(wheels(job) == [BUILT_WHEEL] for job in jobs(target).values())
    synced = [(BUNDLE / path).resolve() for path in resolved(target)["sync"]["paths"]]
    assert (BUNDLE / BUILT_WHEEL).parents[1].resolve() in synced


@pytest.mark.parametrize("target", PRODUCTION)
def test_a_production_deployment_builds_nothing_and_names_one_wheel(target: str) -> None:
    """The same wheel gives the same job, so that the plan of an unchanged tree is empty, and another one is another job."""
    assert not resolved(target).get("artifacts")
    assert all(wheels(job) == [INSTALLATION["wheel"]] for job in jobs(target).values())
    older = "/Workspace/order-tracking/wheels/order_tracking-0.1.0+g1111111-py3-none-any.whl"
    assert all(wheels(job) == [older] for job in jobs(target, wheel=older).values())


@pytest.mark.parametrize("missing", ["wheel", "schema"])
def test_a_production_deployment_needs_its_wheel_and_schema(missing: str) -> None:
    """They have no default, so the CLI refuses to go on without."""
    assert "default" not in declared_variables()[missing]
    assert missing not in main_file()["targets"]["prod"].get("variables", {})
    given = {name: value for name, value in INSTALLATION.items() if name != missing}
    assert f"${{var.{missing}}}" in str(resolve_bundle(BUNDLE, "prod", given))


def test_only_what_production_runs_is_synced_to_its_folder() -> None:
    assert resolved("prod")["sync"]["paths"] == ["."]
    (task,) = jobs("prod")[MAINTENANCE_JOB]["tasks"]
    assert (BUNDLE / "resources" / task["spark_python_task"]["python_file"]).resolve().is_relative_to(BUNDLE)


@pytest.mark.parametrize("target", TARGETS)
def test_every_task_has_compute(target: str) -> None:
    """Without a cluster or an environment the CLI refuses the task."""
    for key, settings in jobs(target).items():
        environments = {item["environment_key"]: item["spec"] for item in settings.get("environments", [])}
        clusters = {item["job_cluster_key"]: item["new_cluster"] for item in settings.get("job_clusters", [])}
        on_cluster = target == "prod_cluster" or (target == "live" and key == CONTINUOUS_JOB)
        for task in settings["tasks"]:
            if on_cluster:
                assert clusters[task["job_cluster_key"]]["spark_version"].startswith("17.3.")
                assert "environment_key" not in task
            else:
                assert environments[task["environment_key"]]["environment_version"], key
            if key != CONTINUOUS_JOB:
                assert task["max_retries"] == 0
                assert on_cluster or task["disable_auto_optimization"] is True
                assert on_cluster or settings["performance_target"] in {"PERFORMANCE_OPTIMIZED", "STANDARD"}


@pytest.mark.parametrize("target", DEPLOYED)
def test_one_run_at_a_time_with_a_queue_and_a_time_limit(target: str) -> None:
    ingest = jobs(target)[INGEST_JOB]
    assert ingest["queue"] == {"enabled": True}
    assert ingest["max_concurrent_runs"] == 1
    assert 0 < ingest["timeout_seconds"] <= 4 * 3600


@pytest.mark.parametrize("target", PRODUCTION)
def test_one_principal_owns_the_jobs_and_the_function_may_run_one(target: str) -> None:
    """Were there no owner, the CLI would make the deploying user the owner, and refuse the next one who is not an admin."""
    owner = {"service_principal_name": "deployer-id", "level": "IS_OWNER"}
    seen = {CONTINUOUS_JOB: [owner, {"service_principal_name": "function-id", "level": "CAN_VIEW"}]}
    assert {key: job["permissions"] for key, job in jobs(target).items()} == {
        INGEST_JOB: [owner, {"service_principal_name": "function-id", "level": "CAN_MANAGE_RUN"}],
        MAINTENANCE_JOB: [owner],
    } | (seen if target == "live" else {})


@pytest.mark.parametrize("target", PRODUCTION)
def test_managers_get_the_jobs_and_the_folder_of_the_deployment(target: str) -> None:
    """The CLI applies a target's permissions to its jobs and its root path. It refuses other levels than these there."""
    assert resolved(target)["permissions"] == MANAGERS
    assert {entry["level"] for entry in MANAGERS} <= {"CAN_MANAGE", "CAN_VIEW", "CAN_RUN"}
    assert resolve_bundle(BUNDLE, target, {**INSTALLATION, "managers": []})["permissions"] == []


@pytest.mark.parametrize("target", PRODUCTION)
def test_the_folder_of_the_deployment_is_below_the_one_that_only_deployers_can_write(target: str) -> None:
    """/Workspace/Shared is writable by everyone, who could then replace the code that runs with the job's rights."""
    folder = "prod" if target == "live" else target
    assert resolved(target)["workspace"] == {"root_path": f"/Workspace/order-tracking/{folder}"}


@pytest.mark.parametrize("target", BUILT)
def test_a_copy_of_ones_own_has_no_shared_folder_owner_or_managers(target: str) -> None:
    assert resolved(target).keys() == {"bundle", "sync", "artifacts", "resources"}
    assert not [job for job in jobs(target).values() if "permissions" in job or "run_as" in job]


@pytest.mark.parametrize("target", PRODUCTION)
def test_jobs_run_as_the_jobs_service_principal(target: str) -> None:
    assert all(job["run_as"] == {"service_principal_name": "job-id"} for job in jobs(target).values())


def test_two_installations_share_nothing_that_they_write() -> None:
    """The folder has the deployment's state and so its job ids; the job names are for people."""
    staging = {"name": "orders-staging", "schema": "orders_staging", "wheel": "/Workspace/orders-staging/wheels/x.whl"}
    assert resolved("prod", **staging)["workspace"]["root_path"] == "/Workspace/orders-staging/prod"
    assert schema("prod", **staging)["name"] == "orders_staging"
    staged = jobs("prod", **staging)
    assert [job["name"] for job in staged.values()] == ["orders-staging-ingest", "orders-staging-maintenance"]
    for job, other in zip(jobs("prod").values(), staged.values(), strict=True):
        assert job["name"] != other["name"]
        assert wheels(job) != wheels(other)
        assert schema_parameter(job) != schema_parameter(other)


def schema_parameter(job: dict[str, Any]) -> str:
    (found,) = (parameter["default"] for parameter in job["parameters"] if parameter["name"] == "schema")
    return found


def test_dev_has_a_schema_of_its_own() -> None:
    (schema_of_dev,) = {schema_parameter(job) for job in jobs("dev").values()}
    assert schema_of_dev == "order_tracking_dev"
    assert schema_of_dev != INSTALLATION["schema"]


def grants(**variables: Any) -> dict[str, set[str]]:
    """By principal; the CLI merges the entries of one principal."""
    found: dict[str, set[str]] = {}
    for grant in schema("prod", **variables)["grants"]:
        found.setdefault(grant["principal"], set()).update(grant["privileges"])
    return found


def test_readers_may_read_the_schema_and_without_them_nobody_else_can() -> None:
    without = grants()
    assert without == {
        "job-id": {"USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY"},
        "deployer-id": {"USE_SCHEMA", "MANAGE"},
    }
    assert grants(readers="analysts") == without | {"analysts": {"USE_SCHEMA", "SELECT"}}


def test_the_bundle_requires_a_cli_that_deploys_without_terraform() -> None:
    allowed = SpecifierSet(resolved("prod")["bundle"]["databricks_cli_version"].replace(" ", ""))
    assert [version for version in ("0.299.0", "1.11.9", "1.12.0", "1.13.2", "2.0.0") if version in allowed] == [
        "1.12.0",
        "1.13.2",
        "2.0.0",
    ]


def test_maintenance_is_paused_by_default() -> None:
    assert jobs("prod")[MAINTENANCE_JOB]["schedule"]["pause_status"] == "PAUSED"
    enabled = {key: job.get("schedule") for key, job in jobs("prod", maintenance="UNPAUSED").items()}
    assert enabled[INGEST_JOB] is None
    assert enabled[MAINTENANCE_JOB]["pause_status"] == "UNPAUSED"


def test_every_variable_is_declared_and_used() -> None:
    declared = set(declared_variables())
    used = set()
    for path in [*BUNDLE.glob("*.yml"), *BUNDLE.glob("resources/*.yml")]:
        used |= set(re.findall(r"\$\{var\.(\w+)\}", path.read_text()))
    assert used == declared
