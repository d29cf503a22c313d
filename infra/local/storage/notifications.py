"""Notification configurations of buckets, and the messages that they send to Pub/Sub.

https://cloud.google.com/storage/docs/pubsub-notifications

A message is written in the transaction of the change that it is about. It is published afterwards, so Pub/Sub never fails
or delays a change. The emulator answers Pub/Sub's JSON API on the port of its gRPC API.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from infra.local.storage.answers import ApiError, invalid, required
from infra.local.storage.database import Database, Transaction
from infra.local.storage.outbox import Message, Outbox
from infra.local.storage.resources import PUBLIC_URL, StoredObject, object_resource, rfc3339

EXPIRES = 7 * 24 * 3600.0
EVENT_TYPES = ("OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE")
PAYLOAD_FORMATS = ("JSON_API_V1", "NONE")
MAX_CUSTOM_ATTRIBUTES = 10
_HOST = "//pubsub.googleapis.com/"
_TOPIC = re.compile(rf"(?:{re.escape(_HOST)})?projects/[a-z0-9.:-]+/topics/[A-Za-z][A-Za-z0-9_.~+%-]{{2,254}}")


class Notifications(Outbox):
    def __init__(self, database: Database, pubsub: str | None) -> None:
        """`pubsub`: host:port of the emulator. None: configurations can't be created, and existing ones send nothing."""
        super().__init__(database, "messages", EXPIRES)
        self._pubsub = pubsub

    async def start(self) -> None:
        if self._pubsub is not None:
            await super().start()

    async def check_topic(self, topic: str) -> None:
        """Raise unless messages can be published to it; the real service checks this when a configuration is created."""
        if self._pubsub is None:
            raise invalid("The local storage server sends no notifications: start it with --pubsub HOST:PORT.")
        try:
            answer = await self._client.get(self._url(topic))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiError(503, "backendError", f"Pub/Sub at {self._pubsub} does not answer: {error}") from error
        if not answer.is_success:
            raise invalid(f"Cloud Pub/Sub topic '{topic}' not found: Pub/Sub answered {answer.text[:200]}")

    def record(self, tx: Transaction, event_type: str, stored: StoredObject, at: int, **replacement: int | None) -> None:
        """Write a message for each configuration that wants it. `replacement`: the attribute about the other generation."""
        if self._pubsub is None:
            return
        for config_id, settings in tx.rows("SELECT id, settings FROM notifications WHERE bucket = ?", stored.bucket):
            config = json.loads(settings)
            wanted = config.get("event_types") or EVENT_TYPES
            if event_type not in wanted or not stored.name.startswith(config.get("object_name_prefix", "")):
                continue
            attributes = {
                **config.get("custom_attributes", {}),
                "notificationConfig": f"projects/_/buckets/{stored.bucket}/notificationConfigs/{config_id}",
                "eventType": event_type,
                "payloadFormat": config["payload_format"],
                "bucketId": stored.bucket,
                "objectId": stored.name,
                "objectGeneration": str(stored.generation),
                "eventTime": rfc3339(at, "microseconds"),
                **{key: str(generation) for key, generation in replacement.items() if generation is not None},
            }
            message: dict[str, Any] = {"attributes": attributes}
            if config["payload_format"] == "JSON_API_V1":
                payload = json.dumps(object_resource(stored), indent=2)
                message["data"] = base64.b64encode(payload.encode()).decode()
            event_id = f"{config_id}/{stored.generation}/{event_type}"
            self._add(tx, event_id, stored.bucket, stored.name, json.dumps({"topic": config["topic"], "message": message}))

    async def _send(self, message: Message) -> str | None:
        body = json.loads(message.body)
        content = json.dumps({"messages": [body["message"]]})
        return await self._post(self._url(body["topic"]) + ":publish", content, {"content-type": "application/json"})

    def _url(self, topic: str) -> str:
        return f"http://{self._pubsub}/v1/{quote(topic.removeprefix(_HOST))}"


def parse(body: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in the body of a request. gcloud writes the topic without the host. Raises a 400 that names the wrong
    field."""
    fields = ("topic", "payload_format", "event_types", "object_name_prefix", "custom_attributes")
    settings = {field: body[field] for field in fields if body.get(field)}
    for field in ("topic", "payload_format"):
        if field not in settings:
            raise required(field)
    prefix, event_types = settings.get("object_name_prefix", ""), settings.get("event_types", [])
    if not isinstance(settings["topic"], str) or not _TOPIC.fullmatch(settings["topic"]):
        raise invalid(f"Invalid topic: {settings['topic']!r}; expected {_HOST}projects/PROJECT/topics/TOPIC")
    settings["topic"] = _HOST + settings["topic"].removeprefix(_HOST)
    if settings["payload_format"] not in PAYLOAD_FORMATS:
        raise invalid(f"Invalid payload_format: {settings['payload_format']!r}; one of {', '.join(PAYLOAD_FORMATS)}")
    if not isinstance(event_types, list) or any(event_type not in EVENT_TYPES for event_type in event_types):
        raise invalid(f"Invalid event_types: {event_types!r}; a list of {', '.join(EVENT_TYPES)}")
    if not isinstance(prefix, str):
        raise invalid(f"Invalid object_name_prefix: {prefix!r}; expected a string")
    _check_custom(settings.get("custom_attributes", {}))
    return settings


def _check_custom(attributes: object) -> None:
    """Pub/Sub would refuse each message with other attributes: https://cloud.google.com/pubsub/quotas#resource_limits"""
    if not isinstance(attributes, dict) or len(attributes) > MAX_CUSTOM_ATTRIBUTES:
        raise invalid(f"custom_attributes must be an object with at most {MAX_CUSTOM_ATTRIBUTES} keys")
    for key, value in attributes.items():
        fits = isinstance(value, str) and 0 < len(key.encode()) <= 256 and len(value.encode()) <= 1024
        if not fits or key.startswith("goog"):
            raise invalid(
                f"Invalid custom attribute {key!r}: keys have 1 to 256 bytes and don't start with goog, "
                "values are strings of at most 1024 bytes"
            )


def resource(config_id: int, bucket: str, settings: str) -> dict[str, Any]:
    """The API resource of a row."""
    return {
        "kind": "storage#notification",
        "selfLink": f"{PUBLIC_URL}/storage/v1/b/{bucket}/notificationConfigs/{config_id}",
        "id": str(config_id),
        "etag": str(config_id),
        **json.loads(settings),
    }
