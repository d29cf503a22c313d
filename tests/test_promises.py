"""tests/README.md lists what covers each promise: a test that is renamed or deleted must not stay listed."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent


def test_every_test_that_covers_a_promise_exists() -> None:
    named = re.findall(r"([\w/]+\.py)::(\w+)", (TESTS / "README.md").read_text())

    assert len(named) > 50
    assert [f"{path}::{name}" for path, name in named if f"def {name}(" not in (TESTS / path).read_text()] == []
