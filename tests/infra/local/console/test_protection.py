"""Which requests the console refuses: a page of another origin must not be able to read or upload anything."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from infra.local.console.protection import refusal

HOSTS = {"127.0.0.1:9004", "localhost:9004"}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"host": "127.0.0.1:9004"}),
        ("GET", {"host": "LOCALHOST:9004", "sec-fetch-site": "none"}),
        ("POST", {"host": "localhost:9004", "origin": "http://localhost:9004", "sec-fetch-site": "same-origin"}),
        ("POST", {"host": "127.0.0.1:9004"}),  # curl
        # A link to the console, for example from the page of a run at the jobs server.
        ("GET", {"host": "127.0.0.1:9004", "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}),
    ],
)
def test_requests_of_its_own_pages_and_of_command_lines_are_answered(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, Headers(headers), HOSTS) == ""


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("GET", {"host": "evil.example:9004"}),  # a name that resolves to this machine
        ("GET", {"host": "127.0.0.1:9001"}),
        ("GET", {"host": "127.0.0.1:9004.evil.example"}),
        ("POST", {"host": "127.0.0.1:9004", "origin": "http://evil.example"}),
        ("POST", {"host": "127.0.0.1:9004", "origin": "http://127.0.0.1:9001"}),
        ("POST", {"host": "127.0.0.1:9004", "origin": "http://localhost:9004"}),
        ("POST", {"host": "127.0.0.1:9004", "origin": "null"}),
        ("POST", {"host": "127.0.0.1:9004", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
        ("GET", {"host": "127.0.0.1:9004", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}),
    ],
)
def test_requests_for_other_hosts_and_from_other_pages_are_refused(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, Headers(headers), HOSTS)
