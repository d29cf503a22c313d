"""Concurrent clients: with preconditions, exactly one of them wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage

from infra.local.services.process import ServerProcess
from tests.storage_fixtures import client_for

pytestmark = pytest.mark.servers

RACERS = 16


def test_one_creator_wins(bucket: storage.Bucket) -> None:
    def create(number: int) -> bool:
        try:
            bucket.blob("raced").upload_from_string(str(number), if_generation_match=0)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        changed = list(pool.map(create, range(RACERS)))
    assert changed.count(True) == 1
    assert bucket.blob("raced").download_as_bytes() == str(changed.index(True)).encode()


def test_one_mover_wins(bucket: storage.Bucket) -> None:
    blob = bucket.blob("here")
    blob.upload_from_string("x")

    def move(number: int) -> bool:
        try:
            bucket.move_blob(blob, f"there-{number}", if_source_generation_match=blob.generation)
        except (PreconditionFailed, NotFound):
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        changed = list(pool.map(move, range(RACERS)))
    assert changed.count(True) == 1
    assert [found.name for found in bucket.list_blobs()] == [f"there-{changed.index(True)}"]


def test_no_increment_is_lost(bucket: storage.Bucket) -> None:
    """Read, add one, write if unchanged: with 8 writers, the counter ends at the number of increments."""
    bucket.blob("counter").upload_from_string("0")

    def increment(_: int) -> int:
        for attempt in range(1000):
            blob = bucket.get_blob("counter")
            try:
                value = int(blob.download_as_bytes(if_generation_match=blob.generation)) + 1
                bucket.blob("counter").upload_from_string(str(value), if_generation_match=blob.generation)
            except (PreconditionFailed, NotFound):
                continue
            return attempt
        raise AssertionError("never won")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(24)))
    assert bucket.blob("counter").download_as_bytes() == b"24"


def test_a_reader_sees_one_whole_generation_while_it_is_replaced(
    storage_server: ServerProcess, bucket: storage.Bucket
) -> None:
    contents = [bytes([65 + number]) * 300_000 for number in range(10)]
    bucket.blob("x").upload_from_string(contents[0])

    def write() -> None:
        for content in contents:
            bucket.blob("x").upload_from_string(content)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        reader = client_for(storage_server.url).bucket(bucket.name)
        while not writing.done():
            assert reader.blob("x").download_as_bytes() in contents
        writing.result()
