"""The artifact instead of the source tree: the upload set, run in an environment with only requirements.txt."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud import storage

from infra.deploy.shell import ROOT
from infra.deploy.upload_set import upload_set, write_zip
from infra.local.installer import install
from infra.local.jobs.locking import locked
from infra.local.services.process import ServerProcess
from tests.free_port import free_port
from tests.infra.deploy.clones import clone

START_DEADLINE = 30.0
EVENT = json.loads((ROOT / "tests" / "events" / "finalized.json").read_text())


def names(root: Path = ROOT) -> set[str]:
    return {path.as_posix() for path in upload_set(root)}


def test_the_upload_set_is_exactly_what_the_entry_points_import() -> None:
    found = names()
    assert {"main.py", "requirements.txt", "functions/bootstrap.py", "spark_jobs/__init__.py"} <= found
    for name in found - {"main.py", "requirements.txt"}:
        assert name.endswith(".py"), name
        assert (
            name.startswith(("functions/", "spark_jobs/cloud/", "spark_jobs/contract/")) or name == "spark_jobs/__init__.py"
        )
    assert not {name for name in found if "test" in name or "infra" in name or "secret" in name or name.endswith(".env")}


def test_other_files_of_a_working_tree_are_left_out(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".gcloudignore", tmp_path)
    kept = ["main.py", "requirements.txt", "functions/handler.py", "spark_jobs/__init__.py", "spark_jobs/contract/rows.py"]
    left = [
        *(".env", "key.json", "settings.env", ".git/config", "tests/test_main.py", "infra/deploy/settings.env"),
        *("functions/__pycache__/handler.cpython-311.pyc", "functions/key.json", "functions/inner/more.py"),
        *(
            "functions/check.py",
            "spark_jobs/steps/ingest.py",
            "spark_jobs/dist/order_tracking.whl",
            "other/functions/handler.py",
        ),
        *("spark_jobs/contract/notes.txt", "spark_jobs/contract/deep/rows.py", "main.pyc", "sub/main.py"),
    ]
    for name in [*kept, *left]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "functions" / "link.py").symlink_to("/etc/passwd")
    assert names(tmp_path) == set(kept)


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_gcloud_uploads_the_same_files(tmp_path: Path) -> None:
    """It reads .gcloudignore itself, and a folder that is let in differently than git: with all that is in it."""
    tree = clone(tmp_path / "tree")
    for folder in ("functions", "functions/validation", "spark_jobs", "spark_jobs/contract", "spark_jobs/cloud"):
        for name in ("notes.txt", "deep/more.py", ".hidden"):
            (tree / folder / name).parent.mkdir(exist_ok=True)
            (tree / folder / name).write_text("x")
    command = ["gcloud", "meta", "list-files-for-upload", "."]
    environment = {**os.environ, "CLOUDSDK_CONFIG": str(tmp_path / "config"), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True, env=environment)
    assert set(done.stdout.split()) == names(tree) == names()


def test_the_zip_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    """Terraform names the upload by its hash and would deploy a different zip."""
    first = write_zip(tmp_path / "a.zip").read_bytes()
    assert write_zip(tmp_path / "b.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert set(archive.namelist()) == names()


# --- built and served ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clean_environment() -> Path:
    """A virtual environment with requirements.txt installed; kept until the file changes."""
    requirements = ROOT / "requirements.txt"
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / ".cache" / "function-env" / key
    with locked(folder.with_name(f"{key}.lock")):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
            install(folder / "bin" / "python", f"--requirement={requirements}")
            (folder / "complete").touch()
    return folder


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("function")
    with zipfile.ZipFile(write_zip(folder / "upload.zip")) as archive:
        archive.extractall(folder / "source")
    return folder / "source"


Serve = Callable[[str], str]


@pytest.fixture
def serve(
    clean_environment: Path, unpacked: Path, storage_server: ServerProcess, bucket: storage.Bucket
) -> Iterator[Serve]:
    """Starts an entry point with functions-framework, like Cloud Run, and without this machine's environment variables."""
    running: list[subprocess.Popen[bytes]] = []

    def start(target: str) -> str:
        port = free_port()
        environment = {
            "PATH": f"{clean_environment / 'bin'}:/usr/bin:/bin",
            "HOME": str(unpacked.parent),
            "STORAGE_EMULATOR_HOST": storage_server.url,
            "GOOGLE_CLOUD_PROJECT": "local",
            "SOURCE_BUCKET": bucket.name,
            "DATABRICKS_JOB_ID": "1",
            "LOG_EXECUTION_ID": "true",
        }
        command = [
            str(clean_environment / "bin" / "functions-framework"),
            f"--target={target}",
            "--signature-type=cloudevent",
        ]
        command += ["--host=127.0.0.1", f"--port={port}"]
        running.append(subprocess.Popen(command, cwd=unpacked, env=environment))
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


def finalized(blob: storage.Blob) -> tuple[dict[str, str], dict[str, Any]]:
    place = {"bucket": blob.bucket.name, "name": blob.name, "generation": str(blob.generation)}
    return EVENT["headers"], {**EVENT["data"], **place}


def first_response(url: str, headers: dict[str, str], data: dict[str, Any]) -> httpx.Response:
    """Retry until the port is open."""
    end = time.monotonic() + START_DEADLINE
    while True:
        try:
            return httpx.post(url, headers=headers, json=data, timeout=START_DEADLINE)
        except httpx.ConnectError:
            assert time.monotonic() < end, f"{url} does not respond"
            time.sleep(0.01)


@pytest.mark.e2e
def test_the_upload_set_alone_handles_an_event(
    serve: Serve, clean_environment: Path, bucket: storage.Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file with a wrong name is validated, reported and moved, which needs SDK, contract and handler."""
    blob = bucket.blob("source/notes.csv")
    blob.upload_from_string("a,b\n1,2\n")
    started = time.monotonic()
    url = serve("on_object_finalized")
    assert first_response(url, *finalized(blob)).status_code == 200
    cold = time.monotonic() - started
    left = {item.name for item in bucket.list_blobs()}
    assert left == {f"rejected/notes.csv.{blob.generation}", f"rejected/notes.csv.{blob.generation}.report.json"}
    started = time.monotonic()
    assert first_response(url, *finalized(blob)).status_code == 200
    with capsys.disabled():
        print(
            f"\nfunction: {installed_megabytes(clean_environment):.0f} MB installed,"
            f" first event answered {cold:.2f} s after the process started, the next in {time.monotonic() - started:.3f} s"
        )


@pytest.mark.e2e
def test_both_entry_points_are_served(serve: Serve) -> None:
    """An event of another type is acknowledged with a log line, which needs only the code itself."""
    headers = {**EVENT["headers"], "ce-type": "google.cloud.storage.object.v1.deleted"}
    for target in ("on_object_finalized", "on_sweep"):
        assert first_response(serve(target), headers, EVENT["data"]).status_code == 200


@pytest.mark.e2e
def test_every_module_of_the_upload_set_imports_in_the_clean_environment(clean_environment: Path, unpacked: Path) -> None:
    """Adapters are imported lazily, so handling one event would not show that an SDK is missing."""
    modules = [
        path.with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in sorted(unpacked.rglob("*.py"))
        for path in [path.relative_to(unpacked)]
    ]
    late = ["databricks.sdk", "databricks.sdk.oidc", "google.cloud.pubsub_v1", "google.auth.compute_engine"]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    python = clean_environment / "bin" / "python"
    subprocess.run(
        [str(python), "-I", "-c", f"import sys; sys.path.insert(0, {str(unpacked)!r})\n{code}", *modules, *late], check=True
    )


def installed_megabytes(environment: Path) -> float:
    return sum(path.stat().st_size for path in environment.rglob("site-packages/**/*") if path.is_file()) / 1e6
