"""A sweep tick has the form that Eventarc delivers."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework
from cloudevents.http import from_http

from functions.events import tick_id
from infra.local.services.sweep_schedule import tick_event


def test_a_tick_reads_as_the_pubsub_event_that_eventarc_delivers() -> None:
    headers, body = tick_event("tick-7", datetime(2026, 1, 31, 10, tzinfo=UTC))

    assert tick_id(from_http(headers, body)) == "tick-7"


def test_the_framework_hands_a_tick_to_a_function() -> None:
    seen = []

    @functions_framework.cloud_event  # type: ignore[untyped-decorator]
    def on_tick(event: object) -> None:
        seen.append(tick_id(event))  # type: ignore[arg-type]

    headers, body = tick_event("tick-8", datetime.now(UTC))
    on_tick(from_http(headers, body))

    assert seen == ["tick-8"]
