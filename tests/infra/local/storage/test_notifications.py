"""Notification configurations, and their messages in the official Pub/Sub emulator, read with Google's client."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.api_core.exceptions import BadRequest, DeadlineExceeded, NotFound, ServiceUnavailable
from google.cloud import pubsub_v1, storage
from google.cloud.storage.notification import BucketNotification
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from infra.local.services.process import ServerProcess
from infra.local.services.pubsub import PROJECT
from tests.free_port import free_port
from tests.pubsub_emulator import running_emulator
from tests.storage_fixtures import client_for, storage_process

pytestmark = pytest.mark.servers

Notice = dict[str, Any]
"""The attributes of a message, and its `payload` (None: it has none)."""


@dataclass
class Topic:
    """A topic with one subscription."""

    name: str
    channel: grpc.Channel

    def create(self) -> Topic:
        publisher = pubsub_v1.PublisherClient(transport=PublisherGrpcTransport(channel=self.channel))
        publisher.create_topic(name=f"projects/{PROJECT}/topics/{self.name}", timeout=20)
        self._subscriber().create_subscription(
            name=f"projects/{PROJECT}/subscriptions/{self.name}", topic=f"projects/{PROJECT}/topics/{self.name}", timeout=20
        )
        return self

    def pull(self, count: int, patience: float = 20) -> list[Notice]:
        """At least so many messages if they come in time, and all that came with them; by generation and event type."""
        notices: list[Notice] = []
        end, subscription = time.monotonic() + patience, f"projects/{PROJECT}/subscriptions/{self.name}"
        while len(notices) < count and time.monotonic() < end:
            try:
                pulled = self._subscriber().pull(subscription=subscription, max_messages=1000, retry=None, timeout=1.0)
            except DeadlineExceeded:
                continue
            for one in pulled.received_messages:
                payload = json.loads(one.message.data) if one.message.data else None
                notices.append({**one.message.attributes, "payload": payload})
            acknowledged = [one.ack_id for one in pulled.received_messages]
            if acknowledged:
                self._subscriber().acknowledge(subscription=subscription, ack_ids=acknowledged)
        return sorted(notices, key=lambda notice: (int(notice["objectGeneration"]), notice["eventType"]))

    def _subscriber(self) -> pubsub_v1.SubscriberClient:
        return pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=self.channel))


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """Its address."""
    with running_emulator() as address:
        yield address


@pytest.fixture(scope="module")
def server(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with storage_process(tmp_path_factory.mktemp("storage"), "--pubsub", emulator) as server:
        yield server


@pytest.fixture
def bucket(server: ServerProcess) -> storage.Bucket:
    return client_for(server.url).create_bucket(f"test-{secrets.token_hex(8)}")


@pytest.fixture
def topic(emulator: str) -> Iterator[Topic]:
    with grpc.insecure_channel(emulator) as channel:
        yield Topic(f"t-{secrets.token_hex(8)}", channel).create()


def notify(bucket: storage.Bucket, topic: Topic, **options: Any) -> BucketNotification:
    notification = bucket.notification(topic.name, topic_project=PROJECT, **{"payload_format": "JSON_API_V1"} | options)
    notification.create()
    return notification


def summary(notices: list[Notice]) -> list[tuple[str, str]]:
    return [(notice["eventType"], notice["objectId"]) for notice in notices]


def test_a_configuration_is_created_listed_read_and_deleted(bucket: storage.Bucket, topic: Topic) -> None:
    assert list(bucket.list_notifications()) == []
    before = int(bucket.client.get_bucket(bucket.name).metageneration)
    made = notify(
        bucket, topic, event_types=["OBJECT_DELETE"], blob_name_prefix="source/", custom_attributes={"env": "test"}
    )
    plain = notify(bucket, topic, payload_format="NONE")
    assert int(bucket.client.get_bucket(bucket.name).metageneration) == before + 2

    listed = list(bucket.list_notifications())
    assert [one.notification_id for one in listed] == [made.notification_id, plain.notification_id]
    assert [one.payload_format for one in listed] == ["JSON_API_V1", "NONE"]
    assert {(one.topic_name, one.topic_project) for one in listed} == {(topic.name, PROJECT)}
    read = bucket.get_notification(made.notification_id)
    assert (read.event_types, read.blob_name_prefix) == (["OBJECT_DELETE"], "source/")
    assert (read.custom_attributes, read._properties["kind"]) == ({"env": "test"}, "storage#notification")
    assert read.etag
    assert read.self_link.endswith(f"/b/{bucket.name}/notificationConfigs/{made.notification_id}")

    made.delete()
    assert not made.exists()
    assert [one.notification_id for one in bucket.list_notifications()] == [plain.notification_id]
    with pytest.raises(NotFound):
        made.delete()
    other = bucket.client.create_bucket(f"{bucket.name}-2")
    with pytest.raises(NotFound):
        other.get_notification(plain.notification_id)
    again = notify(bucket, topic)
    assert again.notification_id not in {made.notification_id, plain.notification_id}, "an id is never used again"


def test_the_form_of_a_message(bucket: storage.Bucket, topic: Topic) -> None:
    made = notify(bucket, topic, custom_attributes={"env": "test", "eventType": "OURS"})
    name = 'source/ä "x"\t100%?.csv'
    blob = bucket.blob(name)
    blob.metadata = {"k": "v"}
    blob.upload_from_string("hello", content_type="text/csv")
    (notice,) = topic.pull(1)
    payload = notice.pop("payload")
    assert datetime.fromisoformat(notice.pop("eventTime")).timestamp() == pytest.approx(blob.generation / 1e6, abs=1e-6)
    assert notice == {
        "notificationConfig": f"projects/_/buckets/{bucket.name}/notificationConfigs/{made.notification_id}",
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "JSON_API_V1",
        "bucketId": bucket.name,
        "objectId": name,
        "objectGeneration": str(blob.generation),
        "env": "test",
    }
    shown = {key: value for key, value in blob._properties.items() if not key.endswith("Link")}
    assert {key: value for key, value in payload.items() if not key.endswith("Link")} == shown


def test_every_change_of_an_object_is_announced(bucket: storage.Bucket, topic: Topic) -> None:
    notify(bucket, topic)
    first = bucket.blob("x")
    first.upload_from_string("1")
    first.metadata = {"a": "1"}
    first.patch()
    second = bucket.blob("x")
    second.upload_from_string("2")
    moved = bucket.move_blob(bucket.blob("x"), "y")
    bucket.delete_blob("y")
    notices = topic.pull(7)
    assert summary(notices) == [
        ("OBJECT_DELETE", "x"),
        ("OBJECT_FINALIZE", "x"),
        ("OBJECT_METADATA_UPDATE", "x"),
        ("OBJECT_DELETE", "x"),
        ("OBJECT_FINALIZE", "x"),
        ("OBJECT_DELETE", "y"),
        ("OBJECT_FINALIZE", "y"),
    ]
    replaced, created, changed, removed, replacing, deleted, _ = notices
    assert created["payload"].get("metadata") is None, "as it was when it happened"
    assert changed["payload"]["metadata"] == {"a": "1"}
    assert changed["payload"]["metageneration"] == "2"
    assert replaced["overwrittenByGeneration"] == replacing["objectGeneration"] == str(second.generation)
    assert replacing["overwroteGeneration"] == replaced["objectGeneration"] == str(first.generation)
    assert deleted["objectGeneration"] == str(moved.generation)
    assert [notice for notice in (created, changed, removed, deleted) if {"overwroteGeneration"} & notice.keys()] == []
    assert "overwrittenByGeneration" not in removed
    assert all("timeDeleted" in notice["payload"] for notice in (replaced, removed, deleted))
    assert "timeDeleted" not in changed["payload"]


def test_a_versioned_bucket_announces_what_becomes_noncurrent(bucket: storage.Bucket, topic: Topic) -> None:
    bucket.versioning_enabled = True
    bucket.patch()
    notify(bucket, topic, event_types=["OBJECT_ARCHIVE", "OBJECT_DELETE"])
    first, second = bucket.blob("x"), bucket.blob("x")
    first.upload_from_string("1")
    second.upload_from_string("2")
    bucket.delete_blob("x")
    bucket.delete_blob("x", generation=first.generation)
    archived, deleted, gone = topic.pull(3)
    assert summary([archived, deleted, gone]) == [
        ("OBJECT_ARCHIVE", "x"),
        ("OBJECT_DELETE", "x"),
        ("OBJECT_ARCHIVE", "x"),
    ]
    assert archived["overwrittenByGeneration"] == str(second.generation)
    assert archived["objectGeneration"] == deleted["objectGeneration"] == str(first.generation)
    assert gone["objectGeneration"] == str(second.generation)
    assert "overwrittenByGeneration" not in deleted | gone
    assert archived["payload"]["timeDeleted"] <= gone["payload"]["timeDeleted"]


def test_a_configuration_selects_events_and_names_and_may_have_no_payload(bucket: storage.Bucket, topic: Topic) -> None:
    notify(bucket, topic, event_types=["OBJECT_FINALIZE"], blob_name_prefix="source/", payload_format="NONE")
    twice = notify(bucket, topic, event_types=["OBJECT_DELETE"])
    for name in ("source", "source/a", "archive/source/b"):
        bucket.blob(name).upload_from_string("x")
    bucket.delete_blob("source")
    notices = topic.pull(2)
    assert sorted(summary(notices)) == [("OBJECT_DELETE", "source"), ("OBJECT_FINALIZE", "source/a")]
    finalized = notices[-1]
    assert (finalized["payloadFormat"], finalized["payload"]) == ("NONE", None)

    twice.delete()
    bucket.delete_blob("source/a")
    bucket.blob("source/last").upload_from_string("x")
    assert summary(topic.pull(1)) == [("OBJECT_FINALIZE", "source/last")], "a deleted configuration is silent"


def test_a_failed_change_is_not_announced(bucket: storage.Bucket, topic: Topic) -> None:
    notify(bucket, topic)
    url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o"
    for condition, status in (({"ifGenerationMatch": 7}, 412), ({}, 400)):
        query = {"uploadType": "media", "name": "refused", **condition}
        wrong_hash = {"x-goog-hash": "crc32c=AAAAAA=="}
        assert httpx.post(url, params=query, content=b"x", headers=wrong_hash).status_code == status
    bucket.blob("kept").upload_from_string("x")
    assert summary(topic.pull(1)) == [("OBJECT_FINALIZE", "kept")]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"topic": None}, "topic"),
        ({"topic": "outcomes"}, "pubsub.googleapis.com/projects/PROJECT"),
        ({"topic": "//pubsub_googleapis.com/projects/p/topics/outcomes"}, "Invalid topic"),
        ({"topic": "//pubsub.googleapis.com/projects/p/topics/t/../../x"}, "Invalid topic"),
        ({"topic": 7}, "Invalid topic"),
        ({"payload_format": None}, "payload_format"),
        ({"payload_format": "XML"}, "JSON_API_V1, NONE"),
        ({"event_types": ["OBJECT_LOST"]}, "OBJECT_LOST"),
        ({"event_types": "OBJECT_DELETE"}, "event_types"),
        ({"object_name_prefix": 7}, "object_name_prefix"),
        ({"custom_attributes": {f"k{n}": "v" for n in range(11)}}, "at most 10"),
        ({"custom_attributes": {"k": "v" * 1025}}, "'k'"),
        ({"custom_attributes": {"googclient": "v"}}, "googclient"),
        ({"custom_attributes": {"k": 1}}, "'k'"),
    ],
)
def test_a_wrong_configuration_is_refused_by_the_name_of_the_field(
    bucket: storage.Bucket, topic: Topic, wrong: dict[str, Any], word: str
) -> None:
    right = {"topic": f"//pubsub.googleapis.com/projects/{PROJECT}/topics/{topic.name}", "payload_format": "NONE"}
    url = f"{bucket.client.api_endpoint}/storage/v1/b/{bucket.name}/notificationConfigs"
    answer = httpx.post(url, json=right | wrong)
    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]
    assert list(bucket.list_notifications()) == []


def test_a_topic_may_lack_its_host_as_gcloud_writes_it(bucket: storage.Bucket, topic: Topic) -> None:
    body = {"topic": f"projects/{PROJECT}/topics/{topic.name}", "payload_format": "NONE"}
    url = f"{bucket.client.api_endpoint}/storage/v1/b/{bucket.name}/notificationConfigs"
    httpx.post(url, json=body).raise_for_status()
    assert [one.topic_name for one in bucket.list_notifications()] == [topic.name]


def test_a_missing_topic_bucket_or_emulator_is_named(
    bucket: storage.Bucket, storage_client: storage.Client, topic: Topic, tmp_path: Path
) -> None:
    absent = Topic("absent", topic.channel)
    with pytest.raises(BadRequest, match="topics/absent' not found"):
        notify(bucket, absent)
    with pytest.raises(NotFound, match="bucket does not exist"):
        notify(bucket.client.bucket("no-such-bucket"), topic)
    without = storage_client.create_bucket(f"{bucket.name}-2")
    with pytest.raises(BadRequest, match="--pubsub HOST:PORT"):
        notify(without, topic)
    server = storage_process(tmp_path, "--bucket", "unheard", "--pubsub", f"127.0.0.1:{free_port()}")
    with server, pytest.raises(ServiceUnavailable, match=r"Pub/Sub at 127\.0\.0\.1:\d+ does not answer"):
        notify(client_for(server.url).bucket("unheard"), topic)


def test_messages_wait_for_pubsub_through_kill_9_and_no_upload_fails(tmp_path: Path) -> None:
    """The emulator forgets its topics when it ends: publishing also goes on once the topic exists again."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    server = storage_process(tmp_path, "--bucket", "orders-data", "--pubsub", address)
    with server, grpc.insecure_channel(address) as channel:
        with running_emulator(port):
            notify(client_for(server.url).bucket("orders-data"), Topic("later", channel).create())
        for name in ("before-a", "before-b"):
            client_for(server.url).bucket("orders-data").blob(name).upload_from_string("x")
        status = httpx.get(f"{server.url}/_local/notifications")
        while "Connect" not in str(status.json()["last_errors"]):
            status = httpx.get(f"{server.url}/_local/notifications")
        assert status.json()["pending"] == 2
        server.kill()
        server.start()
        client_for(server.url).bucket("orders-data").blob("after").upload_from_string("x")
        with running_emulator(port):
            later = Topic("later", channel).create()
            notices = later.pull(3)
            assert {notice["objectId"] for notice in notices} == {"before-a", "before-b", "after"}
            end = time.monotonic() + 10
            while httpx.get(f"{server.url}/_local/notifications").json()["pending"]:
                assert time.monotonic() < end
            server.stop()
            server.start()
            assert httpx.get(f"{server.url}/_local/notifications").json()["pending"] == 0
            assert later.pull(1, patience=1.5) == [], "what Pub/Sub acknowledged is not published again"
