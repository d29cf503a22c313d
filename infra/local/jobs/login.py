"""Authentication: bearer tokens, and the discovery and token endpoints that the SDK's logins use.

Three logins are accepted: a token from the command line, OAuth client credentials, and token federation. Federation
validates the issuer, audience and subject of the subject token (a JWT, for example from Google) like a service
principal's federation policy. It does not verify the signature, because that would need the issuer's keys.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.jobs.answers import ApiError
from infra.local.jobs.store import Store

USER = "developer@localhost"
"""Who everybody is here, whatever their token."""

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True)
class LoginRules:
    """Accepted logins. `clients` are OAuth clients as ID:SECRET. An empty audience means that there is no federation."""

    tokens: tuple[str, ...]
    clients: tuple[str, ...]
    audience: str
    issuer: str
    subject: str
    client_id: str
    lifetime_seconds: int


class LoginRefused(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description}
        self.status = status


class Login:
    def __init__(self, rules: LoginRules, store: Store) -> None:
        self._rules = rules
        self._store = store
        self.counts = {"client_credentials": 0, "token_exchanges": 0, "logins_refused": 0}

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/.well-known/databricks-config", self._host_metadata),
            Route("/oidc/.well-known/oauth-authorization-server", self._discovery),
            Route("/oidc/v1/token", self._token, methods=["POST"]),
        ]

    def require(self, request: Request) -> None:
        """Raise a 401, as the platform does, unless the request has a valid token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.")
        if token not in self._rules.tokens and not self._store.has_login(token):
            raise ApiError(401, "UNAUTHENTICATED", "Invalid access token, or it has expired.")

    async def _host_metadata(self, request: Request) -> Response:
        return JSONResponse({"oidc_endpoint": f"{request.base_url}oidc"})

    async def _discovery(self, request: Request) -> Response:
        oidc = f"{request.base_url}oidc"
        return JSONResponse({"issuer": oidc, "token_endpoint": f"{oidc}/v1/token"})

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        try:
            self._check_grant(request, form)
        except LoginRefused as refused:
            self.counts["logins_refused"] += 1
            return JSONResponse(refused.body, refused.status)
        token, seconds = f"local-{secrets.token_urlsafe(24)}", self._rules.lifetime_seconds
        self._store.add_login(token, int(time.time()) + seconds)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": "all-apis"})

    def _check_grant(self, request: Request, form: dict[str, str]) -> None:
        kind = form.get("grant_type")
        if kind == "client_credentials":
            self._check_client(request, form)
            self.counts["client_credentials"] += 1
        elif kind == EXCHANGE:
            self._check_federated(form)
            self.counts["token_exchanges"] += 1
        else:
            raise LoginRefused("unsupported_grant_type", f"grant_type {kind!r} is not supported")

    def _check_client(self, request: Request, form: dict[str, str]) -> None:
        """The SDK sends id and secret in the header; in the form, they are as good."""
        client = f"{form.get('client_id')}:{form.get('client_secret')}"
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            client = _decoded(value)
        if client not in self._rules.clients:
            raise LoginRefused("invalid_client", "Client authentication failed", 401)

    def _check_federated(self, form: dict[str, str]) -> None:
        rules = self._rules
        if not rules.audience:
            raise LoginRefused("invalid_request", "No federation policy: start the server with --federation-audience")
        if form.get("client_id") != rules.client_id:
            raise LoginRefused("invalid_client", "No service principal with this client_id has a policy", 401)
        try:
            claims = json.loads(_decoded(form["subject_token"].split(".")[1]))
            expires = float(claims["exp"])
        except (KeyError, IndexError, TypeError, ValueError):
            raise LoginRefused("invalid_request", "subject_token is not a JWT with an expiry") from None
        policy = (("aud", "audience", rules.audience), ("iss", "issuer", rules.issuer), ("sub", "subject", rules.subject))
        for claim, name, wanted in policy:
            if claims.get(claim) != wanted:
                raise LoginRefused("invalid_grant", f"The token's {name} {claims.get(claim)!r} is in no federation policy")
        if expires < time.time():
            raise LoginRefused("invalid_grant", "The token has expired")


def _decoded(text: str) -> str:
    """The text of a base64 or base64url encoding, with or without padding. Empty if it is none."""
    try:
        return base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "==").decode()
    except ValueError:
        return ""
