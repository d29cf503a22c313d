"""CloudEvents: which file or tick an event names, and which events are irrelevant."""

from __future__ import annotations

from typing import Any

import pytest
from cloudevents.http import CloudEvent

from functions.events import FINALIZED, PUBLISHED, IrrelevantEvent, finalized_file, tick_id
from spark_jobs.contract.file_ids import FileId


def event(kind: str, data: Any, **attributes: str) -> CloudEvent:
    return CloudEvent({"type": kind, "source": "test", **attributes}, data)


@pytest.mark.parametrize("generation", [17, "17"])
def test_a_finalized_event_names_one_generation(generation: object) -> None:
    data = {"bucket": "b", "name": "source/a b#é.csv", "generation": generation}
    assert finalized_file(event(FINALIZED, data)) == FileId("b", "source/a b#é.csv", 17)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"bucket": ""}, "bucket"),
        ({"name": None}, "object"),
        ({"name": "\ud800"}, "Unicode"),
        ({"bucket": "\udfff"}, "Unicode"),
        ({"generation": "1.5"}, "generation"),
        ({"generation": "١"}, "generation"),
    ],
)
def test_an_event_without_a_usable_file_is_irrelevant(wrong: dict[str, Any], reason: str) -> None:
    data = {"bucket": "b", "name": "n", "generation": "17"} | wrong
    with pytest.raises(IrrelevantEvent, match=reason):
        finalized_file(event(FINALIZED, data))


def test_an_event_of_another_type_is_irrelevant() -> None:
    with pytest.raises(IrrelevantEvent, match="expected"):
        finalized_file(event(PUBLISHED, {}))
    with pytest.raises(IrrelevantEvent, match="expected"):
        tick_id(event(FINALIZED, {}))


@pytest.mark.parametrize("data", [{"message": {"messageId": "7"}}, {"message": {"message_id": "7"}}, {}, None])
def test_a_tick_is_identified_by_its_message_or_else_by_its_event(data: Any) -> None:
    assert tick_id(event(PUBLISHED, data, id="7")) == "7"
