"""README and docs are checked against the code wherever possible. Run as a program, it prints the table of codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from functions.config import Config
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.violations import RULES
from spark_jobs.store import tables
from tests.bench.chart import CHARTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONTRACT = (ROOT / "docs" / "contract.md").read_text()
TABLES = (ROOT / "docs" / "tables.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def table_of_codes() -> str:
    def row(code: str) -> str:
        rule = RULES[code]
        return f"| `{code}` | {'file' if rule.whole_file else 'row'} | {rule.title} | {rule.example} | {rule.remedy} |"

    rows = [row(code) for code in RULES]
    return "\n".join(["| code | scope | what is wrong | example | remedy |", "|---|---|---|---|---|", *rows])


def test_every_violation_code_is_listed_with_an_example_and_the_remedy() -> None:
    assert table_of_codes() in CONTRACT


def test_every_column_of_a_file_and_every_status_is_listed() -> None:
    for name in (*ORDER_TRACKING.column_names, *ORDER_TRACKING.statuses):
        assert name in CONTRACT


def test_every_table_of_the_job_and_each_of_its_columns_is_explained() -> None:
    for name in tables._NAMES:
        assert f"`{name}`" in TABLES
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
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name}" not in readme] == []


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_shows_the_recorded_results_and_stays_small(name: str) -> None:
    """If this fails: python -m tests.bench.chart."""
    path = ROOT / "docs" / name
    recorded = json.loads((ROOT / "docs" / "performance.json").read_text())
    assert path.read_text() == CHARTS[name](recorded)
    assert path.stat().st_size < 15_000


if __name__ == "__main__":
    print(table_of_codes())
