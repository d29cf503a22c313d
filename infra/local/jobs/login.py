"""Authentication: bearer tokens, and the discovery and token endpoints that the SDK's logins use.

Three logins are accepted: a token from the command line, OAuth client credentials, and token federation. Federation
validates the issuer, audience and subject of the subject token (a JWT, for example from Google) like a service
principal's federation policy. It does not verify the signature, because that would need the issuer's keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from infra.local.jobs.answers import ApiError
from infra.local.jobs.store import Store

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True)
class LoginRules:
    """Accepted logins. Empty `audiences`: no federation policy. Other empty fields are not checked."""

    tokens: tuple[str, ...] = ("local",)
    clients: tuple[tuple[str, str], ...] = ()
    audiences: tuple[str, ...] = ()
    issuer: str = ""
    subject: str = ""
    client_id: str = ""
    lifetime_seconds: int = 3600


class LoginRefused(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class Login:
    def __init__(self, rules: LoginRules, store: Store) -> None:
        self._rules = rules
        self._store = store
        self.counts: Counter[str] = Counter()

    def require(self, request: Request) -> None:
        """Raise a 401, as the platform does, unless the request has a valid token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            self.counts["requests_without_login"] += 1
            raise ApiError(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.")
        known = any(secrets.compare_digest(token.encode(), good.encode()) for good in self._rules.tokens)
        if not known and self._store.login_subject(token) is None:
            self.counts["requests_with_bad_login"] += 1
            raise ApiError(401, "UNAUTHENTICATED", "Invalid access token, or it has expired.")

    def exchange(self, form: dict[str, str], basic: tuple[str, str]) -> dict[str, Any]:
        """The response of the token endpoint. Raises LoginRefused."""
        kind = form.get("grant_type", "")
        if kind == "client_credentials":
            subject = self._client(form, basic)
        elif kind == EXCHANGE:
            subject = self._federated(form)
        else:
            raise LoginRefused("unsupported_grant_type", f"grant_type {kind!r} is not supported")
        self.counts["client_credentials" if kind == "client_credentials" else "token_exchange"] += 1
        token, expires_in = f"local-{secrets.token_urlsafe(24)}", self._rules.lifetime_seconds
        self._store.add_login(token, subject, int(time.time()) + expires_in)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": expires_in,
            "scope": form.get("scope", "all-apis"),
        }

    def _client(self, form: dict[str, str], basic: tuple[str, str]) -> str:
        client = (form.get("client_id") or basic[0], form.get("client_secret") or basic[1])
        if client not in self._rules.clients:
            raise LoginRefused("invalid_client", "Client authentication failed", 401)
        return client[0]

    def _federated(self, form: dict[str, str]) -> str:
        rules = self._rules
        if not rules.audiences:
            raise LoginRefused("invalid_request", "No federation policy: start the server with --federation-audience")
        if rules.client_id and form.get("client_id") != rules.client_id:
            raise LoginRefused("invalid_client", "No service principal with this client_id has a policy", 401)
        claims = _claims(form.get("subject_token", ""))
        audience = claims.get("aud", [])
        if not set(audience if isinstance(audience, list) else [audience]) & set(rules.audiences):
            raise LoginRefused("invalid_grant", f"The token's audience {audience!r} is in no federation policy")
        for name, wanted in (("iss", rules.issuer), ("sub", rules.subject)):
            if wanted and claims.get(name) != wanted:
                raise LoginRefused("invalid_grant", f"The token's {name} {claims.get(name)!r} is in no federation policy")
        if float(claims.get("exp", 0)) < time.time():
            raise LoginRefused("invalid_grant", "The token has expired")
        return str(claims.get("sub", "unknown"))


def _claims(token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        claims = None
    if not isinstance(claims, dict):
        raise LoginRefused("invalid_request", "subject_token is not a JWT")
    return claims


def login_routes(login: Login, workspace_id: str, audiences: tuple[str, ...]) -> list[BaseRoute]:
    async def host_metadata(request: Request) -> Response:
        answer: dict[str, Any] = {"oidc_endpoint": f"{_host(request)}/oidc", "workspace_id": workspace_id}
        if audiences:
            answer["token_federation_default_oidc_audiences"] = list(audiences)
        return JSONResponse(answer)

    async def discovery(request: Request) -> Response:
        oidc = f"{_host(request)}/oidc"
        return JSONResponse(
            {
                "issuer": oidc,
                "authorization_endpoint": f"{oidc}/v1/authorize",
                "token_endpoint": f"{oidc}/v1/token",
                "grant_types_supported": ["client_credentials", EXCHANGE],
            }
        )

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        try:
            return JSONResponse(login.exchange(form, _basic(request)))
        except LoginRefused as refused:
            login.counts["refused"] += 1
            return JSONResponse({"error": refused.error, "error_description": refused.description}, refused.status)

    return [
        Route("/.well-known/databricks-config", host_metadata),
        Route("/oidc/.well-known/oauth-authorization-server", discovery),
        Route("/oidc/.well-known/openid-configuration", discovery),
        Route("/oidc/v1/token", token, methods=["POST"]),
    ]


def _host(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password
