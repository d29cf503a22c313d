"""The official Pub/Sub emulator, as gcloud installs it.

It stores nothing on disk: each start creates topics and subscription again, and earlier messages are lost.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.listening import HOST

if TYPE_CHECKING:
    import grpc  # type: ignore[import-untyped]

PROJECT = "order-tracking-local"
OUTCOME_TOPIC = f"projects/{PROJECT}/topics/order-tracking-outcomes"
OUTCOME_SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/order-tracking-outcomes"
CHANGES_TOPIC = f"projects/{PROJECT}/topics/order-tracking-changes"
JARS = "platform/pubsub-emulator/lib/*.jar"


def find_emulator() -> Path | None:
    """The jar of the emulator of the gcloud on PATH. None: gcloud or its emulator component is not installed."""
    gcloud = shutil.which("gcloud")
    if not gcloud:
        return None
    # gcloud on PATH usually links to the installation's bin/gcloud. Asking gcloud itself takes a second longer.
    if found := _jar_below(Path(gcloud).resolve().parent.parent):
        return found
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    return _jar_below(Path(shown)) if shown else None


def _jar_below(root: Path) -> Path | None:
    return min(root.glob(JARS), default=None)


def emulator_command(jar: Path, java_home: Path, port: int) -> tuple[str, ...]:
    """Without gcloud's launcher, which takes seconds and leaves its Java process behind."""
    # It lives for seconds or minutes, which the second compiler and a parallel collector don't pay for.
    options = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    return (str(java_home / "bin" / "java"), *options, "-jar", str(jar), f"--host={HOST}", f"--port={port}")


def create_topics(address: str) -> None:
    """Create the topics, and the subscription for outcomes, unless they exist. ``address`` is host:port.

    Consumers of changes subscribe themselves: a subscription that nobody reads would fill the emulator's memory.
    """
    from google.api_core.exceptions import AlreadyExists
    from google.cloud import pubsub_v1
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport as PublisherTransport
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport as SubscriberTransport

    with _channel(address) as channel:
        publisher = pubsub_v1.PublisherClient(transport=PublisherTransport(channel=channel))
        subscriber = pubsub_v1.SubscriberClient(transport=SubscriberTransport(channel=channel))
        for topic in (OUTCOME_TOPIC, CHANGES_TOPIC):
            with suppress(AlreadyExists):
                publisher.create_topic(name=topic, timeout=20)
        with suppress(AlreadyExists):
            subscriber.create_subscription(
                name=OUTCOME_SUBSCRIPTION, topic=OUTCOME_TOPIC, ack_deadline_seconds=60, timeout=20
            )


def pull_outcomes(address: str, at_least: int = 1, patience: float = 5.0) -> list[dict[str, Any]]:
    """Pull and acknowledge the outcome messages in the subscription, as JSON. ``address`` is host:port.

    Returns once ``at_least`` messages have arrived and the subscription is empty, or after ``patience`` seconds.
    """
    from google.api_core.exceptions import DeadlineExceeded
    from google.cloud import pubsub_v1
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    outcomes: list[dict[str, Any]] = []
    end = time.monotonic() + patience
    with _channel(address) as channel:
        subscriber = pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        while time.monotonic() < end:
            with suppress(DeadlineExceeded):  # no message arrived during this pull
                pulled = subscriber.pull(subscription=OUTCOME_SUBSCRIPTION, max_messages=1000, retry=None, timeout=1.0)
                outcomes += [json.loads(one.message.data) for one in pulled.received_messages]
                if handles := [one.ack_id for one in pulled.received_messages]:
                    subscriber.acknowledge(subscription=OUTCOME_SUBSCRIPTION, ack_ids=handles)
                    continue
            if len(outcomes) >= at_least:
                break
    return outcomes


@contextmanager
def _channel(address: str) -> Iterator[grpc.Channel]:
    import grpc

    with grpc.insecure_channel(address) as channel:
        yield channel
