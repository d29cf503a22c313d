"""The page as text, and in real headless Chromium."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader

from spark_jobs.questions.answers import Answer
from spark_jobs.report.gather import Gathered, answer_name
from spark_jobs.report.page import MAX_BYTES, embedded, render
from spark_jobs.report.values import as_json
from tests.browser import OpenPage
from tests.spark_jobs.report.made_up import HOSTILE, gathered

PHONE = {"width": 360, "height": 740}
ORDER_TRACKING = {
    *("waiting", "rejected_files", "files_by_day", "bad_rows", "latency", "retries", "notes", "ties", "replays"),
    *("status_funnel", "lead_time", "stuck", "overdue", "late_updates", "regressions"),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("page") / "report.html"
    written.write_text(render(gathered()), "utf-8")
    return written


def included(page: str, name: str = "answers") -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def drawn(open_page: OpenPage, file: Path, **options: Any) -> Any:
    page = open_page(file, **options).page
    page.wait_for_selector("html[data-drawn]")
    return page


def changed(whole: Gathered, name: str, new: Answer) -> Gathered:
    """The same with another answer about order tracking."""
    first, *others = whole.feeds
    answers = [new if one.question.name == name else one for one in first.answers]
    return replace(whole, feeds=[replace(first, answers=answers), *others])


def found(whole: Gathered, name: str) -> Answer:
    return next(one for one in whole if answer_name(one.question.feed, one.question.name) == name)


def test_the_answers_are_included_by_name_with_all_digits() -> None:
    whole = gathered()
    answers = included(render(whole))

    assert {name for name in answers if "." not in name} == ORDER_TRACKING
    assert all(name.startswith("customer_orders.") for name in answers.keys() - ORDER_TRACKING)
    assert len(answers) == len(list(whole))
    for one in whole:
        shown = answers[answer_name(one.question.feed, one.question.name)]
        assert shown["title"] == one.question.title
        assert shown["columns"] == list(one.question.columns)
        assert [tuple(map(parsed, row)) for row in shown["rows"]] == [tuple(map(comparable, row)) for row in one.rows]


def parsed(value: Any) -> Any:
    """A decimal and a time are texts in JSON."""
    if isinstance(value, str) and re.fullmatch(r"\d+\.\d\d", value):
        return Decimal(value)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value):
        return datetime.fromisoformat(value)
    return value


def comparable(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


def test_no_text_ends_the_element_that_it_is_embedded_in() -> None:
    text = embedded({"texts": HOSTILE})

    assert json.loads(text) == {"texts": list(HOSTILE)}
    assert text.isascii()
    assert not set("<>&") & set(text)


def test_the_page_loads_nothing_and_stays_small_however_much_there_is_to_show() -> None:
    whole = gathered(rows=3000)
    page = render(whole)

    assert len(page.encode()) <= MAX_BYTES
    assert not re.search(r'<(?:link|img|iframe|script)[^>]*(?:src|href)\s*=\s*["\']?(?!data:)', page.split("<script>")[0])
    shown = included(page)["files_by_day"]
    days = [row[0] for row in shown["rows"]]
    assert shown["total"] == 3000
    assert days[-1] == max(row[0] for row in found(whole, "files_by_day").rows).isoformat(), "the latest are kept"
    assert "Last 5 of 3,000 rows" in page or "Last 50 of 3,000 rows" in page


def test_a_missing_answer_and_one_without_rows_say_so() -> None:
    whole = gathered()
    whole = changed(whole, "ties", Answer(found(whole, "ties").question, []))
    whole = changed(whole, "stuck", Answer(found(whole, "stuck").question, [], "no tables <yet>"))
    page = render(replace(whole, missing=["the bucket can't be read"]))

    assert "No answer: no tables &lt;yet&gt;." in page
    assert included(page)["stuck"] == {"title": "Stuck shipments", **empty(whole, "stuck"), "missing": "no tables <yet>"}
    assert re.search(r'id="ties".*?None\.', page, re.DOTALL)
    assert not {"stuck", "ties"} & set(included(page, "charts"))
    assert "The bucket can&#39;t be read" in page


def empty(whole: Gathered, name: str) -> dict[str, Any]:
    return {"columns": list(found(whole, name).question.columns), "rows": []}


def test_a_page_with_more_parts_extends_this_one() -> None:
    template = '{% extends "page.html" %}{% block before %}<p id="runs">{{ runs }}</p>{% endblock %}'

    page = render(
        gathered(1),
        "live.html",
        DictLoader({"live.html": template}),
        scripts=["document.title = 'live';"],
        policy={"connect-src": "'self'"},
        runs="<none>",
    )

    assert '<p id="runs">&lt;none&gt;</p>' in page
    assert "connect-src 'self'" in html.unescape(page)
    assert "<script>document.title = 'live';</script>" in page


def test_every_chart_has_marks_and_every_number_is_the_answers(open_page: OpenPage, file: Path) -> None:
    page = drawn(open_page, file)
    whole = gathered()
    charts = included(file.read_text("utf-8"), "charts")

    marks = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".chart")].map((chart) => [chart.id.slice(6),
            chart.querySelectorAll(".mark-rect path, .mark-line path, .mark-symbol path").length]))"""
    )
    assert set(marks) == set(charts)
    assert [name for name, count in marks.items() if not count] == []
    tables = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("article")].map((card) => [card.id,
            [...card.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) =>
                cell.querySelector("data")?.value ?? cell.querySelector("time")?.dateTime ?? cell.textContent))]))"""
    )
    for one in whole:
        kept = [at for at, name in enumerate(one.question.columns) if name != "total"]
        expected = [[as_shown(row[at]) for at in kept] for row in one.rows]
        assert tables[answer_name(one.question.feed, one.question.name)] == expected


def as_shown(value: Any) -> str:
    match value:
        case None:
            return "–none"
        case bool():
            return "yes" if value else "no"
    return str(as_json(value))


def test_texts_of_strangers_execute_nothing(open_page: OpenPage, file: Path) -> None:
    page = drawn(open_page, file)
    longest = page.evaluate(
        """() => {
            const widths = [...document.querySelectorAll("#stuck .mark-rect path")].map((bar) => bar.getBBox().width);
            return widths.indexOf(Math.max(...widths));
        }"""
    )
    page.locator("#stuck .mark-rect path").nth(longest).hover()
    page.wait_for_selector("#vg-tooltip-element.visible")

    assert page.title() == "Orders and their files"
    assert page.evaluate("document.querySelectorAll('img, main script, main style').length") == 0
    assert HOSTILE[0] in page.locator("#stuck table").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_with_enough_contrast(open_page: OpenPage, file: Path, scheme: str) -> None:
    page = drawn(open_page, file, viewport=PHONE, color_scheme=scheme)

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    wider = page.evaluate(
        """() => [...document.querySelectorAll(".chart svg")].map((svg) => svg.closest(".chart"))
            .filter((chart) => chart.scrollWidth > chart.clientWidth).map((chart) => chart.id)"""
    )
    assert wider == []
    light = page.evaluate("getComputedStyle(document.body).backgroundColor").startswith("rgb(25")
    assert light == (scheme == "light")
    fill = page.evaluate("getComputedStyle(document.querySelector('#status_funnel .mark-rect path')).fill")
    assert fill == {"light": "rgb(47, 109, 179)", "dark": "rgb(110, 168, 232)"}[scheme]
    # Contrast, WCAG 2.2: 4.5 for text, 3 for what a chart is made of, against a card and the page.

    def color(name: str) -> tuple[float, ...]:
        shown = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()")
        return tuple(int(shown[at : at + 2], 16) / 255 for at in (1, 3, 5))

    papers = [color("card"), color("paper")]
    for name, least in [
        *((name, 4.5) for name in ("ink", "soft", "link", "attention")),
        *((name, 3.0) for name in ("good", "bad", "quiet", *(f"series-{n}" for n in range(1, 9)))),
    ]:
        assert min(contrast(color(name), paper) for paper in papers) >= least, name
    assert contrast(color("ink"), color("attention-paper")) >= 4.5


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    def luminance(color: tuple[float, ...]) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_keyboards_and_screen_readers_find_their_way(open_page: OpenPage, file: Path) -> None:
    page = drawn(open_page, file)

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content", "the first stop skips to the content"
    found = page.evaluate(
        """() => ({
            landmarks: ["header", "nav", "main"].map((name) => document.querySelectorAll(`body > ${name}`).length),
            levels: [...document.querySelectorAll("h1, h2, h3, h4")].map((one) => +one.tagName[1]),
            unnamed: [...document.querySelectorAll(".chart, .scroll, nav, section, article")].filter((one) =>
                !one.getAttribute("aria-label") &&
                !document.getElementById(one.getAttribute("aria-labelledby"))?.textContent.trim()).length,
            charts_without_table: [...document.querySelectorAll(".chart")].filter((one) =>
                !one.closest("article").querySelector("table caption")).length,
            twice: [...document.querySelectorAll("[id]")].map((one) => one.id)
                .filter((id, at, all) => all.indexOf(id) < at),
            broken: [...document.querySelectorAll("a")].filter((one) => !document.getElementById(one.hash.slice(1))).length,
        })"""
    )
    levels = found.pop("levels")
    assert found == {"landmarks": [1, 1, 1], "unnamed": 0, "charts_without_table": 0, "twice": [], "broken": 0}
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
