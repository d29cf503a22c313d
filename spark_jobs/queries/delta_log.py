"""A Delta table's log in a local folder: the table's commits, and the files of its change feed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

_COMMIT = re.compile(r"\d{20}\.json")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ChangesUnknown(Exception):
    """The change feed of this table can't be read; the message says why."""


@dataclass(frozen=True)
class Commit:
    """``at``: aware, in milliseconds, as Spark gives it: when the commit's file was written."""

    version: int
    at: datetime
    path: Path


@dataclass(frozen=True)
class ChangeFile:
    """A Parquet file with the rows that one commit updated (before and after), deleted and inserted."""

    commit: Commit
    path: Path


def commits(table: Path) -> list[Commit]:
    """The commits whose files are still there, oldest first; none if this is no table.

    Tables with in-commit timestamps, which no local table has, would have other times.
    """
    found: list[Commit] = []
    for path in sorted(path for path in (table / "_delta_log").glob("*.json") if _COMMIT.fullmatch(path.name)):
        at = _EPOCH + timedelta(milliseconds=path.stat().st_mtime_ns // 1_000_000)
        if found:  # times grow, as in Spark
            at = max(at, found[-1].at + timedelta(milliseconds=1))
        found.append(Commit(int(path.stem), at, path))
    return found


def change_files(table: Path, since: list[Commit]) -> Iterator[ChangeFile]:
    """The change files of these commits. A commit that only inserts or only deletes whole files has none.

    Raises ChangesUnknown.
    """
    for commit in since:
        for line in commit.path.read_text("utf-8").splitlines():
            if not line.startswith('{"cdc"'):
                continue
            file = json.loads(line)["cdc"]
            if file["partitionValues"]:
                raise ChangesUnknown(f"table_changes can't read {table.name} here: the table is partitioned")
            yield ChangeFile(commit, table / unquote(file["path"]))
