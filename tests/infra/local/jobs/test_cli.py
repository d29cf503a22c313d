"""`databricks bundle` against the server: its requests, by the CLI's sources, replayed with the SDK; and the CLI itself.

The CLI deploys with its direct engine, without Terraform. The replay has the order of the CLI's own acceptance tests, which
record the requests; the CLI sends some of them at the same time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from databricks.sdk.errors import DatabricksError, NotFound

from infra.local.jobs.login import USER
from tests.jobs_fixtures import ROOT, RunningJobsServer, StartJobsServer

pytestmark = pytest.mark.servers

STATUS = "GET /api/2.0/workspace/get-status"
MKDIRS, DELETE = "POST /api/2.0/workspace/mkdirs", "POST /api/2.0/workspace/delete"
ME, TELEMETRY = "GET /api/2.0/preview/scim/v2/Me", "POST /telemetry-ext"
SCHEMAS, GRANTS = "/api/2.1/unity-catalog/schemas", "/api/2.1/unity-catalog/permissions/schema/main.probe"
JOBS = "/api/2.2/jobs"
HOME = f"/Workspace/Users/{USER}/.bundle/probe/local"
WHEEL = "job_probe-1.0-py3-none-any.whl"
PROBE_JOB = {
    "name": "probe",
    "parameters": [{"name": "mode", "default": "print"}, {"name": "value", "default": ""}],
    "tasks": [
        {
            "task_key": "probe",
            "environment_key": "default",
            "python_wheel_task": {
                "package_name": "job_probe",
                "entry_point": "job-probe",
                "parameters": ["{{job.parameters.mode}}", "{{job.parameters.value}}", "{{job.run_id}}"],
            },
        }
    ],
}
# A target for each of the two ways to deploy: as a person to their own folder, and for all with permissions and a schema.
PROBE_BUNDLE = {
    "bundle": {"name": "probe"},
    "resources": {
        "jobs": {
            "probe": {
                **PROBE_JOB,
                "environments": [
                    {
                        "environment_key": "default",
                        "spec": {"environment_version": "4", "dependencies": ["./dist/*.whl"]},
                    }
                ],
            }
        }
    },
    "targets": {
        "local": {"default": True},
        "prod": {
            "mode": "production",
            "workspace": {"root_path": "/Workspace/probe/prod"},
            "permissions": [{"group_name": "team", "level": "CAN_MANAGE"}],
            "resources": {
                "jobs": {
                    "probe": {
                        "run_as": {"service_principal_name": "job"},
                        "permissions": [{"service_principal_name": "deployer", "level": "IS_OWNER"}],
                    }
                },
                "schemas": {
                    "probe": {
                        "catalog_name": "main",
                        "name": "probe",
                        "grants": [{"principal": "job", "privileges": ["USE_SCHEMA", "SELECT"]}],
                    }
                },
            },
        },
    },
}


# --- the requests, with the SDK


class Replay:
    """Sends what the CLI sends."""

    def __init__(self, server: RunningJobsServer) -> None:
        self._api = server.client().api_client

    def json(self, call: str, query: dict[str, Any] | None = None, **body: Any) -> Any:
        method, path = call.split(" ", 1)
        return self._api.do(method, path, query=query, **({"body": body} if method != "GET" else {}))

    def status(self, name: str) -> Any:
        return self.json(STATUS, {"path": f"{HOME}/{name}", "return_export_info": "true"})

    def write(self, name: str, content: bytes, *, overwrite: bool = True) -> None:
        """Make the folder only after the server has said that it is missing."""
        where = f"/api/2.0/workspace-files/import-file/{quote(f'{HOME}/{name}'.lstrip('/'), safe='')}"
        query = {"overwrite": str(overwrite).lower()}
        try:
            self._api.do("POST", where, query=query, data=content)
        except NotFound:
            self.json(MKDIRS, path=f"{HOME}/{name}".rpartition("/")[0])
            self._api.do("POST", where, query=query, data=content)

    def export(self, name: str) -> bytes:
        query = {"path": f"{HOME}/{name}", "direct_download": "true"}
        answer: Any = self._api.do("GET", "/api/2.0/workspace/export", query=query, raw=True)
        return bytes(answer["contents"].read())

    def state(self) -> Any:
        answer: Any = self._api.do("GET", f"/api/2.0/workspace-files{HOME}/state/resources.json", raw=True)
        return json.loads(answer["contents"].read())

    def lock(self) -> None:
        self.write("state/deploy.lock", b'{"ID": "1"}', overwrite=False)
        assert self.status("state/deploy.lock")["object_type"] == "FILE"
        assert json.loads(self.export("state/deploy.lock")) == {"ID": "1"}

    def unlock(self) -> None:
        assert json.loads(self.export("state/deploy.lock")) == {"ID": "1"}
        self.json(DELETE, path=f"{HOME}/state/deploy.lock")


def deploy(replay: Replay, wheel: Path, job_id: int | None) -> int:
    """The requests of `bundle deploy`: the first deployment creates, later ones read and reset. Returns the job's id."""
    assert replay.json(ME)["userName"] == USER
    first = job_id is None
    if job_id is None:
        for name in ("resources.json", "terraform.tfstate"):
            with pytest.raises(NotFound) as missing:
                replay.status(f"state/{name}")
            assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    else:
        assert replay.state()["job_id"] == job_id
        assert replay.json(f"GET {JOBS}/get", {"job_id": job_id})["settings"]["name"] == "probe"
    replay.lock()
    with pytest.raises(DatabricksError, match="already exists"):  # who else deploys now
        replay.write("state/deploy.lock", b"{}", overwrite=False)
    if job_id is not None:
        replay.json(DELETE, path=f"{HOME}/artifacts/.internal", recursive=True)
    replay.json(MKDIRS, path=f"{HOME}/artifacts/.internal")
    replay.write(f"artifacts/.internal/{WHEEL}", wheel.read_bytes())
    replay.write("files/databricks.yml", b"bundle: {name: probe}")
    replay.write("state/deployment.json", b"{}")
    spec = {"environment_version": "4", "dependencies": [f"{HOME}/artifacts/.internal/{WHEEL}"]}
    settings = {
        **PROBE_JOB,
        "environments": [{"environment_key": "default", "spec": spec}],
        "deployment": {"kind": "BUNDLE", "metadata_file_path": f"{HOME}/state/metadata.json"},
        "edit_mode": "UI_LOCKED",
        "format": "MULTI_TASK",
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
    }
    if job_id is None:
        job_id = int(replay.json(f"POST {JOBS}/create", **settings)["job_id"])
    else:
        replay.json(f"POST {JOBS}/reset", job_id=job_id, new_settings=settings)
    assert replay.json(f"GET {JOBS}/get", {"job_id": job_id})["settings"] == settings
    govern(replay, job_id, first=first)
    replay.write("state/resources.json", json.dumps({"job_id": job_id}).encode())
    replay.write("state/metadata.json", b"{}")
    replay.unlock()
    assert replay.json(TELEMETRY, uploadTime=1, items=[], protoLogs=["one", "two"])["numProtoSuccess"] == 2
    return job_id


def govern(replay: Replay, job_id: int, *, first: bool) -> None:
    """The requests that a production target adds: the folder's and the job's permissions, the schema and its grants."""
    team = {"group_name": "team", "permission_level": "CAN_MANAGE"}
    folder = f"/api/2.0/permissions/directories/{replay.json(STATUS, {'path': HOME})['object_id']}"
    replay.json(f"PATCH {folder}", access_control_list=[team])
    assert replay.json(f"GET {folder}")["access_control_list"][0]["group_name"] == "team"
    job = f"/api/2.0/permissions/jobs/{job_id}"
    owner = {"service_principal_name": "deployer", "permission_level": "IS_OWNER"}
    replay.json(f"PUT {job}", access_control_list=[owner, team])
    shown = replay.json(f"GET {job}")["access_control_list"]
    assert [entry["all_permissions"][0]["permission_level"] for entry in shown] == ["IS_OWNER", "CAN_MANAGE"]
    if first:
        assert replay.json(f"POST {SCHEMAS}", catalog_name="main", name="probe")["full_name"] == "main.probe"
    else:
        assert replay.json(f"GET {SCHEMAS}/main.probe")["full_name"] == "main.probe"
        replay.json(f"PATCH {SCHEMAS}/main.probe", comment="changed")
    replay.json(f"PATCH {GRANTS}", changes=[{"principal": "job", "add": ["SELECT"], "remove": ["ALL_PRIVILEGES"]}])
    assert replay.json(f"GET {GRANTS}")["privilege_assignments"] == [{"principal": "job", "privileges": ["SELECT"]}]


def test_the_requests_of_the_cli_deploy_run_and_destroy_a_bundle(
    start_jobs_server: StartJobsServer, tmp_path: Path, probe_wheel: Path
) -> None:
    server = start_jobs_server(tmp_path / "data", "--no-bundle")
    replay = Replay(server)
    job_id = deploy(replay, probe_wheel, None)
    assert deploy(replay, probe_wheel, job_id) == job_id

    run_id = replay.json(f"POST {JOBS}/run-now", job_id=job_id)["run_id"]
    server.wait_state(run_id, "SUCCESS")
    task = replay.json(f"GET {JOBS}/runs/get", {"run_id": run_id})["tasks"][0]
    assert f"mode print run {run_id}" in replay.json(f"GET {JOBS}/runs/get-output", {"run_id": task["run_id"]})["logs"]

    replay.lock()
    assert replay.json(STATUS, {"path": HOME})["object_type"] == "DIRECTORY"
    replay.json(f"POST {JOBS}/delete", job_id=job_id)
    replay.json(f"DELETE {SCHEMAS}/main.probe", {"force": "true"})
    replay.json(DELETE, path=HOME, recursive=True)
    with pytest.raises(NotFound):  # so it does not unlock
        replay.status("state/deploy.lock")
    assert not list(server.client().jobs.list())
    assert unknown_requests(server) == []


def unknown_requests(server: RunningJobsServer) -> list[str]:
    return [request for request in server.stats()["requests"] if request.startswith("unknown: ")]


# --- the CLI itself


def test_ci_installs_the_cli() -> None:
    """Otherwise the tests below would be skipped everywhere."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [step for step in workflow["jobs"]["test"]["steps"] if step.get("uses") == "databricks/setup-cli@v1.12.0"]


Cli = Callable[..., str]
needs_cli = pytest.mark.skipif(
    shutil.which("databricks") is None, reason="the Databricks CLI is not on the PATH (CI installs it): 1.12.0 or later"
)


def cli_in(folder: Path, server: RunningJobsServer, home: Path) -> Cli:
    """Runs `databricks bundle …` in the folder and returns what it printed; the server must know all that it asks for."""

    def run(command: str, *arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        environment |= {"DATABRICKS_HOST": server.url, "DATABRICKS_TOKEN": "local", "DATABRICKS_AUTH_TYPE": "pat"}
        done = subprocess.run(
            ["databricks", "bundle", command, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert unknown_requests(server) == []
        return done.stdout + done.stderr

    return run


@pytest.fixture
def probe_folder(tmp_path: Path, probe_wheel: Path) -> Path:
    """The bundle with its built wheel. YAML includes JSON."""
    (tmp_path / "bundle" / "dist").mkdir(parents=True)
    shutil.copy(probe_wheel, tmp_path / "bundle" / "dist")
    (tmp_path / "bundle" / "databricks.yml").write_text(json.dumps(PROBE_BUNDLE))
    return tmp_path / "bundle"


@needs_cli
@pytest.mark.parametrize("target", ["local", "prod"])
def test_the_cli_deploys_runs_and_destroys_a_bundle(
    start_jobs_server: StartJobsServer, tmp_path: Path, probe_folder: Path, target: str
) -> None:
    server = start_jobs_server(tmp_path / "data", "--no-bundle")
    bundle = cli_in(probe_folder, server, tmp_path)
    bundle("validate", "-t", target)
    bundle("deploy", "-t", target, "--auto-approve")
    assert "0 to add, 0 to change, 0 to delete" in bundle("plan", "-t", target)
    (job,) = server.client().jobs.list()
    assert str(job.job_id) in bundle("summary", "-t", target)
    bundle("run", "-t", target, "probe")
    (run,) = server.client().jobs.list_runs()
    assert server.state(run.run_id or 0) == "SUCCESS"
    bundle("deploy", "-t", target, "--auto-approve")
    assert [again.job_id for again in server.client().jobs.list()] == [job.job_id]
    if target == "prod":
        shown = server.client().permissions.get("jobs", str(job.job_id)).access_control_list or []
        assert {entry.service_principal_name or entry.group_name for entry in shown} >= {"deployer", "team"}
        assert server.client().schemas.get("main.probe")
        assert server.client().grants.get("schema", "main.probe").privilege_assignments
    bundle("destroy", "-t", target, "--auto-approve")
    assert not list(server.client().jobs.list())
    with pytest.raises(NotFound):
        server.client().schemas.get("main.probe")


@needs_cli
def test_the_cli_and_the_server_make_the_same_jobs_of_our_bundle(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    """Except for what the CLI adds about the deployment, and for where the files are."""
    copy = tmp_path / "tree"
    ignored = shutil.ignore_patterns("dist", "build", "__pycache__", "*.egg-info", ".databricks")
    for part in ("infra/databricks", "spark_jobs"):
        shutil.copytree(ROOT / part, copy / part, ignore=ignored)
    build = f"{sys.executable} -m build --wheel --outdir spark_jobs/dist spark_jobs"
    (copy / "Makefile").write_text(f"wheel:\n\t{build}\n")
    server = start_jobs_server(tmp_path / "data", "--bundle", copy / "infra" / "databricks")
    read = {
        job.settings.name: job.settings.as_dict() for job in server.client().jobs.list(expand_tasks=True) if job.settings
    }
    cli_in(copy / "infra" / "databricks", server, tmp_path)("deploy", "-t", "local", "--auto-approve")
    everything = list(server.client().jobs.list(expand_tasks=True))
    posted = {job.settings.name: job.settings.as_dict() for job in everything[len(read) :] if job.settings}
    assert {name: comparable(job) for name, job in posted.items()} == {name: comparable(job) for name, job in read.items()}


def comparable(settings: Any) -> Any:
    if isinstance(settings, dict):
        return {key: comparable(value) for key, value in settings.items() if key not in ("deployment", "edit_mode")}
    if isinstance(settings, list):
        return [comparable(item) for item in settings]
    if isinstance(settings, str) and settings.endswith((".whl", ".py")):
        return settings.rpartition("/")[2] if settings.endswith(".py") else "the wheel"
    return settings
