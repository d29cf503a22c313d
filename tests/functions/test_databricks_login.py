"""The real SDK and the real google-auth, against the local jobs server and a metadata server of a few lines."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from google.auth.compute_engine import _metadata

from functions.databricks_login import connect
from tests.jobs_fixtures import RunningJobsServer, StartJobsServer

AUDIENCE = "https://workspace.example/order-tracking"
ACCOUNT = "109876543210987654321"
POLICY = (
    *("--federation-audience", AUDIENCE),
    *("--federation-issuer", "https://accounts.google.com"),
    *("--federation-subject", ACCOUNT),
    *("--federation-client-id", "the-function"),
)


def google_jwt(audience: str, subject: str) -> str:
    claims = {"aud": audience, "iss": "https://accounts.google.com", "sub": subject, "exp": int(time.time()) + 3600}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"])


class Answers:
    """A server whose responses are a function of the path; records the requested paths."""

    def __init__(self, answer: Callable[[str], tuple[str, str]]) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append(self.path)
                kind, body = answer(self.path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@contextmanager
def serving(answer: Callable[[str], tuple[str, str]]) -> Iterator[Answers]:
    answers = Answers(answer)
    thread = threading.Thread(target=answers.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield answers
    finally:
        answers.server.shutdown()
        answers.server.server_close()
        thread.join()


def metadata_answer(path: str, subject: str = ACCOUNT) -> tuple[str, str]:
    audience = parse_qs(urlsplit(path).query).get("audience", [""])[0]
    return "text/html", google_jwt(audience, subject)


@pytest.fixture
def metadata_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    with serving(metadata_answer) as answers:
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", answers.address)
        yield answers


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOST", "TOKEN", "CLIENT_ID", "CLIENT_SECRET", "CONFIG_PROFILE"):
        monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "the-function")


def launches(server: RunningJobsServer, client: Any, times: int) -> None:
    for number in range(times):
        client.jobs.run_now(job_id=server.job_ids["queued"], idempotency_token=f"window-{number}")


@pytest.mark.servers
def test_one_token_exchange_serves_many_calls(
    start_jobs_server: StartJobsServer, metadata_server: Answers, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path, *POLICY)
    client = connect(server.url, AUDIENCE)
    launches(server, client, 12)
    assert server.stats()["token_exchanges"] == 1
    assert server.stats()["logins_refused"] == 0


@pytest.mark.servers
def test_only_an_identity_token_is_requested_from_google_never_an_access_token(
    start_jobs_server: StartJobsServer, metadata_server: Answers, tmp_path: Path
) -> None:
    """The SDK's google-id login would send a cloud-platform token along with every request; this one has none to send."""
    server = start_jobs_server(tmp_path, *POLICY)
    launches(server, connect(server.url, AUDIENCE), 3)
    (asked,) = metadata_server.asked
    assert urlsplit(asked).path.endswith("/instance/service-accounts/default/identity")
    assert parse_qs(urlsplit(asked).query)["audience"] == [AUDIENCE]


@pytest.mark.servers
def test_an_expired_token_is_exchanged_again_with_a_fresh_identity(
    start_jobs_server: StartJobsServer, metadata_server: Answers, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path, *POLICY, "--token-lifetime", "1")
    launches(server, connect(server.url, AUDIENCE), 2)  # the SDK takes a token for expired some seconds before it is
    assert server.stats()["token_exchanges"] >= 2
    assert len(metadata_server.asked) == server.stats()["token_exchanges"]


@pytest.mark.servers
@pytest.mark.parametrize(
    ("audience", "client_id", "said"),
    [
        ("https://another.example", "the-function", "invalid_grant"),
        (AUDIENCE, "another-principal", "invalid_client"),
    ],
)
def test_a_refused_login_names_the_reason(
    start_jobs_server: StartJobsServer,
    metadata_server: Answers,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    audience: str,
    client_id: str,
    said: str,
) -> None:
    server = start_jobs_server(tmp_path, *POLICY)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", client_id)
    with pytest.raises(ValueError, match=said):
        launches(server, connect(server.url, audience), 1)


@pytest.mark.servers
def test_another_service_account_is_refused(
    start_jobs_server: StartJobsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path, *POLICY)
    with serving(lambda path: metadata_answer(path, "100000000000000000000")) as other:
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", other.address)
        with pytest.raises(ValueError, match="invalid_grant"):
            launches(server, connect(server.url, AUDIENCE), 1)


@pytest.mark.servers
def test_without_an_audience_an_oauth_secret_of_the_environment_is_used(
    start_jobs_server: StartJobsServer, metadata_server: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fallback: Secret Manager puts the secret into the environment."""
    server = start_jobs_server(tmp_path, "--client", "the-function:s3cret")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "s3cret")
    launches(server, connect(server.url, None), 3)
    assert metadata_server.asked == []


@pytest.mark.servers
def test_without_an_audience_a_token_of_the_environment_is_used(
    start_jobs_server: StartJobsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path)
    monkeypatch.delenv("DATABRICKS_CLIENT_ID")
    monkeypatch.setenv("DATABRICKS_TOKEN", "local")
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    launches(server, connect(None, None), 1)


def test_a_missing_host_is_named() -> None:
    with pytest.raises(ValueError, match="DATABRICKS_HOST is missing"):
        connect(None, AUDIENCE)


def test_a_missing_client_id_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_CLIENT_ID")
    with (
        serving(lambda path: ("application/json", "{}")) as workspace,
        pytest.raises(ValueError, match="DATABRICKS_CLIENT_ID is"),
    ):
        connect(f"http://{workspace.address}", AUDIENCE)


def test_a_machine_without_a_service_account_gets_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is not the metadata server's; one that is not there at all takes google-auth half a minute."""

    def answer(path: str) -> tuple[str, str]:
        return "text/html", "<html>not a token</html>"

    with serving(lambda path: workspace_answer(path, where)) as workspace, serving(answer) as metadata:
        where = workspace.address
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", metadata.address)
        client = connect(f"http://{workspace.address}", AUDIENCE)
        with pytest.raises(ValueError, match="no identity token for the audience"):
            client.jobs.run_now(job_id=1, idempotency_token="t")


def workspace_answer(path: str, address: str) -> tuple[str, str]:
    host = f"http://{address}"
    if path.startswith("/.well-known"):
        return "application/json", json.dumps({"oidc_endpoint": f"{host}/oidc"})
    if path.startswith("/oidc/.well-known"):
        endpoints = {"authorization_endpoint": f"{host}/oidc/v1/authorize", "token_endpoint": f"{host}/oidc/v1/token"}
        return "application/json", json.dumps(endpoints)
    if path == "/oidc/v1/token":
        return "application/json", json.dumps({"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
    return "application/json", json.dumps({"run_id": 7})


def test_a_token_endpoint_that_hangs_fails_one_call_and_not_the_next_ones(metadata_server: Answers) -> None:
    """The SDK posts there without a timeout; a call that never returns must not hold its lock."""
    release = threading.Event()
    hangs = iter([True])

    def answer(path: str) -> tuple[str, str]:
        if path == "/oidc/v1/token" and next(hangs, False):
            release.wait(30)
        return workspace_answer(path, where)

    with serving(answer) as workspace:
        where = workspace.address
        client = connect(f"http://{where}", AUDIENCE, http_timeout_seconds=1)
        with pytest.raises(TimeoutError, match=r"token exchange at .* no response within 1 s"):
            client.jobs.run_now(job_id=1, idempotency_token="t")
        assert client.jobs.run_now(job_id=1, idempotency_token="t").run_id == 7
        release.set()


def test_a_login_at_a_workspace_that_hangs_times_out() -> None:
    release = threading.Event()

    def answer(path: str) -> tuple[str, str]:
        release.wait(30)
        return "application/json", "{}"

    with serving(answer) as workspace:
        started = time.monotonic()
        with pytest.raises(TimeoutError, match=r"login at .* no response within 1 s"):
            connect(f"http://{workspace.address}", AUDIENCE, retry_seconds=1)
        assert time.monotonic() - started < 5
        release.set()
