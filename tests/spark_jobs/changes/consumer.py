"""The subscriber of docs/live.md, as a consumer of fake messages."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from spark_jobs.contract.changes import Message

PAGE = Path(__file__).parents[3] / "docs" / "live.md"


def subscriber() -> str:
    """Its source code."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found.group(1)


class Consumer:
    """Executes the page's code, with its database in memory."""

    def __init__(self) -> None:
        with mock.patch.object(sys, "argv", ["subscriber.py", "", ":memory:"]):
            self._module: dict[str, Any] = {"__name__": "subscriber"}
            exec(compile(subscriber(), str(PAGE), "exec"), self._module)

    def receive(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._module["keep"](SimpleNamespace(data=message.data, ack=lambda: None))

    def rows(self, feed: str) -> dict[str, dict[str, Any]]:
        return copy_of(self._module["db"], feed)


def copy_of(database: sqlite3.Connection, feed: str) -> dict[str, dict[str, Any]]:
    """A subscriber's copy of a feed's target, by the key as JSON."""
    found = database.execute("SELECT key, content FROM current WHERE feed = ?", (feed,))
    return {key: json.loads(content) for key, content in found}
