"""python -m infra.contracts: writes everything that is generated from the declared feeds (`make contracts`).

- docs/contracts/FEED.md, the page for senders, and docs/contracts/FEED.odcs.yaml for each feed
- infra/gcp/changes/FEED.schema.json, the messages of its changes
- the tables between the marks "<!-- generated: NAME -->" and "<!-- /generated -->" in README.md and docs/contract.md
"""

from __future__ import annotations

import re
from pathlib import Path

from infra.contracts import overview
from infra.contracts.change_schema import change_schema_text
from infra.contracts.odcs import odcs_text
from infra.contracts.page import page
from spark_jobs.contract.feeds import FEEDS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("docs/contracts")
SCHEMAS = Path("infra/gcp/changes")


class MarksError(ValueError):
    """A page lacks the marks between which a table belongs."""


def documents(root: Path = ROOT) -> dict[Path, str]:
    """What the generated files must contain, by their path below ``root``."""
    found: dict[Path, str] = {}
    for feed in FEEDS.values():
        found[FOLDER / f"{feed.name}.md"] = page(feed)
        found[FOLDER / f"{feed.name}.odcs.yaml"] = odcs_text(feed)
        found[SCHEMAS / f"{feed.name}.schema.json"] = change_schema_text(feed)
    feeds = FEEDS.values()
    tables = {
        Path("README.md"): {"feeds": overview.feeds_table(feeds, "docs/contracts/")},
        Path("docs/contract.md"): {
            "feeds": overview.feeds_table(feeds, "contracts/"),
            "codes": overview.codes_table(),
        },
    }
    for path, parts in tables.items():
        text = (root / path).read_text()
        for name, table in parts.items():
            text = _replaced(text, path, name, table)
        found[path] = text
    return found


def stale(root: Path = ROOT) -> list[Path]:
    """Files of feeds that aren't declared anymore."""
    there = {path.relative_to(root) for folder in (FOLDER, SCHEMAS) for path in (root / folder).glob("*")}
    return sorted(there - documents(root).keys())


def _replaced(text: str, path: Path, name: str, table: str) -> str:
    start, end = f"<!-- generated: {name} -->\n", "\n<!-- /generated -->"
    between = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if not between.search(text):
        raise MarksError(f"{path} has no lines {start.strip()} and {end.strip()}; put them where the table belongs")
    return between.sub(lambda _: start + table + end, text)


def write(root: Path = ROOT) -> list[Path]:
    """Write what differs. Returns the paths that changed."""
    changed = []
    for path, text in documents(root).items():
        target = root / path
        if not target.exists() or target.read_text() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            changed.append(path)
    for path in stale(root):
        (root / path).unlink()
        changed.append(path)
    return changed


if __name__ == "__main__":
    written = write()
    print("\n".join(map(str, written)) or "everything is current")
