"""The console's addresses."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from functions.handler import handle_upload
from tests.fakes.dependencies import BAD_HEADER, GOOD, HEADER, NAME
from tests.infra.local.console.conftest import HOSTILE, RunningConsole

BASE = NAME.removeprefix("source/")


def test_hostile_names_are_text_and_lead_to_their_file(console: RunningConsole) -> None:
    stored = console.fake.store.upload(HOSTILE, GOOD)
    handle_upload(stored.file, console.fake.deps)
    (rejected,) = [name for name in console.fake.store.names("rejected/") if not name.endswith(".report.json")]
    for address in ("/", "/live", f"/files/{quote(rejected, safe='')}"):
        answer = console.client.get(address)
        assert answer.status_code == 200
        assert "<img src=x" not in answer.text
        assert escape(rejected) in answer.text
    assert f'href="/files/{quote(rejected, safe="")}"' in console.client.get("/live").text


def test_a_file_is_checked_as_the_function_would_without_being_uploaded(console: RunningConsole) -> None:
    good = console.client.post("/check", params={"name": BASE}, content=GOOD).json()
    assert (good["verdict"], good["rows"], good["violations"]) == ("accepted", 1, [])
    bad = console.client.post("/check", params={"name": BASE}, content=BAD_HEADER).json()
    assert (bad["verdict"], bad["violations"][0]["code"]) == ("rejected", "missing_column")
    wrong_name = console.client.post("/check", params={"name": "x.csv"}, content=GOOD).json()
    assert wrong_name["violations"][0]["code"] == "file_name"
    assert console.fake.store.names() == []


def test_a_file_is_uploaded_below_source(console: RunningConsole) -> None:
    answer = console.client.post("/upload", params={"name": BASE}, content=HEADER)
    assert answer.json()["name"] == NAME
    assert console.fake.store.content(NAME) == HEADER
    assert console.client.get(f"/files/{quote(answer.json()['file'], safe='')}").status_code == 200


def test_mistakes_get_one_sentence(console: RunningConsole) -> None:
    assert console.client.post("/upload", content=GOOD).json()["error"].startswith("name the file")
    missing = console.client.get("/files/nothing.csv")
    assert missing.status_code == 404
    assert "is not in bucket" in missing.text


def test_pages_of_other_origins_can_not_upload(console: RunningConsole) -> None:
    answer = console.client.post("/upload", params={"name": BASE}, content=GOOD, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert console.client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert console.fake.store.names() == []


def test_no_page_may_be_framed_or_cached(console: RunningConsole) -> None:
    headers = console.client.get("/").headers
    assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")
