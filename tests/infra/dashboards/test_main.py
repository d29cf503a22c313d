"""The generated files of the bundle are current."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.dashboards.__main__ import ALERTS, DASHBOARD, ROOT, documents, write
from spark_jobs.contract.feeds import FEEDS
from tests.infra.contracts.odd_feed import ODD


@pytest.mark.parametrize("path", documents(), ids=str)
def test_every_generated_file_is_current(path: Path) -> None:
    """If this fails: make contracts."""
    assert (ROOT / path).read_text() == documents()[path]


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    assert write(tmp_path) == [DASHBOARD, ALERTS]
    assert write(tmp_path) == []
    (tmp_path / ALERTS).write_text("targets: {}\n")
    assert write(tmp_path) == [ALERTS]


def test_another_feed_gets_its_datasets_and_alerts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in documents():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    monkeypatch.setitem(FEEDS, ODD.name, ODD)
    assert write(tmp_path) == [DASHBOARD, ALERTS]
    assert f"{ODD.table_prefix}_ingest_log" in (tmp_path / DASHBOARD).read_text()
    assert f"`${{var.schema}}`.{ODD.table_prefix}_ingest_log" in (tmp_path / ALERTS).read_text()
