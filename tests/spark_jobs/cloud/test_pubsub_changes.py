"""The publisher of changes: one suite for the fake and for the real one, and a broker that refuses, loses and hangs."""

from __future__ import annotations

import pickle
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from spark_jobs.cloud import pubsub_changes
from spark_jobs.cloud.ports import ChangePublisher, TransientError
from spark_jobs.cloud.pubsub_changes import PubSubChanges, watching
from spark_jobs.contract.changes import Message
from tests.fakes.broker import FakeBroker, running
from tests.fakes.changes import FakeChanges
from tests.pubsub_emulator import running_emulator

TOPIC = "projects/local/topics/changes"


def messages(*texts: str) -> list[Message]:
    """``A1``: the key A."""
    return [Message(text.encode(), text[0], {"event_id": text}) for text in texts]


def by_key(received: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for key, text in received:
        found[key].append(text)
    return found


@dataclass
class Topic:
    """A publisher, and what arrived, by key."""

    publisher: ChangePublisher
    received: Callable[[int], dict[str, list[str]]]


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with running_emulator() as address:
        yield address


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def topic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topic]:
    if request.param == "fake":
        fake = FakeChanges()
        yield Topic(fake, lambda _: by_key([(m.ordering_key, m.data.decode()) for m in fake.messages]))
        return
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", request.getfixturevalue("emulator"))
    create_topic()
    with watching(TOPIC, "local") as bodies:

        def received(number: int) -> dict[str, list[str]]:
            texts = [next(bodies).decode() for _ in range(number)]
            return by_key([(text[0], text) for text in texts])

        yield Topic(PubSubChanges(TOPIC), received)


def create_topic() -> None:
    from google.api_core.exceptions import AlreadyExists
    from google.cloud import pubsub_v1

    with suppress(AlreadyExists):
        pubsub_v1.PublisherClient().create_topic(name=TOPIC, timeout=20)


def test_messages_of_a_key_arrive_in_order(topic: Topic) -> None:
    texts = [f"{key}{number}" for number in range(40) for key in "ABC"]
    assert topic.publisher.publish(iter(messages(*texts))) == 120
    assert topic.received(120) == {key: [f"{key}{number}" for number in range(40)] for key in "ABC"}


def test_nothing_is_published_of_nothing(topic: Topic) -> None:
    assert topic.publisher.publish([]) == 0


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBroker]:
    monkeypatch.setattr(pubsub_changes, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(pubsub_changes, "LONGEST_PAUSE_SECONDS", 0.1)
    with running(FakeBroker()) as started:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", started.address)
        yield started


TEXTS = [f"{key}{number}" for number in range(10) for key in "AB"]


def assert_all_arrived_in_order(broker: FakeBroker) -> None:
    """Apart from repeats, which are runs of messages that begin again."""
    for key, texts in by_key(broker.received).items():
        assert list(dict.fromkeys(texts)) == [f"{key}{number}" for number in range(10)]
        assert texts[-1] == f"{key}9", "nothing older arrives after the last"


@pytest.mark.servers
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", ["refuse", "hang"])
def test_a_message_that_fails_is_published_again_before_those_after_it(broker: FakeBroker, when: str, fault: str) -> None:
    """Whether it was lost on its way or only its confirmation was."""
    left = [3]
    lock = threading.Lock()

    def fail(texts: list[str], context: Any) -> None:
        with lock:
            due = left[0] > 0 and any(text in ("A0", "A4", "B9") for text in texts)
            left[0] -= due
        if due and fault == "refuse":
            context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
        if due:
            time.sleep(1)
            context.abort(grpc.StatusCode.CANCELLED, "the caller is gone")

    setattr(broker, when, fail)
    assert PubSubChanges(TOPIC).publish(messages(*TEXTS)) == 20
    assert left[0] <= 0
    assert_all_arrived_in_order(broker)


@pytest.mark.servers
@pytest.mark.parametrize(("code", "seconds"), [("UNAVAILABLE", 3.0), ("PERMISSION_DENIED", 1.0), ("NOT_FOUND", 1.0)])
def test_an_outage_is_an_error_in_bounded_time_and_nothing_follows_what_failed(
    broker: FakeBroker, code: str, seconds: float
) -> None:
    def fail(texts: list[str], context: Any) -> None:
        if any(text.startswith("A") and text >= "A5" for text in texts):
            context.abort(getattr(grpc.StatusCode, code), "no")

    broker.before = fail
    publisher = PubSubChanges(TOPIC, patience=1.0)
    began = time.monotonic()
    with pytest.raises(TransientError, match=f"Pub/Sub topic {TOPIC}: "):
        publisher.publish(messages(*[f"A{number}" for number in range(10)]))
    assert time.monotonic() - began < seconds + 2
    assert broker.received == []

    broker.before = lambda texts, context: None
    assert publisher.publish(messages(*TEXTS)) == 20, "the same publisher goes on"
    assert_all_arrived_in_order(broker)


@pytest.mark.servers
def test_it_can_be_pickled_even_when_connected(broker: FakeBroker) -> None:
    """Under Spark Connect, batches are handled in another process."""
    publisher = PubSubChanges(TOPIC)
    publisher.publish(messages("A0"))
    assert pickle.loads(pickle.dumps(publisher)).publish(messages("A1")) == 1
    assert broker.received == [("A", "A0"), ("A", "A1")]


@pytest.mark.servers
def test_few_messages_are_in_memory_at_a_time(broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub_changes, "MESSAGES_AT_ONCE", 10)
    ahead = []

    def made() -> Iterator[Message]:
        for number in range(100):
            ahead.append(number + 1 - len(broker.received))
            yield Message(b"x", str(number), {})

    assert PubSubChanges(TOPIC).publish(made()) == 100
    assert max(ahead) <= 10


@pytest.mark.servers
def test_the_subscription_for_watching_is_removed(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.cloud import pubsub_v1

    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator)
    create_topic()
    with watching(TOPIC, "local"):
        assert len(list(pubsub_v1.SubscriberClient().list_subscriptions(project="projects/local"))) == 1
    assert not list(pubsub_v1.SubscriberClient().list_subscriptions(project="projects/local"))


@pytest.mark.servers
def test_watching_a_missing_topic_is_an_error(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator)
    with pytest.raises(TransientError, match="NotFound"), watching("projects/local/topics/missing", "local"):
        pass
