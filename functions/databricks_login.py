"""Login to Databricks without a key: exchanges the function's Google identity token for a Databricks token.

A service principal's federation policy (infra/gcp/foundation/databricks_login.tf) names the issuer, the audience and
the function's service account, so no secret is stored anywhere. Without an audience, the SDK's unified authentication
reads the environment: DATABRICKS_CLIENT_SECRET from Secret Manager, or a token on a laptop. The SDK's google-id login
is avoided on purpose, because it sends a cloud-platform token with every request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config
    from databricks.sdk.credentials_provider import CredentialsStrategy

RETRY_SECONDS = 60
"""How long the SDK retries one call. Its default, 300 s, would use up most of the function's timeout."""
HTTP_TIMEOUT_SECONDS = 30
METADATA_TIMEOUT_SECONDS = 10

T = TypeVar("T")


def connect(
    host: str | None,
    federation_audience: str | None,
    *,
    retry_seconds: int = RETRY_SECONDS,
    http_timeout_seconds: int = HTTP_TIMEOUT_SECONDS,
) -> WorkspaceClient:
    """A logged-in client. Reuse it: its token serves many calls and is renewed when it expires.

    Raises ValueError if the login isn't configured or is refused, TimeoutError if a server doesn't respond in time.
    """
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    if federation_audience and not host:
        raise ValueError("The setting DATABRICKS_HOST is missing; set it to the address of the workspace.")

    def build() -> WorkspaceClient:
        config = Config(
            host=host,
            retry_timeout_seconds=retry_seconds,
            http_timeout_seconds=http_timeout_seconds,
            # Cloud Run freezes the instance between requests, and with it a refresh in the background.
            disable_async_token_refresh=True,
            product="order-tracking",
            product_version="1.0.0",
            credentials_strategy=_federation(federation_audience, http_timeout_seconds) if federation_audience else None,
        )
        return WorkspaceClient(config=config)

    # The SDK retries the discovery of the login's endpoints for 300 s, and no setting changes that.
    return _within(retry_seconds, f"login at {host}", build)


def _federation(audience: str, timeout_seconds: int) -> CredentialsStrategy:
    """The SDK's OIDC token exchange with the function's identity token, in the form of an SDK credentials strategy."""
    from databricks.sdk import oidc
    from databricks.sdk.credentials_provider import OAuthCredentialsProvider, oauth_credentials_strategy

    class GoogleIdTokenSource(oidc.IdTokenSource):
        def id_token(self) -> oidc.IdToken:
            return oidc.IdToken(jwt=google_identity_token(audience))

    class BoundedExchange(oidc.DatabricksOidcTokenSource):
        def refresh(self) -> Any:
            # The SDK posts to the token endpoint without a timeout.
            return _within(timeout_seconds, f"token exchange at {self._host}", super().refresh)

    @oauth_credentials_strategy("google-identity-federation", ["host"])
    def strategy(config: Config) -> OAuthCredentialsProvider:
        if not config.client_id:
            raise ValueError(
                "The setting DATABRICKS_CLIENT_ID is missing; set it to the application id of the service principal"
                " whose federation policy names this function."
            )
        endpoints = config.databricks_oidc_endpoints
        if endpoints is None:
            raise ValueError(f"{config.host} doesn't publish a token endpoint")
        exchange = BoundedExchange(
            host=config.host,
            token_endpoint=endpoints.token_endpoint,
            id_token_source=GoogleIdTokenSource(),
            client_id=config.client_id,
            disable_async=True,
            scopes=config.get_scopes_as_string(),
        )

        def headers() -> dict[str, str]:
            token = exchange.token()
            return {"Authorization": f"{token.token_type} {token.access_token}"}

        return OAuthCredentialsProvider(headers, exchange.token)

    return strategy


def google_identity_token(audience: str) -> str:
    """A JWT from Google that identifies this service account, valid for ``audience`` only. Raises ValueError."""
    import google.auth.transport.requests
    from google.auth.compute_engine import IDTokenCredentials
    from google.auth.exceptions import GoogleAuthError

    session_request = google.auth.transport.requests.Request()

    def request(*args: Any, **kwargs: Any) -> Any:
        return session_request(*args, **{"timeout": METADATA_TIMEOUT_SECONDS, **kwargs})

    try:
        # Passing a request here would first fetch the account's email address, which isn't needed.
        credentials = IDTokenCredentials(None, target_audience=audience, use_metadata_identity_endpoint=True)
        credentials.refresh(request)
    except (GoogleAuthError, ValueError) as error:
        raise ValueError(
            f"Google issued no identity token for the audience {audience} ({error});"
            " federation requires running as a service account, as a Cloud Function does."
        ) from error
    return str(credentials.token)


def _within(seconds: float, what: str, call: Callable[[], T]) -> T:
    """The result of ``call()``. Raises TimeoutError after ``seconds``. A call that never returns costs one idle thread."""
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            answer.set_exception(error)

    threading.Thread(target=work, name=what, daemon=True).start()
    if not wait([answer], seconds).done:
        raise TimeoutError(f"{what}: no response within {seconds:g} s")
    return answer.result()
