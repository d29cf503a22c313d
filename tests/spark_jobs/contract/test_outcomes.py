"""The message that announces an outcome."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome

NOON_IN_TOKYO = datetime(2026, 2, 1, 12, tzinfo=timezone(timedelta(hours=9)))


def test_a_message_has_the_full_file_id_and_small_attributes() -> None:
    outcome = Outcome(FileId("b", "source/" + "é" * 500, 7), "merged", "order_tracking", NOON_IN_TOKYO, rows=3, inserted=0)
    body = json.loads(outcome.as_message())
    assert FileId.parse(body["file"]) == outcome.file
    assert (body["outcome"], body["rows"], body["inserted"], body["updated"]) == ("merged", 3, 0, None)
    assert body["at"] == "2026-02-01T03:00:00+00:00"
    assert outcome.attributes() == {"outcome": "merged", "feed": "order_tracking"}
