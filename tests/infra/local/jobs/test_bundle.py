"""The server loads our own bundle, and small ones by the CLI's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.jobs.bundle import BundleError, load_bundle
from tests.jobs_fixtures import ROOT

SMALL = """
bundle: {name: small}
variables:
  one: {default: 1}
  two: {default: "${var.one}-${bundle.target}"}
  needed: {description: has no default}
resources:
  jobs:
    a:
      name: a of ${bundle.name}
      run_as: {user_name: "${workspace.current_user.userName}"}
      max_concurrent_runs: ${var.one}
      parameters: [{name: p, default: "${var.two}"}]
      tasks:
        - task_key: second
          depends_on: [{task_key: first}]
          python_wheel_task: {package_name: x, entry_point: y, parameters: ["{{job.parameters.p}}"]}
        - task_key: first
          max_retries: 3
          python_wheel_task: {package_name: x, entry_point: y}
targets:
  dev: {default: true}
  other:
    variables: {one: 5}
    resources:
      jobs:
        a:
          queue: {enabled: true}
          tasks: [{task_key: first, max_retries: 1}]
"""


def small(tmp_path: Path, text: str = SMALL) -> Path:
    (tmp_path / "databricks.yml").write_text(text)
    return tmp_path


def test_our_bundle_has_the_ingest_job_and_passes_on_every_parameter() -> None:
    bundle = load_bundle(ROOT / "infra" / "databricks", "local", {"warehouse": "/data/warehouse"})
    job = next(job for job in bundle.jobs if job.key == "order_tracking_ingest")
    assert job.queue
    assert job.max_concurrent_runs == 1
    assert job.parameters["warehouse"] == "/data/warehouse"
    ingest, changes = job.tasks
    assert (ingest.parameters[0], changes.parameters[0]) == ("ingest", "changes")
    passed = {f"--{name.replace('_', '-')}={{{{job.parameters.{name}}}}}" for name in job.parameters}
    assert {*ingest.parameters[1:], *changes.parameters[1:]} == passed
    assert bundle.wheel_sources == (ROOT / "spark_jobs",)


def test_job_ids_do_not_depend_on_target_or_variables() -> None:
    folder = ROOT / "infra" / "databricks"
    given = ({"bucket": target, "schema": target} for target in ("dev", "prod", "local"))
    ids = {load_bundle(folder, variables["bucket"], variables).jobs[0].job_id for variables in given}
    assert len(ids) == 1


def test_variables_nest_keep_their_type_and_are_overridden_by_target_and_command_line(tmp_path: Path) -> None:
    folder = small(tmp_path)
    default = load_bundle(folder, "dev", {}).jobs[0]
    assert default.name == "a of small"
    assert default.max_concurrent_runs == 1
    assert default.parameters == {"p": "1-dev"}
    assert default.settings["run_as"] == {"user_name": "${workspace.current_user.userName}"}
    assert load_bundle(folder, "other", {}).jobs[0].parameters == {"p": "5-other"}
    assert load_bundle(folder, "other", {"one": "7"}).jobs[0].parameters == {"p": "7-other"}


def test_a_target_override_is_merged_by_task_key(tmp_path: Path) -> None:
    job = load_bundle(small(tmp_path), "other", {}).jobs[0]
    assert job.queue
    assert [(task.task_key, task.max_retries) for task in job.tasks] == [("first", 1), ("second", 0)]
    assert job.tasks[1].parameters == ("{{job.parameters.p}}",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"${var.two}"', '"${var.needed}"', r"parameter p: \$\{var.needed\} has no value \(set it with --var"),
        ("{{job.parameters.p}}", "{{job.parameters.q}}", "job.parameters.q}} is not a parameter of the job"),
        ("{task_key: first}]\n", "{task_key: third}]\n", "depend on each other in a cycle"),
        ("default: 1", 'default: "${var.one}"', "refers to itself"),
        ("bundle: {name: small}", "bundle: {name: small", "is not valid YAML"),
    ],
)
def test_an_invalid_bundle_is_refused_when_it_is_loaded(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(BundleError, match=message):
        load_bundle(small(tmp_path, SMALL.replace(old, new)), "dev", {})


def test_an_unknown_target_variable_or_folder_is_named(tmp_path: Path) -> None:
    folder = small(tmp_path)
    with pytest.raises(BundleError, match="no target 'tset'; its targets: dev, other"):
        load_bundle(folder, "tset", {})
    with pytest.raises(BundleError, match="no variable 'onee'"):
        load_bundle(folder, "dev", {"onee": "1"})
    with pytest.raises(BundleError, match=r"no databricks\.yml in"):
        load_bundle(tmp_path / "nowhere", "dev", {})
