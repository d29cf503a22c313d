"""The README tells the truth where a machine can check it. Run as a program, it prints the table of codes."""

from __future__ import annotations

import re
from pathlib import Path

from functions.config import Config
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.violations import RULES
from spark_jobs.store import tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def table_of_codes() -> str:
    def row(code: str) -> str:
        rule = RULES[code]
        return f"| `{code}` | {'file' if rule.whole_file else 'row'} | {rule.title} | {rule.example} | {rule.remedy} |"

    rows = [row(code) for code in RULES]
    return "\n".join(["| code | of the | what is wrong | for example | remedy |", "|---|---|---|---|---|", *rows])


def test_every_violation_code_is_listed_with_an_example_and_the_remedy() -> None:
    assert table_of_codes() in README


def test_every_column_of_a_file_and_every_status_is_named() -> None:
    for name in (*ORDER_TRACKING.column_names, *ORDER_TRACKING.statuses):
        assert name in README


def test_every_table_of_the_job_and_each_of_its_columns_is_explained() -> None:
    for name in tables._NAMES:
        assert f"`{name}`" in README
    for columns in (tables._PROVENANCE, tables._ATTEMPTS, tables._REJECTED_ROWS, tables._INGEST_LOG):
        for column, _, _ in columns:
            assert re.search(rf"\b{column}\b", README), column


def test_every_setting_of_the_function_is_listed_with_its_default() -> None:
    source = (ROOT / "functions" / "config.py").read_text()
    names = set(re.findall(r'"([A-Z][A-Z_]+)"', source))
    assert {"DATABRICKS_JOB_ID", "SOURCE_PREFIX", "OUTCOME_TOPIC"} <= names
    assert [name for name in names if name not in README] == []
    default = Config(job_id=1)
    for value in (default.launch_window_seconds, default.max_bad_row_ratio, default.sweep_grace_seconds):
        assert f"| {value} |" in README


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert named - targets == set()


if __name__ == "__main__":
    print(table_of_codes())
