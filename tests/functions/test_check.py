"""The checker: its output for senders, and what scripts can rely on."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from functions import check
from spark_jobs.contract.violations import RULES

HEADER = "order_num,tracking_num,pck_recieved_date,package_deliver_date,status,address,last_update_timestamp\n"
GOOD = "A1,T1,2026-01-10,2026-01-12,delivered,1 Main St,2026-01-12 10:00:00\n"
BAD = "A1,T1,2026-01-10,2026-01-12,shippd,1 Main St,2026-01-12 10:00:00\n"
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(check.main, [str(argument) for argument in arguments])


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    path = tmp_path / "order_tracking_2026_01_31.csv"
    path.write_text(HEADER + GOOD * 20)
    return path


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    path = tmp_path / "order_tracking_2026_01_30.csv"
    path.write_text(HEADER + GOOD * 20 + BAD + BAD)
    return path


def test_a_clean_file_is_one_line_and_status_0(clean: Path) -> None:
    result = run(clean)
    assert result.exit_code == 0
    assert result.stdout == f"{clean}: no violations in 20 rows; would be accepted\n"


def test_violations_are_listed_like_a_linter_does_with_one_help_line_per_code(flawed: Path) -> None:
    result = run(flawed)
    first, help_line, second, footer = result.stdout.splitlines()
    assert result.exit_code == 1
    assert first.startswith(f"{flawed}:22:29: unknown_status status must be one of order placed, ")
    assert first.endswith("(found 'shippd')")
    assert help_line == f"  help: {RULES['unknown_status'].remedy}"
    assert second.startswith(f"{flawed}:23:29: unknown_status")
    assert footer == f"{flawed}: found 2 violations in 2 of 22 rows; would be accepted with 2 rows quarantined"


def test_the_ratio_decides_whether_the_file_is_rejected(flawed: Path) -> None:
    result = run(flawed, "--max-bad-row-ratio", "0.01")
    assert result.exit_code == 1
    assert f"{flawed}: too_many_bad_rows 2 of 22 rows violate a rule" in result.stdout
    assert "would be rejected" in result.stdout


def test_json_prints_one_report_per_line_and_nothing_else(clean: Path, flawed: Path) -> None:
    result = run(clean, flawed, "--json")
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [report["file"] for report in reports] == [str(clean), str(flawed)]
    assert [report["bad_rows"] for report in reports] == [0, 2]
    assert {violation["line"] for violation in reports[1]["violations"]} == {22, 23}


def test_an_unreadable_file_is_status_2_and_the_others_are_still_validated(clean: Path, tmp_path: Path) -> None:
    missing = tmp_path / "order_tracking_2026_01_01.csv"
    result = run(missing, clean)
    assert result.exit_code == 2
    assert result.stderr == f"{missing}: can't read the file: No such file or directory\n"
    assert result.stdout.startswith(f"{clean}: no violations")


def test_a_wrong_name_is_a_violation(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER)
    result = run(path)
    assert result.exit_code == 1
    assert f"{path}: file_name the file must be named order_tracking_YYYY_MM_DD.csv" in result.stdout


CUSTOMER_ORDERS = """\
order_id,customer_id,customer_name,customer_email,customer_address,ordered_at,status,items,currency,order_total,\
shipping_method,shipping_address,expected_delivery_date,payment_method,payment_status,transaction_id,last_update_timestamp
O1,C1,Ada,ada@example.com,,2026-01-30 09:12:00,shipped,"[{""product_id"":""P1"",""quantity"":QUANTITY,""unit_price"":2.5}]"\
,EUR,2.50,,,2026-02-03,card,paid,,2026-01-31 10:00:00
"""


def test_the_name_determines_the_feed_unless_one_is_given(tmp_path: Path) -> None:
    named, unnamed = tmp_path / "customer_orders_2026_01_31.csv", tmp_path / "export.csv"
    named.write_text(CUSTOMER_ORDERS.replace("QUANTITY", "1"))
    assert run(named).stdout == f"{named}: no violations in 1 row; would be accepted\n"
    assert "missing_column the header has no column order_num" in run(named, "--feed", "order_tracking").stdout
    unnamed.write_text(CUSTOMER_ORDERS.replace("QUANTITY", "0"))
    assert "file_name" in run(unnamed).stdout
    result = run(unnamed, "--feed", "customer_orders", "--json")
    report = json.loads(result.stdout)
    assert report["feed"] == "customer_orders"
    assert report["violations"][1]["column"] == "items[0].quantity"


def test_an_unknown_feed_is_wrong_usage_that_lists_the_feeds(clean: Path) -> None:
    result = run(clean, "--feed", "invoices")
    assert result.exit_code == 2
    assert "there is no feed 'invoices'; the feeds are order_tracking, customer_orders" in result.stderr


@pytest.mark.parametrize("code", RULES)
def test_every_code_is_explained(code: str) -> None:
    result = run("--explain", code)
    assert result.exit_code == 0
    for text in (code, RULES[code].title, RULES[code].example, RULES[code].remedy):
        assert text in result.stdout


@pytest.mark.parametrize("arguments", [[], ["--explain", "nonsense"], ["--max-bad-row-ratio", "2", "x.csv"], ["--wrong"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_progress_is_shown_only_if_stderr_is_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "order_tracking_2026_01_31.csv"
    path.write_text(HEADER + GOOD * (check.PROGRESS_FROM_BYTES // len(GOOD) + 1))
    command = [sys.executable, "-m", "functions.check", str(path)]
    screen, terminal = pty.openpty()
    watched = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, check=False)
    os.close(terminal)
    shown = os.read(screen, 100_000).decode()
    os.close(screen)
    assert path.name in shown
    assert watched.returncode == 0
    assert watched.stdout.decode().startswith(f"{path}: no violations")
    assert "\x1b" not in watched.stdout.decode()
    unwatched = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert unwatched.stderr == b""
