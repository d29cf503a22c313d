"""Delta tables as folders: a copy to begin each round from, and what a load wrote."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path


def linked_copy(source: Path, target: Path) -> None:
    """A table that holds the same, at the cost of its log: data files are never changed, so links to them will do."""

    def link_data(name: str, copy: str) -> None:
        if name.endswith(".parquet") and "_delta_log" not in name:
            os.link(name, copy)
        else:
            shutil.copy2(name, copy)

    shutil.copytree(source, target, copy_function=link_data)


def files_in(folder: Path) -> dict[Path, int]:
    """Every file below, with its size in bytes."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def bytes_written(before: dict[Path, int], after: dict[Path, int]) -> int:
    """Bytes of the files that were not there before, logs and checksums included."""
    return sum(size for path, size in after.items() if path not in before)


def data_files_rewritten(table: Path, since: int) -> int:
    """Data files that commits after a version removed for good: not those that only got a new deletion vector."""
    removed: set[str] = set()
    for commit in sorted((table / "_delta_log").glob("*.json")):
        if int(commit.stem) <= since:
            continue
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        removed |= {action["remove"]["path"] for action in actions if "remove" in action}
        removed -= {action["add"]["path"] for action in actions if "add" in action}
    return len(removed)


def latest_version(table: Path) -> int:
    return max(int(commit.stem) for commit in (table / "_delta_log").glob("*.json"))


def live_bytes(table: Path) -> tuple[int, int]:
    """Live data files of a table, read from its log, and their bytes."""
    live: dict[str, int] = {}
    for commit in sorted((table / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        # A file that gets another deletion vector is removed and added in one commit, in either order.
        for action in actions:
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
        live |= {action["add"]["path"]: action["add"]["size"] for action in actions if "add" in action}
    return len(live), sum(live.values())
