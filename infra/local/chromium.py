"""Where Chromium is. `python -m infra.local.chromium` installs it from the system's packages if it may.

Standard library only. The tests of pages and `make screenshots` drive it with Playwright, which downloads nothing.
"""

import os
import shutil
import sys
from pathlib import Path

from infra.local.installer import run_quietly
from infra.local.setup import rights_for, say

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
INSTALLERS = {
    "apt-get": ("apt-get update -q", "apt-get install -y -q --no-install-recommends chromium"),
    "dnf": ("dnf install -y -q chromium",),
    "brew": ("brew install --quiet --cask google-chrome",),
}
NONE = "no Chromium or Chrome is installed; `python -m infra.local.chromium` installs it where it may"


def find_chromium() -> str | None:
    """The path of Chromium's or Chrome's program."""
    found = next(filter(None, map(shutil.which, COMMANDS)), None)
    return found or (str(_MAC) if _MAC.exists() else None)


def main() -> None:
    """Exit status 1 if there is none in the end: the tests that need it are skipped then."""
    manager = next((name for name in INSTALLERS if shutil.which(name)), None)
    if not find_chromium() and manager and (rights := rights_for(manager)) is not None:
        say(f"Chromium is missing; installing it with {manager}")
        for command in INSTALLERS[manager]:
            run_quietly([*rights, *command.split()], os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    if not find_chromium():
        sys.exit(f"warning: {NONE}")


if __name__ == "__main__":
    main()
