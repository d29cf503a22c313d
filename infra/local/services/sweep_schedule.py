"""Cloud Scheduler, Pub/Sub and Eventarc in one thread: post a tick to the sweep function at regular intervals."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
import uuid
from contextlib import suppress
from datetime import UTC, datetime

from infra.local.services.pubsub import PROJECT

TOPIC = f"projects/{PROJECT}/topics/order-tracking-sweep"
TICK_TIMEOUT_SECONDS = 540.0  # the maximum for event-driven functions


def tick_event(tick: str, at: datetime) -> tuple[dict[str, str], bytes]:
    """Headers and body of a tick as Eventarc posts a Pub/Sub message (binary content mode)."""
    stamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    message = {"data": base64.b64encode(b"sweep").decode(), "messageId": tick, "publishTime": stamp, "attributes": {}}
    body = {"message": message, "subscription": f"projects/{PROJECT}/subscriptions/eventarc-order-tracking-sweep"}
    headers = {
        "ce-id": tick,
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
        "ce-source": f"//pubsub.googleapis.com/{TOPIC}",
        "ce-time": stamp,
        "content-type": "application/json",
    }
    return headers, json.dumps(body).encode()


def start_ticks(function_url: str, every_seconds: float) -> threading.Event:
    """Post one tick at a time until the returned event is set. A failed tick is in the function's log; the next one
    follows as scheduled."""
    stopping = threading.Event()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def run() -> None:
        while not stopping.wait(every_seconds):
            headers, body = tick_event(uuid.uuid4().hex, datetime.now(UTC))
            request = urllib.request.Request(function_url, body, headers, method="POST")  # noqa: S310 - ours, on 127.0.0.1
            with suppress(OSError), opener.open(request, timeout=TICK_TIMEOUT_SECONDS):
                pass

    # A daemon, so that a tick in progress does not delay stopping the stack.
    threading.Thread(target=run, name="sweep-schedule", daemon=True).start()
    return stopping
