"""The workspace's files and folders, with the SDK where it has a method, and otherwise as the CLI sends it."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists, ResourceDoesNotExist
from databricks.sdk.service.workspace import ImportFormat, ObjectType

from infra.local.jobs.login import USER
from infra.local.jobs.workspace import Workspace
from tests.jobs_fixtures import RunningJobsServer, StartJobsServer

pytestmark = pytest.mark.servers

NUMBERS = itertools.count()


@pytest.fixture
def client(jobs_server: RunningJobsServer) -> WorkspaceClient:
    return jobs_server.client()


@pytest.fixture
def folder(client: WorkspaceClient) -> str:
    path = f"/Workspace/Users/{USER}/test {next(NUMBERS)}"
    client.workspace.mkdirs(path)
    return path


def put(server: RunningJobsServer, path: str, content: bytes, *, overwrite: bool = False) -> httpx.Response:
    """As the CLI does: the whole path in one, escaped, part of the URL."""
    where = f"{server.url}/api/2.0/workspace-files/import-file/{quote(path.lstrip('/'), safe='')}"
    query = {"overwrite": str(overwrite).lower()}
    return httpx.post(where, params=query, content=content, headers={"Authorization": "Bearer local"})


def test_a_file_is_read_back_byte_by_byte_in_each_way(
    jobs_server: RunningJobsServer, client: WorkspaceClient, folder: str
) -> None:
    content, path = bytes(range(256)) * 100, f"{folder}/ü %2F + {{x}}.bin"
    assert put(jobs_server, path, content).json() == {}
    with client.workspace.download(path) as stream:
        assert stream.read() == content
    assert base64.b64decode(client.workspace.export(path).content or "") == content
    url = f"{jobs_server.url}/api/2.0/workspace-files/{quote(path.lstrip('/'))}"
    assert httpx.get(url, headers={"Authorization": "Bearer local"}).content == content


def test_importing_needs_the_parent_folder_and_overwrites_only_if_told(
    jobs_server: RunningJobsServer, client: WorkspaceClient, folder: str
) -> None:
    lost = put(jobs_server, f"{folder}/nowhere/lock", b"1")
    assert (lost.status_code, lost.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert put(jobs_server, f"{folder}/lock", b"1").status_code == 200
    assert put(jobs_server, f"{folder}/lock", b"2").status_code == 409
    before = client.workspace.get_status(f"{folder}/lock")
    assert put(jobs_server, f"{folder}/lock", b"three", overwrite=True).status_code == 200
    after = client.workspace.get_status(f"{folder}/lock")
    assert (after.object_id, after.size) == (before.object_id, 5)
    assert client.workspace.download(f"{folder}/lock").read() == b"three"
    assert put(jobs_server, folder, b"a folder", overwrite=True).status_code == 400
    assert put(jobs_server, f"{folder}/lock/below a file", b"").status_code == 404


def test_the_import_with_base64_overwrites_only_if_told(client: WorkspaceClient, folder: str) -> None:
    path, text = f"{folder}/x.whl", base64.b64encode(b"wheel").decode()
    client.workspace.import_(path, content=text, format=ImportFormat.AUTO)
    with pytest.raises(ResourceAlreadyExists, match="already exists"):
        client.workspace.import_(path, content=text, format=ImportFormat.AUTO)
    client.workspace.import_(path, content=text, format=ImportFormat.AUTO, overwrite=True)
    assert client.workspace.download(path).read() == b"wheel"
    with pytest.raises(BadRequest, match="base64"):
        client.workspace.import_(path, content="ü", overwrite=True)


def test_status_and_list_show_type_id_and_path_as_asked(
    jobs_server: RunningJobsServer, client: WorkspaceClient, folder: str
) -> None:
    client.workspace.mkdirs(f"{folder}/a/b")
    put(jobs_server, f"{folder}/c.txt", b"abc")
    status = client.workspace.get_status(folder)
    assert (status.object_type, status.path) == (ObjectType.DIRECTORY, folder)
    short = client.workspace.get_status(folder.removeprefix("/Workspace"))
    assert (short.object_id, short.path) == (status.object_id, folder.removeprefix("/Workspace"))
    found = {item.path: item.object_type for item in client.workspace.list(folder)}
    assert found == {f"{folder}/a": ObjectType.DIRECTORY, f"{folder}/c.txt": ObjectType.FILE}
    everything = {item.path for item in client.workspace.list(folder, recursive=True)}
    assert f"{folder}/a/b" not in everything, "the SDK's recursive list leaves out folders"
    assert [item.size for item in client.workspace.list(f"{folder}/c.txt")] == [3]
    assert not list(client.workspace.list(f"{folder}/a/b"))
    for missing in (f"{folder}/none", "/Workspace/none"):
        with pytest.raises(ResourceDoesNotExist, match="doesn't exist"):
            client.workspace.get_status(missing)
        with pytest.raises(NotFound):
            list(client.workspace.list(missing))


def test_a_folder_is_deleted_with_its_content_only_if_told(
    jobs_server: RunningJobsServer, client: WorkspaceClient, folder: str
) -> None:
    sibling = f"{folder} sibling_%"
    client.workspace.mkdirs(sibling)
    client.workspace.mkdirs(f"{folder}/a")
    put(jobs_server, f"{folder}/a/file", b"")
    old = client.workspace.get_status(folder).object_id
    with pytest.raises(BadRequest, match="is not empty") as refused:
        client.workspace.delete(folder)
    assert refused.value.error_code == "DIRECTORY_NOT_EMPTY"
    client.workspace.delete(folder, recursive=True)
    for path in (folder, f"{folder}/a", f"{folder}/a/file"):
        with pytest.raises(ResourceDoesNotExist):
            client.workspace.delete(path)
    assert client.workspace.get_status(sibling)
    client.workspace.mkdirs(folder)
    assert client.workspace.get_status(folder).object_id != old
    for root in ("/", "/Workspace", "/Workspace/Users", f"/Users/{USER}/"):
        with pytest.raises(BadRequest, match="cannot be deleted"):
            client.workspace.delete(root, recursive=True)


def test_a_folder_cannot_be_made_where_a_file_is(
    jobs_server: RunningJobsServer, client: WorkspaceClient, folder: str
) -> None:
    put(jobs_server, f"{folder}/file", b"")
    client.workspace.mkdirs(folder)
    for path in (f"{folder}/file", f"{folder}/file/below"):
        with pytest.raises(ResourceAlreadyExists, match="not a folder"):
            client.workspace.mkdirs(path)


HOSTILE = [
    "relative",
    "../../etc/passwd",
    "/Workspace/../../etc/passwd",
    "/a/./b",
    "/nul\0byte",
    "/new\nline",
    "/half\ud800",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_are_refused_and_leave_nothing(start_jobs_server: StartJobsServer, tmp_path: Path, path: str) -> None:
    server = start_jobs_server(tmp_path / "data", "--no-bundle")
    for request in ("mkdirs", "delete", "import"):
        answer = httpx.post(
            f"{server.url}/api/2.0/workspace/{request}",
            content=json.dumps({"path": path, "content": "", "recursive": True}),
            headers={"Authorization": "Bearer local"},
        )
        assert answer.status_code == 400, request
        reason = "not a JSON object" if "\ud800" in path else "is not an absolute path"
        assert reason in answer.json()["message"]
    if path.startswith("/") and path.isascii():
        assert put(server, path, b"evil").status_code in (400, 404)  # with a line break, it is no known endpoint
    assert not [item for item in tmp_path.rglob("*") if "passwd" in item.name or "evil" in item.name]


def test_files_survive_a_killed_server_and_need_a_login(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path / "data", "--no-bundle")
    assert put(server, "/Shared/kept", b"kept").status_code == 200
    kept = server.client().workspace.get_status("/Shared/kept")
    server.process.kill()
    again = start_jobs_server(tmp_path / "data", "--no-bundle")
    assert again.client().workspace.download("/Shared/kept").read() == b"kept"
    assert again.client().workspace.get_status("/Shared/kept") == kept
    assert httpx.get(f"{again.url}/api/2.0/workspace/list?path=/").status_code == 401
    assert httpx.post(f"{again.url}/api/2.0/workspace-files/import-file/Shared%2Fx", content=b"").status_code == 401


def test_the_files_are_in_the_data_folder(tmp_path: Path) -> None:
    Workspace(tmp_path / "data" / "workspace.sqlite").close()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["workspace.sqlite"]
