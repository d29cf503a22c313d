"""The bundle as it is deployed: the typed models of `databricks-bundles` accept it, and the function calls its job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema

from infra.local.jobs.bundle import load_bundle
from spark_jobs.contract.parameters import RunParameters

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = ROOT / "infra" / "databricks"
DEPLOYED = ["dev", "prod", "prod_cluster"]
SERVERLESS = ["dev", "prod"]


def jobs(target: str) -> dict[str, dict[str, Any]]:
    """The job settings by key, as the API expects them."""
    loaded = load_bundle(BUNDLE, target, {"bucket": "files"}).jobs
    return {job.key: {k: v for k, v in job.settings.items() if k != "format"} for job in loaded}


def main_file() -> dict[str, Any]:
    return yaml.safe_load((BUNDLE / "databricks.yml").read_text())


def everything() -> list[dict[str, Any]]:
    return [main_file(), *(yaml.safe_load(path.read_text()) for path in sorted(BUNDLE.glob("resources/*.yml")))]


@pytest.mark.parametrize("target", [*DEPLOYED, "local"])
def test_every_job_loads_through_the_typed_model(target: str) -> None:
    found = {key: Job.from_dict(settings) for key, settings in jobs(target).items()}
    assert found.keys() == {"order_tracking_ingest", "order_tracking_maintenance"}
    for key, job in found.items():
        assert job.name == key


@pytest.mark.parametrize("target", ["prod", "prod_cluster"])
def test_every_other_resource_loads_through_the_typed_model(target: str) -> None:
    resources = main_file()["targets"][target]["resources"]
    assert resources.keys() == {"schemas", "jobs"}
    (schema,) = resources["schemas"].values()
    loaded = Schema.from_dict(schema)
    assert loaded.lifecycle
    assert loaded.lifecycle.prevent_destroy is True


def test_these_tests_cover_every_kind_of_resource() -> None:
    for document in everything():
        assert set(document.get("resources", {})) <= {"jobs"}
        for target in document.get("targets", {}).values():
            assert set(target.get("resources", {})) <= {"jobs", "schemas"}


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
    settings = jobs("prod")["order_tracking_ingest"]
    inner: Any = settings
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = wrong
    with pytest.raises(ValueError, match=r"Unexpected field|is not a valid"):
        Job.from_dict(settings)


def test_the_job_declares_and_passes_on_every_parameter_that_the_function_sends() -> None:
    """A parameter that one side does not know would break a deployment silently."""
    sent = set(RunParameters("b", "s/", "a/", "r/", "t", 0.1, None).as_job_parameters())
    for target in [*DEPLOYED, "local"]:
        job = next(j for j in load_bundle(BUNDLE, target, {"bucket": "files"}).jobs if j.key == "order_tracking_ingest")
        assert sent <= job.parameters.keys()
        (task,) = job.tasks
        command, *options = task.parameters
        passed = dict(re.fullmatch(r"(--[a-z-]+)=\{\{job\.parameters\.(\w+)\}\}", option).groups() for option in options)  # type: ignore[union-attr]
        assert passed == {f"--{name.replace('_', '-')}": name for name in job.parameters}
        assert set(passed) <= options_of_the_command_line(command)


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


@pytest.mark.parametrize("target", DEPLOYED)
def test_the_job_calls_the_wheel_that_the_bundle_builds(target: str) -> None:
    (task,) = jobs(target)["order_tracking_ingest"]["tasks"]
    assert task["python_wheel_task"]["package_name"] == project()["name"].replace("-", "_")
    assert task["python_wheel_task"]["entry_point"] in entry_points()
    artifact = main_file()["artifacts"]["order_tracking"]
    assert (BUNDLE / artifact["path"]).resolve() == ROOT / "spark_jobs"


@pytest.mark.parametrize("target", DEPLOYED)
def test_every_task_has_the_wheel_which_knows_the_feeds(target: str) -> None:
    wheels = "../../spark_jobs/dist/*.whl"
    for settings in jobs(target).values():
        (task,) = settings["tasks"]
        given = task.get("libraries") or settings["environments"][0]["spec"]["dependencies"]
        assert given in ([wheels], [{"whl": wheels}])


@pytest.mark.parametrize("target", DEPLOYED)
def test_every_task_has_compute(target: str) -> None:
    for key, settings in jobs(target).items():
        environments = {item["environment_key"]: item["spec"] for item in settings.get("environments", [])}
        clusters = {item["job_cluster_key"]: item["new_cluster"] for item in settings.get("job_clusters", [])}
        for task in settings["tasks"]:
            if target in SERVERLESS:
                assert environments[task["environment_key"]]["environment_version"], key
                assert task["disable_auto_optimization"] is True
                assert settings["performance_target"] in {"PERFORMANCE_OPTIMIZED", "STANDARD"}
            else:
                assert clusters[task["job_cluster_key"]]["spark_version"].startswith("17.3.")
                assert "environment_key" not in task
            assert task["max_retries"] == 0


@pytest.mark.parametrize("target", DEPLOYED)
def test_one_run_at_a_time_with_a_queue_and_a_time_limit(target: str) -> None:
    ingest = jobs(target)["order_tracking_ingest"]
    assert ingest["queue"] == {"enabled": True}
    assert ingest["max_concurrent_runs"] == 1
    assert 0 < ingest["timeout_seconds"] <= 4 * 3600


@pytest.mark.parametrize("target", ["prod", "prod_cluster"])
def test_the_function_may_run_only_the_ingest_job(target: str) -> None:
    may = {key: settings.get("permissions", []) for key, settings in jobs(target).items()}
    assert may == {
        "order_tracking_ingest": [{"service_principal_name": "", "level": "CAN_MANAGE_RUN"}],
        "order_tracking_maintenance": [],
    }
    text = (BUNDLE / "databricks.yml").read_text()
    assert "service_principal_name: ${var.function_principal}\n              level: CAN_MANAGE_RUN" in text
    assert text.count("${var.function_principal}") == 1


@pytest.mark.parametrize("target", ["prod", "prod_cluster"])
def test_jobs_run_as_the_jobs_service_principal(target: str) -> None:
    raw = main_file()["targets"][target]["resources"]["jobs"]
    assert len(raw) == 2
    for job in raw.values():
        assert job["run_as"] == {"service_principal_name": "${var.job_principal}"}


def test_maintenance_is_paused_by_default() -> None:
    settings = jobs("prod")["order_tracking_maintenance"]
    assert settings["schedule"]["pause_status"] == "PAUSED"
    enabled = load_bundle(BUNDLE, "prod", {"bucket": "files", "maintenance": "UNPAUSED"}).jobs
    assert {job.key: job.settings.get("schedule", {}).get("pause_status") for job in enabled} == {
        "order_tracking_ingest": None,
        "order_tracking_maintenance": "UNPAUSED",
    }


def test_every_variable_is_declared_and_used() -> None:
    declared = set(main_file()["variables"])
    used = set()
    for path in [BUNDLE / "databricks.yml", *BUNDLE.glob("resources/*.yml")]:
        used |= set(re.findall(r"\$\{var\.(\w+)\}", path.read_text()))
    assert used == declared
