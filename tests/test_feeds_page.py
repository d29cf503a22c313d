"""docs/feeds.md can be followed word for word: its declaration, its registry line, its test and its added column work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from infra.contracts.__main__ import documents
from spark_jobs.contract import column_types, feeds, record_lists
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.store.tables import Tables

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "feeds.md").read_text()
DECLARATION, REGISTRY, TEST, ADDED = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "docs/feeds.md", "exec"), names)
    return names


@pytest.fixture
def returns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    feed = run(DECLARATION)["RETURNS"]
    monkeypatch.setitem(FEEDS, feed.name, feed)
    yield feed


def test_the_registry_takes_the_new_feed(returns: Feed) -> None:
    names = {**vars(feeds), "RETURNS": returns}
    exec(REGISTRY, names)
    assert names["FEEDS"][returns.name] is returns
    assert any(line.startswith("FEEDS = registry(") for line in Path(feeds.__file__).read_text().splitlines())


def test_the_test_passes(returns: Feed) -> None:
    tests = run(TEST)
    (mark,) = tests["test_rows"].pytestmark
    for row, code in mark.args[1]:
        tests["test_rows"](row, code)
    assert tests["HEADER"].strip().split(",") == list(returns.column_names)


def test_the_named_files_are_generated(returns: Feed) -> None:
    made = {str(path) for path in documents()}
    for path in ("docs/contracts/returns.md", "docs/contracts/returns.odcs.yaml"):
        assert path in PAGE
        assert path in made


def test_the_added_column_can_be_declared(returns: Feed) -> None:
    version, column, newest_by = (part.strip() for part in ADDED.split("…"))
    code = DECLARATION.replace("    title=", f"    {version}\n    title=")
    code = code.replace("    ),\n    key=", f"        {column}\n    ),\n    key=")
    code = re.sub(r"newest_by=\(.*\),", newest_by, code)
    added = run(code)["RETURNS"]
    assert added.columns[:-1] == returns.columns
    assert added.newest_by[:-1] == returns.newest_by
    assert added.columns[-1].since == added.version == returns.version + 1


def test_every_type_and_every_part_of_a_declaration_is_explained() -> None:
    types = {
        name
        for module in (column_types, record_lists)
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "parse")
    } - {"ColumnType"}
    assert types == {"Text", "Date", "Timestamp", "Enumeration", "Integer", "Number", "Records"}
    assert [name for name in types if f"`{name}(" not in PAGE] == []
    rarely_needed = {"future_allowance"}
    assert [one.name for one in fields(Feed) if f"{one.name}=" not in PAGE and one.name not in rarely_needed] == []


def test_nothing_in_infra_names_one_feed() -> None:
    """So that another feed needs no edit there. The demo tells a story about certain feeds."""
    tables = [f"{feed.table_prefix}_{one.name}" for feed in FEEDS.values() for one in fields(Tables)]
    constants = [feed.name.upper() for feed in FEEDS.values()]
    named = re.compile(rf"\b({'|'.join([*tables, *constants])})\b")
    files = [path for path in (ROOT / "infra").rglob("*") if path.suffix in {".py", ".yml", ".tf", ".proto", ".sh"}]
    files = [path for path in files if not path.read_text().startswith("# Written by `make contracts`")]
    assert len(files) > 50
    demo = ROOT / "infra" / "local" / "demo"
    assert [path for path in files if demo not in path.parents and named.search(path.read_text())] == []
