"""Adapter for changes on Pub/Sub: the publisher, and a temporary subscription for watching them."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.changes import Message

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import pubsub_v1

PATIENCE_SECONDS = 60.0
CALL_SECONDS = 10.0
"""The longest that one call may take. Without a limit of our own, the client never gives up on an ordered message."""
MESSAGES_AT_ONCE = 1_000
"""As many are unconfirmed at a time, and held in memory; while the broker hangs, each has a thread of the client."""
LONGEST_PAUSE_SECONDS = 4.0
DAY_SECONDS = 86_400


class PubSubChanges:
    """Implements ChangePublisher with google-cloud-pubsub. The client itself reads ``PUBSUB_EMULATOR_HOST``.

    ``login`` gives the credentials, None for those of the environment; it is called in the process that publishes.
    ``patience``: seconds until an outage is an error. For one thread at a time.
    """

    def __init__(
        self, topic: str, login: Callable[[], Credentials | None] | None = None, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._topic = topic
        self._login = login
        self._patience = patience

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_client"}

    @cached_property
    def _client(self) -> pubsub_v1.PublisherClient:
        from google.cloud import pubsub_v1
        from google.cloud.pubsub_v1.types import BatchSettings, PublisherOptions

        return pubsub_v1.PublisherClient(
            # A message waits this long for others with its key: usually there are none.
            batch_settings=BatchSettings(max_latency=0.005),
            publisher_options=PublisherOptions(enable_message_ordering=True),
            credentials=self._login() if self._login else None,
        )

    def publish(self, messages: Iterable[Message]) -> int:
        published = 0
        waiting = iter(messages)
        while chunk := list(islice(waiting, MESSAGES_AT_ONCE)):
            self._confirmed(chunk)
            published += len(chunk)
        return published

    def _confirmed(self, messages: Sequence[Message]) -> None:
        """Retries what fails. The client refuses a key's messages after one that failed, so those that failed are, in their
        order, what to publish next."""
        end = time.monotonic() + self._patience
        pause = 0.1
        while failed := self._attempt(messages):
            self._disconnect()
            error = failed[0][1]
            if not _is_transient(error) or time.monotonic() > end:
                raise TransientError(f"Pub/Sub topic {self._topic}: {type(error).__name__}: {error}") from error
            messages = [message for message, _ in failed]
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _attempt(self, messages: Sequence[Message]) -> list[tuple[Message, Exception]]:
        """One call for each; returns those that failed."""
        futures = [
            self._client.publish(
                self._topic, m.data, ordering_key=m.ordering_key, retry=None, timeout=CALL_SECONDS, **m.attributes
            )
            for m in messages
        ]
        failed: list[tuple[Message, Exception]] = []
        for message, future in zip(messages, futures, strict=True):
            # Whatever it is (also that an earlier message of the key failed): nobody but the caller may leave one out.
            if error := _error(future):
                failed.append((message, error))
        return failed

    def _disconnect(self) -> None:
        """A new client has no keys that are paused. Closing the channel ends calls that hang: what they carry must not
        arrive after what follows it."""
        client = self.__dict__.pop("_client")
        client.stop()
        client.transport.close()


def _error(future: Any) -> Exception | None:
    try:
        future.result(timeout=2 * CALL_SECONDS)
    except Exception as error:  # noqa: BLE001 - raised by the caller, after retries
        return error
    return None


def _is_transient(error: Exception) -> bool:
    from google.api_core.exceptions import ServerError, TooManyRequests
    from google.auth.exceptions import GoogleAuthError

    return isinstance(error, (ServerError, TooManyRequests, GoogleAuthError, FutureTimeout, RuntimeError))


@contextmanager
def watching(topic: str, project: str) -> Iterator[Iterator[bytes]]:
    """Yields the bodies of messages as they arrive, from now on, through a subscription that exists for the block only; if
    this process is killed, Pub/Sub deletes it after a day. Raises TransientError."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.cloud import pubsub_v1

    subscriber = pubsub_v1.SubscriberClient()
    name = f"projects/{project}/subscriptions/order-tracking-watch-{uuid.uuid4().hex[:12]}"
    try:
        subscriber.create_subscription(
            {
                "name": name,
                "topic": topic,
                "enable_message_ordering": True,
                "expiration_policy": {"ttl": {"seconds": DAY_SECONDS}},
                "message_retention_duration": {"seconds": 600},
            },
            timeout=PATIENCE_SECONDS,
        )
    except (GoogleAPICallError, RetryError) as error:
        raise TransientError(f"Pub/Sub topic {topic}: {type(error).__name__}: {error}") from error
    arrived: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def keep(message: Any) -> None:
        arrived.put(message.data)
        message.ack()

    streaming = subscriber.subscribe(name, keep)
    streaming.add_done_callback(lambda ended: arrived.put(_error(ended) or ConnectionError("the subscription ended")))
    try:
        yield _bodies(topic, arrived)
    finally:
        streaming.cancel()
        subscriber.delete_subscription(subscription=name, timeout=CALL_SECONDS)
        subscriber.close()


def _bodies(topic: str, arrived: queue.SimpleQueue[bytes | Exception]) -> Iterator[bytes]:
    while True:
        found = arrived.get()
        if isinstance(found, Exception):
            raise TransientError(f"Pub/Sub topic {topic}: {type(found).__name__}: {found}") from found
        yield found
