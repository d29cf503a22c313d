"""README and docs are checked against the code wherever possible. The generated parts: infra/contracts."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from functions.config import Config
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.store import tables
from tests.bench.chart import CHARTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONTRACT = (ROOT / "docs" / "contract.md").read_text()
TABLES = (ROOT / "docs" / "tables.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def test_the_version_of_the_contract_is_named() -> None:
    assert f"This is version {CONTRACT_VERSION} of the rules." in CONTRACT


def test_every_table_of_the_job_and_each_of_its_columns_is_explained() -> None:
    for one in fields(tables.Tables):
        assert f"`{ORDER_TRACKING.table_prefix}_{one.name}`" in TABLES
    for columns in (tables._PROVENANCE, tables._ATTEMPTS, tables._REJECTED_ROWS, tables._INGEST_LOG):
        for column, _, _ in columns:
            assert re.search(rf"\b{column}\b", TABLES), column


def test_every_setting_of_the_function_is_listed_with_its_default() -> None:
    source = (ROOT / "functions" / "config.py").read_text()
    names = set(re.findall(r'"([A-Z][A-Z_]+)"', source))
    assert {"DATABRICKS_JOB_ID", "SOURCE_PREFIX", "OUTCOME_TOPIC"} <= names
    assert [name for name in names if name not in CONFIGURATION] == []
    default = Config(job_id=1)
    for value in (default.launch_window_seconds, default.max_bad_row_ratio, default.sweep_grace_seconds):
        assert f"| {value} |" in CONFIGURATION


@each_page
def test_every_make_target_in_code_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named - targets == set()


@each_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


def anchors(page: Path) -> set[str]:
    """As GitHub derives them from headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reachable_from_the_readme() -> None:
    readme = PAGES[0].read_text()
    assert [page for page in PAGES[1:] if f"({page.relative_to(ROOT).as_posix()}" not in readme] == []


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_shows_the_recorded_results_and_stays_small(name: str) -> None:
    """If this fails: python -m tests.bench.chart."""
    path = ROOT / "docs" / name
    recorded = json.loads((ROOT / "docs" / "performance.json").read_text())
    assert path.read_text() == CHARTS[name](recorded)
    assert path.stat().st_size < 15_000
