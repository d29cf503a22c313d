"""The SDK's own logins work against the server: federation (a Google token for a Databricks token) and OAuth secrets."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.credentials_provider import CredentialsStrategy, oidc_credentials_provider
from databricks.sdk.oidc import IdToken, IdTokenSource

from tests.jobs_fixtures import RunningJobsServer, StartJobsServer

pytestmark = pytest.mark.servers

GOOD = {"aud": "databricks-local", "iss": "https://accounts.google.com", "sub": "1234567890"}
POLICY = (
    *("--federation-audience", GOOD["aud"]),
    *("--federation-issuer", GOOD["iss"]),
    *("--federation-subject", GOOD["sub"]),
    *("--federation-client-id", "the-principal"),
)


def jwt(**claims: Any) -> str:
    parts = ({"alg": "RS256"}, {**GOOD, "exp": time.time() + 600, **claims})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "signature"])


class GoogleIdentity(IdTokenSource):
    """Stands in for the metadata server and counts its requests."""

    def __init__(self, **claims: Any) -> None:
        self.claims = claims
        self.requests = 0

    def id_token(self) -> IdToken:
        self.requests += 1
        return IdToken(jwt=jwt(**self.claims))


class Federation(CredentialsStrategy):
    def __init__(self, source: IdTokenSource) -> None:
        self.source = source

    def auth_type(self) -> str:
        return "federation"

    def __call__(self, cfg: Config) -> Any:
        return oidc_credentials_provider(cfg, self.source)


def federated(server: RunningJobsServer, client_id: str = "the-principal", **claims: Any) -> WorkspaceClient:
    strategy = Federation(GoogleIdentity(**claims))
    return WorkspaceClient(
        config=Config(host=server.url, client_id=client_id, credentials_strategy=strategy, retry_timeout_seconds=5)
    )


def test_one_exchange_serves_many_calls(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path, *POLICY)
    client = federated(server)
    for _ in range(10):
        assert len(list(client.jobs.list())) == len(server.job_ids)
    run_id = client.jobs.run_now(job_id=server.job_ids["queued"]).run_id
    assert run_id
    server.wait_state(run_id, "SUCCESS")
    stats = server.stats()
    assert stats["token_exchanges"] == 1
    assert stats["logins_refused"] == 0


def test_an_expired_token_is_exchanged_again(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path, *POLICY, "--token-lifetime", "1")
    client = federated(server)
    list(client.jobs.list())
    list(client.jobs.list())
    assert server.stats()["token_exchanges"] >= 2


def test_an_issued_token_survives_a_restart(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path, *POLICY)
    token = federated(server).config.oauth_token().access_token
    server.process.kill()
    again = start_jobs_server(tmp_path, *POLICY)
    assert list(again.client(token=token).jobs.list())


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"aud": "another-service"}, "audience"),
        ({"iss": "https://evil"}, "iss"),
        ({"sub": "another"}, "sub"),
        ({"exp": 1}, "expired"),
        ({"client_id": "no-such-principal"}, "invalid_client"),
    ],
)
def test_a_token_that_does_not_match_the_policy_is_refused(
    start_jobs_server: StartJobsServer, tmp_path: Path, claims: dict[str, Any], message: str
) -> None:
    server = start_jobs_server(tmp_path, *POLICY)
    with pytest.raises(ValueError, match=message):
        list(federated(server, **claims).jobs.list())
    assert server.stats()["token_exchanges"] == 0


def test_an_oauth_secret_logs_in_and_a_wrong_one_does_not(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path, "--client", "principal:s3cret")

    def client(secret: str) -> WorkspaceClient:
        return WorkspaceClient(
            config=Config(
                host=server.url,
                client_id="principal",
                client_secret=secret,
                auth_type="oauth-m2m",
                retry_timeout_seconds=5,
            )
        )

    good = client("s3cret")
    for _ in range(3):
        assert list(good.jobs.list())
    assert server.stats()["client_credentials"] == 1
    with pytest.raises(ValueError, match="invalid_client"):
        list(client("guess").jobs.list())
