"""Pub/Sub refuses messages that don't match the topic's schema: every field that we send must match."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome
from tests.infra.gcp.provider_schemas import ROOT
from tests.infra.gcp.terraform_files import load

SCHEMA = ROOT / "infra" / "gcp" / "outcome.proto"
FILE = FileId("files", "source/order_tracking_2026_01_31.csv", 1769925603096523)
NOW = datetime(2026, 2, 1, 6, 0, tzinfo=UTC)
SPARSE = Outcome(FILE, "rejected", "order_tracking", NOW)
FULL = Outcome(
    FILE, "merged", "order_tracking", NOW, 2**40, 1, 2, 3, 4, reason="…", report="rejected/x.report.json", batch_id="b"
)


@pytest.fixture(scope="module")
def message(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The schema's only message, compiled by Google's own compiler."""
    target = tmp_path_factory.mktemp("proto") / "outcome.bin"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={SCHEMA.parent}"]
    subprocess.run([*command, f"--descriptor_set_out={target}", SCHEMA.name], check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Outcome"))


@pytest.mark.parametrize("outcome", [SPARSE, FULL], ids=["sparse", "full"])
def test_a_message_matches_the_schema_without_loss(message: Any, outcome: Outcome) -> None:
    sent = json.loads(outcome.as_message())
    read = json_format.ParseDict(sent, message(), ignore_unknown_fields=False)
    back = json_format.MessageToDict(read, preserving_proto_field_name=True)
    as_json_has_it = {name: str(v) if name in INT64 else v for name, v in sent.items() if v is not None}
    assert back == as_json_has_it


INT64 = {"rows", "rejected_rows", "inserted", "updated", "outranked"}


def test_an_unknown_field_is_refused(message: Any) -> None:
    sent = {**json.loads(FULL.as_message()), "added_later": 1}
    with pytest.raises(json_format.ParseError, match="added_later"):
        json_format.ParseDict(sent, message())


def test_every_field_of_the_schema_is_sent(message: Any) -> None:
    assert set(message.DESCRIPTOR.fields_by_name) == set(json.loads(FULL.as_message()))


def test_the_topic_uses_this_schema_with_json_encoding() -> None:
    resources = load(Path(SCHEMA.parent / "foundation")).resources
    assert "../outcome.proto" in resources["google_pubsub_schema", "outcome"]["definition"]
    (settings,) = resources["google_pubsub_topic", "outcomes"]["schema_settings"]
    assert settings["encoding"] == '"JSON"'
