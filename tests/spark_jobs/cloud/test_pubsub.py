"""One suite for the Announcer port: the fake, and the real adapter with Google's client against the official emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.services.pubsub import OUTCOME_TOPIC, create_topics, pull_outcomes
from spark_jobs.cloud import pubsub
from spark_jobs.cloud.ports import Announcer, TransientError
from spark_jobs.cloud.pubsub import LogAnnouncer, PubSubAnnouncer
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome
from tests.fakes.announcer import FakeAnnouncer
from tests.free_port import free_port
from tests.pubsub_emulator import running_emulator

AT = datetime(2026, 2, 1, 6, 0, tzinfo=UTC)
ODD = FileId("orders-data", "source/" + "é\n#?" * 250, 17)


@dataclass
class Topic:
    """An announcer, and what arrived."""

    announcer: Announcer
    received: Callable[[int], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with running_emulator() as address:
        create_topics(address)
        yield address


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def topic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Topic:
    if request.param == "fake":
        fake = FakeAnnouncer()
        return Topic(fake, lambda _: [json.loads(outcome.as_message()) for outcome in fake.outcomes])
    address = request.getfixturevalue("emulator")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
    return Topic(PubSubAnnouncer(OUTCOME_TOPIC), lambda number: pull_outcomes(address, number, patience=20))


def outcomes(number: int) -> list[Outcome]:
    files = (FileId("orders-data", f"source/{n}.csv", n) for n in range(number))
    return [Outcome(file, "merged", "order_tracking", AT, rows=file.generation) for file in files]


def test_every_outcome_arrives_complete_with_its_file_id_unchanged(topic: Topic) -> None:
    sent = [*outcomes(100), Outcome(ODD, "rejected", "order_tracking", AT, reason="unclosed_quote: …", report="r.json")]
    topic.announcer.announce(sent)
    received = {message["file"]: message for message in topic.received(len(sent))}
    assert received == {str(o.file): json.loads(o.as_message()) for o in sent}
    assert received[str(ODD)]["name"] == ODD.name
    assert received[str(ODD)]["at"] == "2026-02-01T06:00:00+00:00"


def test_announcing_nothing_sends_nothing(topic: Topic) -> None:
    topic.announcer.announce([])
    topic.announcer.announce(outcomes(1))
    assert len(topic.received(1)) == 1


@pytest.mark.servers
def test_a_broker_that_is_down_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(pubsub, "RETRY_SECONDS", 1.0)
    with pytest.raises(TransientError, match="Pub/Sub topic projects/"):
        PubSubAnnouncer(OUTCOME_TOPIC).announce(outcomes(1))


@pytest.mark.servers
def test_a_missing_topic_is_a_transient_error(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator)
    with pytest.raises(TransientError, match="NotFound"):
        PubSubAnnouncer("projects/order-tracking-local/topics/missing").announce(outcomes(1))


def test_without_a_topic_outcomes_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="spark_jobs"):
        LogAnnouncer().announce(outcomes(2))
    assert "outcome merged of orders-data/source/1.csv#1" in caplog.text
