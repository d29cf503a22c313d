"""Keeps other web pages from using the console: it can upload files, and a browser would send anyone's requests to it."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Protection:
    """Answers 403 to requests for other hosts (a foreign name that resolves to this machine) and from other origins."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refused := refusal(scope["method"], Headers(scope=scope), self._hosts):
            await PlainTextResponse(f"{refused}\n", 403)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)


def refusal(method: str, headers: Headers, hosts: Collection[str]) -> str:
    """Why a request is refused, as one sentence; empty if it isn't. ``hosts``: the console's own, with its port."""
    host = headers.get("host", "")
    if host.lower() not in hosts:
        return f"this console answers at {min(hosts)} only, not for the host {host!r}"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return f"this console refuses requests from other pages (origin {origin!r})"
    # Browsers send no Origin with some requests, but always say how a request relates to the page that made it.
    follows_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not follows_link:
        return "this console refuses requests from other pages"
    return ""
