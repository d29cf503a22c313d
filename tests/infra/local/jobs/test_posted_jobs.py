"""Jobs that a client posts: kept as they were sent, run with the wheel that was uploaded, there after a restart."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service.jobs import JobSettings
from databricks.sdk.service.workspace import ImportFormat

from infra.local.jobs.bundle import load_bundle
from tests.jobs_fixtures import PROBE, ROOT, RunningJobsServer, StartJobsServer, make_wheel, until

pytestmark = pytest.mark.servers

WHEEL = "/Workspace/Shared/job_probe-1.0-py3-none-any.whl"


def settings(name: str = "posted", dependency: str = WHEEL, **more: Any) -> dict[str, Any]:
    task = {"package_name": "job_probe", "entry_point": "job-probe"}
    task["parameters"] = ["{{job.parameters.mode}}", "{{job.parameters.value}}", "{{job.run_id}}"]  # type: ignore[assignment]
    return {
        "name": name,
        "format": "MULTI_TASK",
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "edit_mode": "UI_LOCKED",
        "deployment": {"kind": "BUNDLE", "metadata_file_path": "/Workspace/Shared/metadata.json"},
        "parameters": [{"name": "mode", "default": "print"}, {"name": "value", "default": "${kept.as.it.is}"}],
        "environments": [
            {"environment_key": "default", "spec": {"environment_version": "4", "dependencies": [dependency]}}
        ],
        "tasks": [{"task_key": "probe", "environment_key": "default", "max_retries": 0, "python_wheel_task": task}],
        **more,
    }


def post(client: WorkspaceClient, posted: dict[str, Any]) -> int:
    """As the SDK does it; its method takes objects instead of what is sent."""
    created: Any = client.api_client.do("POST", "/api/2.2/jobs/create", body=posted)
    return int(created["job_id"])


def upload(client: WorkspaceClient, wheel: Path, path: str = WHEEL) -> None:
    content = base64.b64encode(wheel.read_bytes()).decode()
    client.workspace.import_(path, content=content, format=ImportFormat.AUTO, overwrite=True)


def logs(server: RunningJobsServer, job_id: int, **fields: Any) -> str:
    run_id = server.client().jobs.run_now(job_id, **fields).run_id or 0
    server.wait_state(run_id, "SUCCESS")
    return server.client().jobs.get_run_output(run_id).logs or ""


def test_a_posted_job_runs_the_uploaded_wheel_and_survives_a_killed_server(
    start_jobs_server: StartJobsServer, tmp_path: Path, probe_wheel: Path
) -> None:
    server = start_jobs_server(tmp_path / "data", "--no-bundle")
    assert server.job_ids == {}
    upload(server.client(), probe_wheel)
    job_id = post(server.client(), settings())
    shown = server.client().api_client.do("GET", "/api/2.2/jobs/get", query={"job_id": job_id})
    assert isinstance(shown, dict)
    assert shown["settings"] == settings()
    assert "mode print" in logs(server, job_id)

    server.process.kill()
    again = start_jobs_server(tmp_path / "data", "--no-bundle")
    assert again.client().api_client.do("GET", "/api/2.2/jobs/get", query={"job_id": job_id}) == shown
    assert [job.job_id for job in again.client().jobs.list()] == [job_id]
    assert "mode other" in logs(again, job_id, job_parameters={"mode": "other"})


def test_the_run_takes_the_wheel_that_is_there_when_it_starts(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    client, path = jobs_server.client(), "/Workspace/Shared/new/job_probe-1.0-py3-none-any.whl"
    client.workspace.mkdirs("/Workspace/Shared/new")
    upload(client, make_wheel(tmp_path / "old", "job_probe", PROBE), path)
    job_id = post(client, settings("new", path))
    assert "newer" not in logs(jobs_server, job_id)
    upload(client, make_wheel(tmp_path / "new", "job_probe", PROBE.replace('"mode"', '"newer mode"')), path)
    assert "newer mode print" in logs(jobs_server, job_id)


@pytest.mark.parametrize("where", ["environment", "library"])
def test_the_wheel_is_named_by_the_environment_or_as_a_library(
    jobs_server: RunningJobsServer, probe_wheel: Path, where: str
) -> None:
    client = jobs_server.client()
    upload(client, probe_wheel)
    posted = settings(where)
    if where == "library":
        del posted["environments"], posted["tasks"][0]["environment_key"]
        posted["tasks"][0]["libraries"] = [{"whl": WHEEL}]
    assert "mode print" in logs(jobs_server, post(client, posted))


@pytest.mark.parametrize(
    ("dependency", "content", "reason"),
    [
        ("/Workspace/Shared/none/x-1.0-py3-none-any.whl", None, "Library installation failed for .*doesn't exist"),
        (
            "/Workspace/Shared/broken-1.0-py3-none-any.whl",
            b"no zip",
            "Library installation failed for broken-1.0.* is not a wheel",
        ),
        ("/Workspace/Shared/-rf.whl", b"", "Library installation failed for /Workspace/Shared/-rf.whl"),
        ("pandas", None, "must name one wheel in the workspace, and name no wheel"),
    ],
)
def test_a_missing_or_broken_wheel_is_a_readable_failure(
    jobs_server: RunningJobsServer, dependency: str, content: bytes | None, reason: str
) -> None:
    client = jobs_server.client()
    if content is not None:
        client.workspace.import_(dependency, content=base64.b64encode(content).decode(), overwrite=True)
    run_id = client.jobs.run_now(post(client, settings("broken", dependency))).run_id or 0
    jobs_server.wait_state(run_id, "FAILED")
    output = client.jobs.get_run_output(run_id)
    assert output.error
    assert "\n" not in output.error
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(output.error)


def test_a_reset_replaces_all_but_the_identity_and_holds_for_the_next_run(
    jobs_server: RunningJobsServer, probe_wheel: Path
) -> None:
    client = jobs_server.client()
    upload(client, probe_wheel)
    job_id = post(client, settings("first", run_as={"service_principal_name": "app"}, description="old"))
    again = settings("second", parameters=[{"name": "mode", "default": "reset"}, {"name": "value", "default": ""}])
    client.jobs.reset(job_id, JobSettings.from_dict(again))
    job = client.jobs.get(job_id)
    assert job.settings
    assert job.settings.as_dict() == {**again, "run_as": {"service_principal_name": "app"}}
    assert job.run_as_user_name == "app"
    assert "mode reset" in logs(jobs_server, job_id)


def test_a_deleted_job_is_gone_with_its_active_and_queued_runs(
    jobs_server: RunningJobsServer, probe_wheel: Path, tmp_path: Path
) -> None:
    client = jobs_server.client()
    upload(client, probe_wheel)
    job_id = post(client, settings("deleted"))
    waiting = {"mode": "wait", "value": str(tmp_path / "never")}
    first, second = (client.jobs.run_now(job_id, job_parameters=waiting).run_id or 0 for _ in range(2))
    jobs_server.wait_state(first, "RUNNING")
    client.jobs.delete(job_id)
    for run_id in (first, second):
        jobs_server.wait_state(run_id, "CANCELED")
    for request in (client.jobs.get, client.jobs.delete, client.jobs.run_now):
        with pytest.raises((ResourceDoesNotExist, InvalidParameterValue), match=f"Job {job_id} does not exist"):
            request(job_id)
    assert httpx.get(jobs_server.url).status_code == 200


def test_cancelling_while_the_wheel_is_installed_ends_the_installation(
    start_jobs_server: StartJobsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installer hangs: its index is a server that accepts and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            monkeypatch.setenv(name, index)
        server = start_jobs_server(tmp_path / "data", "--no-bundle")
        upload(server.client(), make_wheel(tmp_path, "job_probe", PROBE, requires=("nowhere-to-be-found==1",)))
        run_id = server.client().jobs.run_now(post(server.client(), settings())).run_id or 0
        log = tmp_path / "data" / "runs" / str(run_id) / "log.txt"
        until(lambda: log.exists() and "installing 1 requirements" in log.read_text(), "the installation has begun")
        assert server.state(run_id) == "PENDING"
        server.client().jobs.cancel_run(run_id)
        server.wait_state(run_id, "CANCELED")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": "many"}, "unexpected form"),
        ({"parameters": [1]}, "unexpected form"),
        ({"queue": "yes"}, "unexpected form"),
        ({"environments": 7}, "unexpected form"),
        ({"max_concurrent_runs": {}}, "unexpected form"),
        ({"tasks": [{"task_key": "a", "python_wheel_task": {}}]}, "unexpected form"),
        ({"parameters": []}, "is not a parameter of the job"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(jobs_server: RunningJobsServer, change: Any, message: str) -> None:
    before = len(list(jobs_server.client().jobs.list()))
    with pytest.raises(BadRequest, match=message):
        post(jobs_server.client(), settings(**change))
    assert len(list(jobs_server.client().jobs.list())) == before


def test_a_job_of_the_bundle_is_changed_in_its_files(jobs_server: RunningJobsServer) -> None:
    jobs, job_id = jobs_server.client().jobs, jobs_server.job_ids["queued"]
    with pytest.raises(BadRequest, match="change the bundle's files"):
        jobs.reset(job_id, JobSettings(name="x"))
    with pytest.raises(BadRequest, match="change the bundle's files"):
        jobs.delete(job_id)


def test_our_bundles_jobs_are_shown_as_they_are_read(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    """What the server reads from the bundle and what is posted take the same way to `jobs/get`."""
    bundle = ROOT / "infra" / "databricks"
    server = start_jobs_server(tmp_path / "data", "--bundle", bundle)
    for job in load_bundle(bundle, "local", {}).jobs:
        posted = server.client().jobs.get(post(server.client(), dict(job.settings)))
        assert posted.settings == server.client().jobs.get(job.job_id).settings
        assert posted.settings
        assert posted.settings.queue
        assert posted.settings.queue.enabled
