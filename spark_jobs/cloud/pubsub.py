"""Adapter for outcomes on Pub/Sub, and the announcer that is used without a topic."""

from __future__ import annotations

import logging
from concurrent.futures import TimeoutError as FutureTimeout
from functools import cached_property
from typing import TYPE_CHECKING

from spark_jobs.cloud.ports import TransientError
from spark_jobs.contract.outcomes import Outcome

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import pubsub_v1

RETRY_SECONDS = 30.0
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
