"""`python -m infra.screenshots`, `make screenshots`: pictures of the demo's report for README and docs/observability.md.

They need `make demo` first, and Chromium. Pictures of pages that a running stack serves belong here, too.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from infra.local.chromium import NONE, find_chromium

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / ".data" / "demo" / "report.html"
IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 200_000
COLORS = 128
"""Of a picture. Pages have few, so that nobody sees the difference, and the file is a quarter as large."""


@dataclass(frozen=True)
class Picture:
    """``of``: what to show, as a CSS selector; empty means the window from its top. ``options``: Playwright's, for a
    context."""

    name: str
    of: str = ""
    options: dict[str, Any] = field(default_factory=dict)


WIDE = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
PICTURES = (
    Picture("report", options=WIDE),
    Picture("report-dark", options=WIDE | {"color_scheme": "dark"}),
    Picture("report-pipeline", "#order_tracking-pipeline", WIDE),
    Picture("report-phone", options=PHONE),
)


class NoPicture(Exception):
    """The message says what to do."""


def main() -> None:
    try:
        write_all(REPORT, IMAGES)
    except NoPicture as error:
        sys.exit(f"error: {error}")


def write_all(report: Path, folder: Path) -> None:
    """Raises NoPicture."""
    program = find_chromium()
    if program is None:
        raise NoPicture(NONE)
    if not report.exists():
        raise NoPicture(f"{report} is missing: run `make demo` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        for picture in PICTURES:
            file = folder / f"{picture.name}.png"
            save(take(browser, report.as_uri(), picture), file)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
        browser.close()


def take(browser: Browser, address: str, picture: Picture) -> bytes:
    """As PNG, once all charts are drawn."""
    context = browser.new_context(**picture.options)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-drawn]")
    shot = page.locator(picture.of).screenshot() if picture.of else page.screenshot()
    context.close()
    return shot


def save(shot: bytes, file: Path) -> None:
    """With fewer colors. Raises NoPicture if the file is too large even so."""
    image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, optimize=True)
    if file.stat().st_size > MAX_BYTES:
        raise NoPicture(f"{file} has {file.stat().st_size:,} bytes, more than {MAX_BYTES:,}: show less")


if __name__ == "__main__":
    main()
