"""tests/ mirrors the source tree, so that the tests of a module are where a newcomer looks for them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("infra", "functions", "spark_jobs")
SMALL = 40
"""A module with at most this many lines of code needs no test module of its own."""

ACROSS_MODULES = {
    "spark_jobs/test_feed_end_to_end.py": "function, job and commands with a feed that only the test declares",
    "functions/test_switching.py": "handler and sweep while LAUNCH is switched, in any order of events",
    "functions/validation/test_fuzz.py": "generated files against the oracle, for minutes if wanted",
    "functions/validation/test_torture.py": "hand-made files with the reports that they get",
    "infra/test_workflows.py": "GitHub Actions workflows are not Python",
    "infra/dashboards/test_on_spark.py": "the statements of datasets and alerts on the job's tables",
    "infra/databricks/test_bundle_resources.py": "the bundle is YAML",
    "infra/deploy/test_page.py": "docs/deploy.md against the whole repository",
    "infra/deploy/test_variables.py": "Terraform variables, validated by Terraform itself",
    "infra/deploy/test_walkthrough.py": "docs/deploy.md, followed with stand-ins for the clouds",
    "infra/gcp/test_installations.py": "Terraform's own evaluation of both steps, for two installations",
    "infra/gcp/test_observability.py": "Terraform metrics and alerts against the function's log lines",
    "infra/gcp/test_outcome_schema.py": "the Pub/Sub schema against the contract's outcome messages",
    "infra/gcp/test_rights.py": "Terraform grants against docs/deploy.md, the bundle and the code",
    "infra/gcp/test_static_security.py": "checkov over Terraform and the workflows",
    "infra/gcp/test_terraform.py": "Terraform files against the providers' schemas",
    "infra/local/jobs/test_cli.py": "the requests of the Databricks CLI, through all modules of the jobs server",
    "infra/local/storage/test_crash.py": "kill -9 of the whole storage server under load",
    "infra/local/storage/test_versioning.py": "buckets with object versioning in every request of the storage server",
    "infra/local/storage/test_names.py": "object and bucket names in every request of the storage server",
    "spark_jobs/questions/test_every_engine.py": "every question on every engine over the same tables",
    "spark_jobs/changes/test_connect.py": "the stream under Spark Connect, as on Databricks serverless",
    "spark_jobs/changes/test_kill.py": "kill -9 of the command, with everything real around it",
    "spark_jobs/changes/test_promise.py": "files, faults and foreign commits, and what consumers then hold",
    "spark_jobs/steps/test_concurrent_runs.py": "all steps of two runs at once",
    "spark_jobs/steps/test_connect.py": "all steps under Spark Connect, as on Databricks serverless",
    "spark_jobs/steps/test_kill.py": "kill -9 between and within all steps",
    "spark_jobs/steps/test_lost_object.py": "all steps: the sender removes an object and the run dies",
    "spark_jobs/steps/test_path_of_a_load.py": "counts the modules that all steps use",
    "spark_jobs/steps/test_poison.py": "a poison file through all steps of several runs",
    "spark_jobs/steps/test_recovery.py": "all steps, repeated, against the oracle",
    "spark_jobs/test_wheel.py": "the built wheel",
}
"""Test modules without a source module of the same name, and why."""

COVERED_BY = {
    "infra/deploy/__main__.py": "infra/deploy/test_page.py",
    "infra/local/class_data.py": "spark_jobs/store/test_java.py",
    "infra/local/demo/__main__.py": "e2e/test_demo.py",
    "infra/local/demo/progress.py": "e2e/test_demo.py",
    "infra/local/demo/senders.py": "infra/local/demo/test_days.py",
    "infra/local/console/__main__.py": "e2e/test_whole_path.py",
    "infra/local/jobs/endpoints.py": "infra/local/jobs/test_governance.py",
    "infra/local/jobs/pages.py": "infra/local/jobs/test_execution.py",
    "infra/local/jobs/run_json.py": "infra/local/jobs/test_execution.py",
    "infra/local/jobs/runner.py": "infra/local/jobs/test_execution.py",
    "infra/local/jobs/server.py": "infra/local/jobs/test_api.py",
    "infra/local/jobs/store.py": "infra/local/jobs/test_scheduler.py",
    "infra/local/setup.py": "infra/local/test_installer.py",
    "infra/local/services/pubsub.py": "spark_jobs/cloud/test_pubsub.py",
    "infra/local/storage/app.py": "infra/local/storage/test_main.py",
    "infra/local/storage/buckets.py": "infra/local/storage/test_preconditions.py",
    "infra/local/storage/calls.py": "infra/local/storage/test_object_api.py",
    "infra/local/storage/contents.py": "infra/local/storage/test_crash.py",
    "infra/local/storage/outbox.py": "infra/local/storage/test_events.py",
    "infra/local/storage/resources.py": "infra/local/storage/test_object_api.py",
    "infra/local/storage/service.py": "infra/local/storage/test_main.py",
    # Types only: each adapter and each step that uses them checks them.
    "spark_jobs/batches.py": "spark_jobs/steps/test_ingest.py",
    "spark_jobs/changes/batch.py": "spark_jobs/changes/test_promise.py",
    "spark_jobs/changes/images.py": "spark_jobs/changes/test_stream.py",
    "spark_jobs/cloud/ports.py": "spark_jobs/cloud/test_gcs.py",
    "spark_jobs/operator/options.py": "spark_jobs/operator/test_status.py",
    "spark_jobs/reading/staged_rows.py": "spark_jobs/reading/test_spark_batches.py",
    # A step alone does little: whole runs test it.
    "spark_jobs/steps/run.py": "spark_jobs/steps/test_ingest.py",
    "spark_jobs/store/session.py": "spark_jobs/steps/test_kill.py",
}
"""Source modules without a test module of the same name, and the test module that covers each of them."""


def code_lines(path: Path) -> int:
    """Lines that hold code: not blank, not a comment, not part of a docstring."""
    tree = ast.parse(path.read_text())
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(path.read_text().splitlines(), 1)
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") and n not in docstrings for n, line in lines)


def mirrored_path(source: Path) -> str:
    """Where the tests of a source module belong, relative to tests/."""
    relative = source.relative_to(ROOT)
    if source.name == "__init__.py":
        return (relative.parent.parent / f"test_{relative.parent.name}.py").as_posix()
    return relative.with_name(f"test_{relative.stem.strip('_')}.py").as_posix()


def modules_in_tests(package: str) -> list[str]:
    return sorted(path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests" / package).rglob("test_*.py"))


def source_modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_test_module_has_a_source_module_at_the_same_path(package: str) -> None:
    expected = {mirrored_path(source) for source in source_modules(package)}
    assert [name for name in modules_in_tests(package) if name not in expected and name not in ACROSS_MODULES] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_source_module_has_a_test_module_at_the_same_path(package: str) -> None:
    found = set(modules_in_tests(package))
    untested = [
        name
        for source in source_modules(package)
        if mirrored_path(source) not in found
        for name in [source.relative_to(ROOT).as_posix()]
        if name not in COVERED_BY and code_lines(source) > SMALL
    ]
    assert untested == []


def test_the_lists_name_only_what_exists_and_needs_to_be_listed() -> None:
    for name in ACROSS_MODULES:
        assert (ROOT / "tests" / name).is_file(), name
    for source, covering in COVERED_BY.items():
        assert (ROOT / "tests" / covering).is_file(), covering
        assert code_lines(ROOT / source) > SMALL, f"{source} is small enough to need no entry"
        assert not (ROOT / "tests" / mirrored_path(ROOT / source)).is_file(), f"{source} has a test module of its own"
