"""Adapters for Pub/Sub, the only users of its SDK, and the announcer that is used without a topic."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.changes import Message
from spark_jobs.contract.outcomes import Outcome

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import pubsub_v1

RETRY_SECONDS = 30.0
CALL_SECONDS = 10.0
"""The longest that one call may take. Without a limit of our own, the client never gives up on an ordered message."""
MESSAGES_AT_ONCE = 2_000
"""As many are unconfirmed at a time, and held in memory."""
LONGEST_PAUSE_SECONDS = 4.0
_log = logging.getLogger(__name__)


class PubSubAnnouncer:
    """Implements Announcer with google-cloud-pubsub. The client itself reads ``PUBSUB_EMULATOR_HOST``.

    Connects at the first outcome, because most events and many runs have none.
    """

    def __init__(self, topic: str, credentials: Credentials | None = None) -> None:
        self._topic = topic
        self._credentials = credentials

    @cached_property
    def _publisher(self) -> pubsub_v1.PublisherClient:
        from google.cloud import pubsub_v1

        return pubsub_v1.PublisherClient(credentials=self._credentials)

    def announce(self, outcomes: list[Outcome]) -> None:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.api_core.retry import Retry
        from google.auth.exceptions import GoogleAuthError

        retry = Retry(timeout=RETRY_SECONDS)
        try:
            futures = [
                self._publisher.publish(self._topic, o.as_message(), retry=retry, timeout=10.0, **o.attributes())
                for o in outcomes
            ]
            for future in futures:
                future.result(timeout=RETRY_SECONDS + 5)
        except (GoogleAPICallError, GoogleAuthError, RetryError, FutureTimeout) as error:
            raise TransientError(f"Pub/Sub topic {self._topic}: {type(error).__name__}: {error}") from error


class LogAnnouncer:
    """Writes outcomes to the log only, if no topic is configured."""

    def announce(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            _log.info("outcome %s of %s", outcome.kind, outcome.file, extra={"outcome": outcome.kind})


class PubSubChanges:
    """Implements ChangePublisher with google-cloud-pubsub. The client itself reads ``PUBSUB_EMULATOR_HOST``.

    ``login`` gives the credentials; it is called in the process that publishes. ``patience``: seconds until an outage is
    an error.
    """

    def __init__(
        self, topic: str, login: Callable[[], Credentials | None] = lambda: None, patience: float = RETRY_SECONDS
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
            credentials=self._login(),
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
