"""Starting the server: a problem with the folder, the port or the options ends it with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.services.process import ServerFailed
from tests.jobs_fixtures import StartJobsServer

pytestmark = pytest.mark.servers


def test_a_used_folder_a_used_port_and_an_unknown_variable_are_refused_in_one_sentence(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path / "data")
    with pytest.raises(ServerFailed, match=r"status 2:\nerror: a jobs server is already running on"):
        start_jobs_server(tmp_path / "data")
    port = server.url.rpartition(":")[2]
    with pytest.raises(ServerFailed, match=rf"status 2:\nerror: port {port} .*; choose another port with --port$"):
        start_jobs_server(tmp_path / "other", "--port", port)
    with pytest.raises(
        ServerFailed, match=r"status 2:\nerror: the bundle has no variable 'moed'; its variables: mode, warehouse, trigger$"
    ):
        start_jobs_server(tmp_path / "third", "--var", "moed=x")
