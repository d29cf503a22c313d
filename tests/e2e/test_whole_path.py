"""From an upload to merged rows through real processes: storage, function, job, Spark, Delta, Pub/Sub.

One stack and one burst of uploads for the module; the tests look at what came of it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.local.services.pubsub import pull_outcomes
from infra.local.uploads import Uploaded
from spark_jobs.store.java import JavaError, find_java
from tests.browser import OpenPage
from tests.e2e.reading import HEADER, line, log_lines, newest_of, runs, send, settle, states, table, target
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.e2e

MONDAY = HEADER + b"".join(line(f"A{n}", "pending", f"2026-01-26 10:{n:02}:00") for n in range(50))
TUESDAY = HEADER + b"".join(
    line(f"A{n}", "shipped", f"2026-01-27 10:{n:02}:00", '"12 ""Elm"", rear"') for n in range(25, 60)
)
FOLDER_DAY = HEADER.replace(b"\n", b"\r\n") + line("B1", "In_Transit", "2026-01-28T09:00:00+01:00").replace(b"\n", b"\r\n")
BAD_ROWS = HEADER + b"".join(line(f"C{n}") for n in range(30)) + line("C99", "on its way")
ONLY_HEADER = HEADER
MANY_BAD_ROWS = HEADER + line("D1") + line("D2", "on its way")
BROKEN_HEADER = HEADER.replace(b"tracking_num", b"tracking_no") + line("E1")
UNCLOSED = HEADER + line("F1") + b'O-F2,F2,,,shipped,"no end,2026-01-31 10:00:00\n'

GOOD = {
    "order_tracking_2026_01_26.csv": MONDAY,
    "order_tracking_2026_01_27.csv": TUESDAY,
    "eu west/order_tracking_2026_01_28.csv": FOLDER_DAY,
    "order_tracking_2026_01_29.csv": BAD_ROWS,
    "order_tracking_2026_01_30.csv": ONLY_HEADER,
}
BAD = {
    "order_tracking_2026_02_01.csv": ("missing_column", BROKEN_HEADER),
    "order_tracking_2026_02_02.csv": ("encoding", HEADER + line("G1", address="Köln").replace("ö".encode(), b"\xf6")),
    "order_tracking_2026_02_03.csv": ("unclosed_quote", UNCLOSED),
    "order_tracking_2026_02_04.csv": ("too_many_bad_rows", MANY_BAD_ROWS),
    "order_tracking_2026_02_05.csv": (None, bytes(range(256)) * 200),
    "order_tracking_2026_02_07.csv": (None, b"\x00"),
    "order_tracking_2026_02_08.csv": ("no_header", b"\n\r\n"),
    "order_tracking_2026_02_06.csv": ("record_too_long", b'"' + b"x" * (2 * 1024 * 1024)),
    "order_tracking_2026_02_30.csv": ("file_name", MONDAY),
}
ODD_NAMES = [
    "with space and 100%.csv",
    "%2e%2e%2forder_tracking_2026_01_31.csv",
    "\"double\" 'single'.csv",
    "Straße/заказы/注文🚚.csv",
    "tab\tescape\x1band\u2028line separator.csv",  # the service refuses CR and LF itself
    "a#b?c=d&e;f.csv",
    "../../etc/order_tracking_2026_01_31.csv",
    "..",
    "//order_tracking_2026_01_31.csv",
    "\u202egnp.exe",
    "x" * (1024 - len("source/")),
    "é" * ((1024 - len("source/")) // 2),
]
NO_BYTES = "source/order_tracking_2026_03_01.csv"
PLACEHOLDER = "source/folder/"
ELSEWHERE = "elsewhere/order_tracking_2026_03_02.csv"


@dataclass
class Burst:
    """All that was uploaded, and what a reader saw of the target meanwhile."""

    stack: RunningStack
    files: dict[str, Uploaded] = field(default_factory=dict)
    seen: list[dict[str, int]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


@pytest.fixture(scope="module")
def burst(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Burst]:
    """Everything at once, each event twice and out of order; nothing but events moves it (the sweep is far away)."""
    try:
        find_java()
    except JavaError as missing:
        pytest.fail(str(missing))
    stack = RunningStack(tmp_path_factory.mktemp("stack"), "--sweep-every=3600")
    burst = Burst(stack.start())
    stop = threading.Event()
    reader = threading.Thread(target=read_all_the_while, args=(burst, stop))
    try:
        stack.set_events(repeat=1, reorder=True)
        reader.start()
        for name, content in GOOD.items():
            burst.files[name] = send(stack, name, content)
        for name, (_, content) in BAD.items():
            burst.files[name] = send(stack, name, content)
        for name in ODD_NAMES:
            burst.files[name] = send(stack, name, MONDAY)
        for name, content in [(NO_BYTES, b""), (PLACEHOLDER, b""), (ELSEWHERE, MONDAY)]:
            stack.bucket.blob(name).upload_from_string(content)
        settle(stack, but=(NO_BYTES, PLACEHOLDER))
        stop.set()
        reader.join()
        yield burst
    finally:
        stop.set()
        stack.stop()
        stack.assert_nothing_left()


def read_all_the_while(burst: Burst, stop: threading.Event) -> None:
    """As a dashboard would: how many rows of each file the target shows, again and again."""
    while not stop.is_set():
        try:
            counts: dict[str, int] = {}
            for row in table(burst.stack, "orders_target", "file_id"):
                counts[row["file_id"]] = counts.get(row["file_id"], 0) + 1
            if counts and counts not in burst.seen:
                burst.seen.append(counts)
        except Exception as error:  # noqa: BLE001 - the test shows which
            burst.errors.append(error)
        stop.wait(0.2)


def test_the_target_is_what_the_tests_own_reading_of_the_accepted_files_gives(burst: Burst) -> None:
    assert target(burst.stack) == newest_of(*GOOD.values())


def test_source_is_empty_but_for_what_has_no_bytes(burst: Burst) -> None:
    """An object without bytes may be a writer's first step, and a placeholder is a folder: neither is a file."""
    assert set(burst.stack.names("source/")) == {NO_BYTES, PLACEHOLDER}
    assert ELSEWHERE in burst.stack.names()


def test_merged_files_lie_in_the_archive_under_the_day_of_their_name(burst: Burst) -> None:
    layout = set()
    for name in GOOD:
        day = name[-len("2026_01_26.csv") : -len(".csv")]
        folder = name.removeprefix("source/").rpartition("order_tracking")[0]
        layout.add(f"archive/{day.replace('_', '/')}/{folder}order_tracking_{day}.{burst.files[name].generation}.csv")

    assert set(burst.stack.names("archive/")) == layout


def test_the_log_has_one_balanced_line_for_each_merged_file(burst: Burst) -> None:
    lines = log_lines(burst.stack)

    assert set(lines) == {burst.files[name].file_id for name in GOOD}
    for one in lines.values():
        assert one["outcome"] == "merged"
        assert one["rows"] == one["inserted"] + one["updated"] + one["outranked"] + one["rejected_rows"]
        assert one["balanced"] is True
    assert lines[burst.files["order_tracking_2026_01_30.csv"].file_id]["rows"] == 0


def test_bad_rows_are_set_aside_with_raw_line_and_violations(burst: Burst) -> None:
    [row] = table(burst.stack, "orders_rejected_rows")

    assert row["file_id"] == burst.files["order_tracking_2026_01_29.csv"].file_id
    assert row["row_number"] == 31
    assert row["raw_line"].encode() + b"\n" == line("C99", "on its way")
    [violation] = row["violations"]
    assert (violation["code"], violation["column"], violation["value"]) == ("unknown_status", "status", "on its way")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_lies_in_rejected_whole_with_a_report_that_says_why(burst: Burst, name: str) -> None:
    code, content = BAD[name]
    place = f"rejected/{name}.{burst.files[name].generation}"

    assert burst.stack.bucket.blob(place).download_as_bytes() == content
    report = json.loads(burst.stack.bucket.blob(place + ".report.json").download_as_bytes())
    assert report["file"] == burst.files[name].file_id
    first = report["violations"][0]
    assert first["message"]
    assert code is None or first["code"] == code


@pytest.mark.parametrize("name", ODD_NAMES)
def test_whatever_an_object_is_called_it_ends_in_rejected_with_its_whole_name_in_the_report(
    burst: Burst, name: str
) -> None:
    uploaded = burst.files[name]
    layout = [n for n in burst.stack.names("rejected/") if n.endswith(f".{uploaded.generation}")]

    assert len(layout) == 1
    assert burst.stack.bucket.blob(layout[0]).download_as_bytes() == MONDAY
    report = json.loads(burst.stack.bucket.blob(layout[0] + ".report.json").download_as_bytes())
    assert report["file"] == uploaded.file_id
    assert report["violations"][0]["code"] == "file_name"


def test_every_outcome_was_told_on_pubsub(burst: Burst) -> None:
    at = burst.stack.addresses
    if at.pubsub is None:
        pytest.skip("gcloud's Pub/Sub emulator isn't installed")
    wanted = {burst.files[name].file_id: "merged" for name in GOOD}
    wanted |= {burst.files[name].file_id: "rejected" for name in [*BAD, *ODD_NAMES]}

    outcomes = {
        message["file"]: message["outcome"] for message in pull_outcomes(at.pubsub, at_least=len(wanted), patience=20)
    }

    assert outcomes == wanted


def test_a_burst_costs_few_runs_and_all_of_them_succeed(burst: Burst) -> None:
    assert set(states(burst.stack)) == {"TERMINATED"}
    results = [run.state.result_state.value for run in runs(burst.stack) if run.state and run.state.result_state]
    assert set(results) == {"SUCCESS"}
    assert len(results) < len(GOOD) * 2  # as many events came in


def test_a_reader_beside_it_never_saw_half_a_file(burst: Burst) -> None:
    """Rows of a file appear all at once; later they only give way to newer ones."""
    assert not burst.errors
    assert burst.seen
    whole = {burst.files[name].file_id: len(newest_of(content)) for name, content in GOOD.items()}
    for counts in burst.seen:
        for file_id, count in counts.items():
            others = sum(n for other, n in whole.items() if other != file_id)
            assert whole[file_id] - others <= count <= whole[file_id]
    assert burst.seen[-1] == {
        burst.files["order_tracking_2026_01_26.csv"].file_id: 25,
        burst.files["order_tracking_2026_01_27.csv"].file_id: 35,
        burst.files["eu west/order_tracking_2026_01_28.csv"].file_id: 1,
        burst.files["order_tracking_2026_01_29.csv"].file_id: 30,
    }


def test_the_functions_log_names_each_file_and_what_was_decided(burst: Burst) -> None:
    decided: dict[str, str] = {}
    for text in burst.stack.log("function").splitlines():
        if text.startswith("{"):
            entry = json.loads(text)
            if entry["message"] == "accepted" or entry["message"].startswith("rejected"):
                decided[entry["file"]] = entry["message"].partition(":")[0]

    assert {decided[burst.files[name].file_id] for name in GOOD} == {"accepted"}
    assert {decided[burst.files[name].file_id] for name in [*BAD, *ODD_NAMES]} == {"rejected"}


def test_the_tables_are_where_the_stack_says(burst: Burst) -> None:
    warehouse = Path(burst.stack.addresses.warehouse)

    assert {"orders_target", "orders_ingest_log", "orders_rejected_rows"} <= {path.name for path in warehouse.iterdir()}


def test_the_console_shows_it_all_and_runs_nothing_that_a_sender_wrote(burst: Burst, open_page: OpenPage) -> None:
    one = open_page(f"{burst.stack.addresses.console}/")
    page = one.page
    page.wait_for_function("document.documentElement.dataset.drawn == 'yes'")
    for name in ["status_funnel", "files_by_day", "rejected_files", "customer_orders"]:
        assert page.locator(f"#{name}").count() == 1
    for chart in page.locator(".chart").all():
        assert chart.locator("svg .mark-rect path, svg .mark-symbol path, svg .mark-text text").count() > 0
    assert page.locator("svg.timeline rect.merge").count() > 0
    assert page.locator("#live td a", has_text="order_tracking_2026_01_26.csv").count() > 0
    counts = dict(
        page.evaluate(
            "JSON.parse(document.getElementById('answers').textContent).status_funnel.rows.map(r => [r[0], r[2]])"
        )
    )
    assert sum(counts.values()) == len(newest_of(*GOOD.values()))

    page.locator("#live td a", has_text="escape").first.click()
    assert "the file must be named" in page.locator("main").inner_text()
    page.go_back()
    page.locator("#live td a", has_text="order_tracking_2026_01_27.csv").first.click()
    events = page.locator("ol.events li b").all_inner_texts()
    assert events == ["seen", "validated", "taken", "merged", "archived"]
    page.fill("#key", "A30")
    page.click("text=Explain")
    assert "the target has row" in page.locator("main").inner_text()


def test_a_file_is_checked_and_then_uploaded_in_the_console(burst: Burst, open_page: OpenPage) -> None:
    page = open_page(f"{burst.stack.addresses.console}/").page
    content = HEADER + line("Z1", "on its way") + line("Z2", "<img src=x onerror=alert(1)>")
    bad = {"name": "order_tracking_2026_03_09.csv", "mimeType": "text/csv", "buffer": content}
    page.set_input_files("#upload-file", bad)  # type: ignore[arg-type]
    result = page.locator("#upload-result")
    result.locator("button").wait_for()
    assert "more than the allowed 10%" in result.inner_text()
    assert not [name for name in burst.stack.names() if "2026_03_09" in name], (
        "it is not uploaded before the reader says so"
    )

    result.locator("button").click()
    result.locator("a").click()
    page.locator("h1").wait_for()
    until(lambda: [name for name in burst.stack.names("rejected/") if "2026_03_09" in name], "the function has rejected it")
    page.reload()
    assert "moved to rejected" in page.locator("ol.events").inner_text()
    assert "<img src=x onerror=alert(1)>" in page.locator("table").first.inner_text()
