"""Parses CloudEvents. An event that this function doesn't handle is acknowledged, because a retry wouldn't change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from spark_jobs.contract.file_ids import FileId

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

FINALIZED = "google.cloud.storage.object.v1.finalized"
PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"


class IrrelevantEvent(Exception):
    """The event needs no action; the message says why."""


def finalized_file(event: CloudEvent) -> FileId:
    """The generation that an upload created. Raises IrrelevantEvent."""
    _expect_type(event, FINALIZED)
    if not isinstance(event.data, Mapping):
        # functions-framework passes the body on as bytes if it isn't JSON.
        raise IrrelevantEvent(f"the event's body isn't a JSON object but {type(event.data).__name__}")
    bucket, name, generation = (event.data.get(key) for key in ("bucket", "name", "generation"))
    if not (isinstance(bucket, str) and bucket and isinstance(name, str) and name):
        raise IrrelevantEvent("the event's body names no bucket and object")
    try:
        (bucket + name).encode()
    except UnicodeEncodeError:
        # A lone surrogate: no object can have such a name, and no request could name it.
        raise IrrelevantEvent("the event's object name isn't valid Unicode") from None
    if not str(generation).isascii() or not str(generation).isdigit():
        raise IrrelevantEvent("the event's body has no generation")
    return FileId(bucket, name, int(str(generation)))


def tick_id(event: CloudEvent) -> str:
    """The identity of a scheduler tick, the same when it is delivered again. Raises IrrelevantEvent."""
    _expect_type(event, PUBLISHED)
    attributes = event.get_attributes()
    message = event.data.get("message") if isinstance(event.data, Mapping) else None
    message_id = message.get("messageId") or message.get("message_id") if isinstance(message, Mapping) else None
    return str(message_id or attributes.get("id"))


def _expect_type(event: CloudEvent, expected: str) -> None:
    kind = event.get_attributes().get("type")
    if kind != expected:
        raise IrrelevantEvent(f"the event has the type {str(kind)[:200]!r}, expected {expected!r}")
