"""Login to Databricks without a key: the function's own Google identity token is exchanged for a Databricks one.

A service principal's federation policy (infra/gcp/foundation/databricks_login.tf) names the issuer, the audience and
the function's service account; nothing secret is stored anywhere. Without an audience the SDK's unified
authentication reads the environment: DATABRICKS_CLIENT_SECRET from Secret Manager, or a token on a laptop.
The SDK's google-id login is avoided on purpose: it attaches a cloud-platform token to every request.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config
    from databricks.sdk.credentials_provider import CredentialsStrategy

PATIENCE_SECONDS = 60
"""How long the SDK repeats one call. Its own default, 300 s, is most of a function's life."""
HTTP_TIMEOUT_SECONDS = 30
METADATA_TIMEOUT_SECONDS = 10

T = TypeVar("T")


def connect(
    host: str | None,
    federation_audience: str | None,
    *,
    patience_seconds: int = PATIENCE_SECONDS,
    http_timeout_seconds: int = HTTP_TIMEOUT_SECONDS,
) -> WorkspaceClient:
    """A logged-in client; keep it, its token serves many calls and is renewed when it has expired.

    Raises ValueError where the login is not configured or not granted, TimeoutError where nobody answers in time.
    """
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    if federation_audience and not host:
        raise ValueError("The setting DATABRICKS_HOST is missing; set it to the address of the workspace.")

    def build() -> WorkspaceClient:
        config = Config(
            host=host,
            retry_timeout_seconds=patience_seconds,
            http_timeout_seconds=http_timeout_seconds,
            # A refresh in the background would be frozen with the instance, between two requests.
            disable_async_token_refresh=True,
            product="order-tracking",
            product_version="1.0.0",
            credentials_strategy=_federation(federation_audience, http_timeout_seconds) if federation_audience else None,
        )
        return WorkspaceClient(config=config)

    # Discovery of the login's endpoints has the SDK's own patience of 300 s, which no setting reaches.
    return _within(patience_seconds, f"login at {host}", build)


def _federation(audience: str, timeout_seconds: int) -> CredentialsStrategy:
    """The SDK's OIDC token exchange over the function's identity token, as the SDK wants a strategy to look."""
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
            raise ValueError(f"{config.host} doesn't say where its token endpoint is")
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
    """A JWT in which Google states which service account this is, made for ``audience`` only. Raises ValueError."""
    import google.auth.transport.requests
    from google.auth.compute_engine import IDTokenCredentials
    from google.auth.exceptions import GoogleAuthError

    session_request = google.auth.transport.requests.Request()

    def request(*args: Any, **kwargs: Any) -> Any:
        return session_request(*args, **{"timeout": METADATA_TIMEOUT_SECONDS, **kwargs})

    try:
        # Without a request: with one it asks for the account's address first, for which there is no use here.
        credentials = IDTokenCredentials(None, target_audience=audience, use_metadata_identity_endpoint=True)
        credentials.refresh(request)
    except (GoogleAuthError, ValueError) as error:
        raise ValueError(
            f"Google gives no identity token for the audience {audience} ({error});"
            " federation works where the code runs as a service account, as a Cloud Function does."
        ) from error
    return str(credentials.token)


def _within(seconds: float, what: str, call: Callable[[], T]) -> T:
    """``call()``, given up after ``seconds`` with a TimeoutError. A call that never returns costs one idle thread."""
    answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, in its own thread
            answers.put((None, error))

    threading.Thread(target=work, name=what, daemon=True).start()
    try:
        result, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{what}: no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
