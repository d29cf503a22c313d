"""A sender who uploads a perfectly forged mark: through the real storage server and Google's client, to the handler."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from functions.handler import handle_upload
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from tests.fakes.dependencies import BAD_HEADER, BUCKET, NAME, FakeDependencies
from tests.storage_fixtures import client_for, storage_process


@pytest.mark.servers
def test_a_perfectly_forged_mark_does_not_bypass_validation(tmp_path: Path) -> None:
    """It even names the right generation, which a real sender would have to guess."""
    with storage_process(tmp_path) as server:
        client_for(server.url).create_bucket(BUCKET)
    generation = time.time_ns() // 1000 + 3_600_000_000
    with sqlite3.connect(tmp_path / "storage.db") as connection:
        connection.execute("INSERT OR REPLACE INTO counters VALUES ('generation', ?)", (generation - 1,))
    with storage_process(tmp_path) as server:
        bucket = client_for(server.url).bucket(BUCKET)
        blob = bucket.blob(NAME)
        forged = AcceptedMark(generation, CONTRACT_VERSION, rows=1, bad_rows=0, partial=False, splittable=True)
        blob.metadata = forged.as_metadata()
        blob.upload_from_string(BAD_HEADER, content_type="text/csv")
        assert (blob.generation, blob.metageneration) == (generation, 1)
        assert AcceptedMark.valid_on(generation, 2, len(BAD_HEADER), blob.metadata) == forged
        fake = FakeDependencies()
        fake.store = GcsFileStore(bucket.client)  # type: ignore[assignment]
        handle_upload(FileId(BUCKET, NAME, generation), fake.deps)
        assert fake.job.runs == {}
        assert [outcome.kind for outcome in fake.announcer.outcomes] == ["rejected"]
        assert bucket.get_blob(NAME) is None
