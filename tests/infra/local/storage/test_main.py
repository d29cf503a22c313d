"""The server as a program: start, stop, ports, data folders, and requests that it does not implement."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from google.cloud import storage

from infra.local.services.process import ServerFailed, ServerProcess
from tests.storage_fixtures import client_for, storage_process

pytestmark = pytest.mark.servers


def test_health(storage_server: ServerProcess) -> None:
    assert httpx.get(f"{storage_server.url}/_local/health").json()["status"] == "ok"


def test_a_used_port_or_folder_is_one_sentence_and_exit_status_2(storage_server: ServerProcess, tmp_path: Path) -> None:
    port = int(storage_server.url.rsplit(":", 1)[1])
    taken = httpx.get(f"{storage_server.url}/_local/health").json()["data_dir"]
    for arguments, word in (((tmp_path, port), f"port {port}"), ((Path(taken), 0), "in use by another storage server")):
        with pytest.raises(ServerFailed, match="status 2") as failed:
            storage_process(arguments[0], port=arguments[1]).start()
        message = str(failed.value).splitlines()
        assert len(message) == 2
        assert word in message[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_quickly_with_open_connections(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "infra.local.storage", "--port", "0", "--data-dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = server.stdout.readline().split()[1]
    httpx.post(f"{url}/_local/faults", json={"action": "hang"})
    hanging = threading.Thread(target=_expect_disconnect, args=(f"{url}/storage/v1/b",))
    hanging.start()
    with httpx.Client(base_url=url) as idle:
        idle.get("/_local/health")
        time.sleep(0.2)
        began = time.monotonic()
        server.send_signal(number)
        _, complaints = server.communicate(timeout=5)
    assert time.monotonic() - began < 2
    assert server.returncode == 0
    assert complaints == ""
    hanging.join()


def _expect_disconnect(url: str) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(url)


def test_data_survives_a_restart_on_another_port(tmp_path: Path) -> None:
    with storage_process(tmp_path, "--bucket", "kept-bucket") as server:
        client_for(server.url).bucket("kept-bucket").blob("x").upload_from_string("kept")
    with storage_process(tmp_path, "--bucket", "kept-bucket") as server:
        blob = client_for(server.url).bucket("kept-bucket").get_blob("x")
        assert blob.download_as_bytes() == b"kept"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/storage/v2/b"),
        ("GET", "/storage/v1/b/x-bucket/iam"),
        ("POST", "/_local/health"),
        ("PUT", "/batch"),
    ],
)
def test_an_unknown_request_is_named(storage_server: ServerProcess, method: str, path: str) -> None:
    answer = httpx.request(method, storage_server.url + path)
    assert answer.status_code == 501
    assert f"{method} {path}" in answer.json()["error"]["message"]


def test_errors_have_the_real_services_format(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    answer = httpx.get(f"{storage_server.url}/storage/v1/b/{bucket.name}/o/absent")
    message = f"No such object: {bucket.name}/absent"
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {
            "code": 404,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": "notFound"}],
        }
    }
    missing = httpx.get(f"{storage_server.url}/storage/v1/b/no-such-bucket/o")
    assert missing.json()["error"]["message"] == "The specified bucket does not exist."


def test_memory_does_not_grow_with_the_object(tmp_path: Path) -> None:
    """Uploading and downloading 200 MB raises the peak memory by far less (the same holds for 1 GB)."""
    with storage_process(tmp_path, "--bucket", "large") as server:
        url, before = f"{server.url}/upload/storage/v1/b/large/o", _peak(server.pid)
        piece = bytes(1 << 20)
        httpx.post(url, params={"uploadType": "media", "name": "x"}, content=(piece for _ in range(200)), timeout=60)
        with httpx.stream("GET", f"{server.url}/storage/v1/b/large/o/x?alt=media", timeout=60) as answer:
            assert sum(len(chunk) for chunk in answer.iter_raw(1 << 20)) == 200 << 20
        assert _peak(server.pid) - before < 25_000


def _peak(pid: int) -> int:
    """In KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
