"""Real headless Chromium for tests of pages (a pytest plugin). Without one, they are skipped and say so.

`open_page(address_or_file, **options)` opens a page in a window of its own, with Playwright's options for a context such as
``color_scheme`` and ``viewport``. `Opened.problems` lists what a page must not do: errors and warnings in the console,
uncaught exceptions, requests to anywhere else than where it came from. The test fails if there are any in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from infra.local.chromium import NONE, find_chromium


@dataclass
class Opened:
    page: Page
    problems: list[str] = field(default_factory=list)


OpenPage = Callable[..., Opened]


# Not for the whole session: Playwright's event loop runs in this thread as long as it is started.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip(NONE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    opened: list[Opened] = []

    def open_one(place: str | Path, **options: Any) -> Opened:
        address = place.resolve().as_uri() if isinstance(place, Path) else place
        page = browser.new_context(**options).new_page()
        one = Opened(page)
        opened.append(one)

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                one.problems.append(f"console: {message.text}")

        def requested(request: Request) -> None:
            if urlsplit(request.url)[:2] != urlsplit(address)[:2] and not request.url.startswith(("data:", "blob:")):
                one.problems.append(f"request: {request.url}")

        page.on("console", said)
        page.on("request", requested)
        page.on("pageerror", lambda error: one.problems.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: (one.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(address)
        return one

    yield open_one
    for one in opened:
        one.page.context.close()
    assert [problem for one in opened for problem in one.problems] == []
