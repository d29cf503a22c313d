"""The published schema of changes accepts what is published, and nothing of another shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from infra.contracts.change_schema import change_schema
from spark_jobs.contract.changes import Change, Snapshot
from tests.infra.contracts.odd_feed import ODD

AT = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
ROW = {
    "seen_at": "2026-01-31T10:00:00.000000Z", "line": -(2**63), "day": "0001-01-01", "size": "by hand", "label": "a|b",
    "started_at": None, "temperature": "-1.5", "parts": [{"name": None}, {"name": "x"}],
}  # fmt: skip
VALIDATOR = jsonschema.Draft202012Validator(change_schema(ODD))


def change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Any:
    return json.loads(Change(ODD, before, after, 7, AT, "b/n#1" if after else None, 3 if after else None).as_message().data)


def test_the_schema_itself_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(change_schema(ODD))


@pytest.mark.parametrize(
    "message",
    [change(None, ROW), change(ROW, None), change({k: v for k, v in ROW.items() if k != "temperature"}, ROW),
     json.loads(Snapshot(ODD, 3, 7, AT).as_message().data)],
    ids=["new", "deleted", "before a column was added", "snapshot"],
)  # fmt: skip
def test_what_is_published_is_valid(message: Any) -> None:
    VALIDATOR.validate(message)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.update(kind="news"),
        lambda m: m.pop("before"),
        lambda m: m["after"].update(temperature=-1.5),
        lambda m: m["after"].update(seen_at="2026-01-31 10:00:00"),
        lambda m: m["after"].update(line="7"),
        lambda m: m["after"].update(parts=[{}]),
        lambda m: m["key"].pop("label"),
    ],
)
def test_another_shape_is_not(spoil: Callable[[Any], Any]) -> None:
    message = change(None, dict(ROW))
    spoil(message)
    assert not VALIDATOR.is_valid(message)
