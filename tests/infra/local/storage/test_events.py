"""Finalized events have Eventarc's form, are never lost, and can be delayed, repeated, reordered or dropped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from google.cloud import storage

from infra.local.services.process import ServerProcess
from tests.infra.local.storage.event_receiver import Received, Receiver
from tests.storage_fixtures import client_for, storage_process

pytestmark = pytest.mark.servers


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def events(storage_server: ServerProcess, receiver: Receiver) -> Iterator[Any]:
    """Changes the event settings; resets them after the test."""
    url = f"{storage_server.url}/_local/events"

    def settings(**changes: Any) -> dict[str, Any]:
        answer = httpx.put(url, json=changes).raise_for_status() if changes else httpx.get(url)
        return dict(answer.json())

    settings(notify=receiver.url)
    yield settings
    settings(notify=None, repeat=0, delay_seconds=0, reorder=False, drop=0)


def eventually(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("events")
def test_the_form_of_an_event(bucket: storage.Bucket, receiver: Receiver) -> None:
    name = 'source/ä "x" 100%?.csv'
    blob = bucket.blob(name)
    blob.metadata = {"k": "v"}
    blob.upload_from_string("hello", content_type="text/csv")
    (event,) = receiver.wait_for(1)
    assert event.headers["ce-type"] == "google.cloud.storage.object.v1.finalized"
    assert event.headers["ce-specversion"] == "1.0"
    assert event.headers["ce-source"] == f"//storage.googleapis.com/projects/_/buckets/{bucket.name}"
    assert event.headers["ce-bucket"] == bucket.name
    assert unquote(event.headers["ce-subject"]) == f"objects/{name}"
    assert event.headers["ce-subject"].startswith("objects/source/%C3%A4%20%22x%22%20100%25?")
    assert event.headers["ce-id"]
    assert event.headers["ce-time"].endswith("Z")
    assert event.headers["content-type"] == "application/json"
    shown = {key: value for key, value in blob._properties.items() if not key.endswith("Link")}
    assert {key: value for key, value in event.body.items() if not key.endswith("Link")} == shown


@pytest.mark.usefixtures("events")
def test_only_new_generations_send_events(bucket: storage.Bucket, receiver: Receiver) -> None:
    blob = bucket.blob("upload")
    blob.upload_from_string("x")
    bucket.blob("resumable", chunk_size=256 * 1024).open("wb").close()
    bucket.copy_blob(blob, bucket, "copy")
    bucket.blob("rewrite").rewrite(blob)
    bucket.blob("compose").compose([blob])
    blob.metadata = {"a": "b"}
    blob.patch()
    bucket.move_blob(blob, "move")
    bucket.delete_blob("copy")
    events = receiver.wait_for(6)
    assert sorted(event.name for event in events) == ["compose", "copy", "move", "resumable", "rewrite", "upload"]
    assert len({event.headers["ce-id"] for event in events}) == 6


def test_a_failed_delivery_is_retried_with_backoff(bucket: storage.Bucket, receiver: Receiver, events: Any) -> None:
    receiver.answer = lambda event: 503 if len(receiver.events) < 3 else 204
    bucket.blob("x").upload_from_string("x")
    first, second, third = receiver.wait_for(3)
    assert second.at - first.at >= 0.5
    assert third.at - second.at >= 1.0
    assert len({event.headers["ce-id"] for event in (first, second, third)}) == 1
    eventually(lambda: events()["pending"] == 0)
    status = events()
    assert "503" in status["last_errors"][-1]["error"]
    assert len(receiver.events) == 3


def test_an_event_waits_until_the_function_is_reachable(bucket: storage.Bucket, receiver: Receiver, events: Any) -> None:
    events(notify="http://127.0.0.1:1/")
    bucket.blob("x").upload_from_string("x")
    eventually(lambda: events()["last_errors"] and "Connect" in events()["last_errors"][-1]["error"])
    assert events(notify=receiver.url)["pending"] == 1
    receiver.wait_for(1)


def test_events_can_be_repeated(bucket: storage.Bucket, receiver: Receiver, events: Any) -> None:
    events(repeat=4)
    for number in range(5):
        bucket.blob(str(number)).upload_from_string("x")
    receiver.wait_for(25)
    eventually(lambda: events()["pending"] == 0)
    assert Counter(receiver.names()) == {str(number): 5 for number in range(5)}
    assert len({event.headers["ce-id"] for event in receiver.events}) == 5


def test_events_can_be_dropped(bucket: storage.Bucket, receiver: Receiver, events: Any) -> None:
    before = events(drop=1)["dropped"]
    bucket.blob("lost").upload_from_string("x")
    eventually(lambda: events()["dropped"] == before + 1)
    events(drop=0)
    bucket.blob("kept").upload_from_string("x")
    receiver.wait_for(1)
    assert receiver.names() == ["kept"]


def test_events_can_be_delayed(bucket: storage.Bucket, receiver: Receiver, events: Any) -> None:
    events(delay_seconds=0.4)
    began = time.monotonic()
    bucket.blob("x").upload_from_string("x")
    (event,) = receiver.wait_for(1)
    assert event.at - began >= 0.4


def test_events_can_be_reordered(bucket: storage.Bucket, receiver: Receiver, events: Any) -> None:
    events(reorder=True)
    names = [f"{number:02}" for number in range(20)]
    for name in names:
        bucket.blob(name).upload_from_string("x")
    receiver.wait_for(20)
    assert receiver.names() != names
    assert sorted(receiver.names()) == names


@pytest.mark.usefixtures("events")
def test_deliveries_are_parallel_but_limited(bucket: storage.Bucket, receiver: Receiver) -> None:
    def slowly(event: Received) -> int:
        time.sleep(0.1)
        return 200

    receiver.answer = slowly
    for number in range(24):
        bucket.blob(str(number)).upload_from_string("x")
    receiver.wait_for(24)
    assert 2 <= receiver.most_at_once <= 8


def test_the_outbox_survives_kill_9(tmp_path: Path, receiver: Receiver) -> None:
    """Events that the function has not acknowledged are sent again after a restart; acknowledged ones are not."""
    receiver.answer = lambda event: 200 if event.name == "taken" else 500
    server = storage_process(tmp_path, "--bucket", "orders-data", "--notify", receiver.url)
    with server:
        bucket = client_for(server.url).bucket("orders-data")
        bucket.blob("taken").upload_from_string("x")
        for number in range(5):
            bucket.blob(f"open-{number}").upload_from_string("x")
        receiver.wait_for(6)
        time.sleep(0.2)  # delivered events are deleted together, 50 ms later
        server.kill()
        receiver.events.clear()
        receiver.answer = lambda event: 200
        server.start()
        receiver.wait_for(5)
        eventually(lambda: httpx.get(f"{server.url}/_local/events").json()["pending"] == 0)
        assert sorted(set(receiver.names())) == [f"open-{number}" for number in range(5)]


def test_invalid_settings_are_refused(events: Any, storage_server: ServerProcess) -> None:
    for wrong in ({"repeat": -1}, {"drop": 2}, {"delay_seconds": "x"}, {"notify": "nowhere"}, {"colour": 1}):
        answer = httpx.put(f"{storage_server.url}/_local/events", json=wrong)
        assert answer.status_code == 400
        assert next(iter(wrong)) in answer.json()["error"]["message"]
