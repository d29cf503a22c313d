"""Renders gathered answers as one self-contained page, which loads nothing and runs only the scripts in it.

A page that shows more extends ``page.html`` with a template of its own: see `render`. Needs the wheel's extra ``report``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from spark_jobs.report.cards import sections_of
from spark_jobs.report.cells import as_cell
from spark_jobs.report.charts import words
from spark_jobs.report.facts import facts_of
from spark_jobs.report.gather import Gathered
from spark_jobs.report.values import as_json, as_moment

MAX_BYTES = 2_000_000
MOST_ROWS, FEWEST_ROWS = 2000, 5
"""Of an answer in a page. If the page would be too large, its answers have fewer, down to the second."""
_VEGA_LITE = "6.4"


def render(
    gathered: Gathered,
    template: str = "page.html",
    loader: BaseLoader | None = None,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
    policy: Mapping[str, str] | None = None,
    **more: Any,
) -> str:
    """The page as HTML of at most `MAX_BYTES`, if no single answer's texts are enormous.

    ``template`` may come from ``loader``, extend ``page.html`` and use ``more``. ``scripts`` and ``styles`` are added to
    the page's own; a script that replaces answers calls ``drawCharts()``. ``policy`` allows by directive what the page's
    Content-Security-Policy otherwise forbids, such as ``{"connect-src": "'self'"}``.
    """
    environment = _environment(loader)
    all_scripts = [javascript(), _text("page.js"), *scripts]
    all_styles = [style(), *styles]
    limit = MOST_ROWS
    while True:
        feeds = [(one.feed, sections_of(one, limit)) for one in gathered.feeds]
        cards = [card for _, sections in feeds for section in sections for card in section.all]
        html = environment.get_template(template).render(
            page=gathered,
            facts=facts_of(gathered),
            feeds=feeds,
            versions=[item for one in gathered.feeds for item in one.versions.items()],
            answers=embedded({card.name: card.as_json() for card in cards}),
            charts=embedded({card.name: {"spec": d.spec, "rows": d.rows} for card in cards if (d := card.drawing)}),
            styles=[Markup(one) for one in all_styles],  # noqa: S704 - ours
            scripts=[Markup(script) for script in all_scripts],  # noqa: S704 - ours
            policy=content_policy(all_scripts, all_styles, policy or {}),
            **more,
        )
        size = len(html.encode("utf-8", "replace"))
        if limit <= FEWEST_ROWS or size <= MAX_BYTES:
            return html
        fixed = sum(map(len, all_scripts))
        limit = max(FEWEST_ROWS, min(limit * 9 // 10, limit * (MAX_BYTES - fixed) // (size - fixed)))


def content_policy(scripts: Sequence[str], styles: Sequence[str], more: Mapping[str, str]) -> str:
    """A Content-Security-Policy under which exactly these inline scripts and styles run, and nothing else is loaded."""
    allowed = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)),
        "style-src": " ".join(map(_hash, styles)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{directive} {sources}" for directive, sources in (allowed | dict(more)).items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(content: Any) -> Markup:
    """As JSON for a ``<script>``, in ASCII: no text in it can end the element or start a comment."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e"))  # noqa: S704 - escaped here


@cache
def javascript() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. Making it takes a second or two."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_VEGA_LITE)


def style() -> str:
    """The style of the page, for pages that should look like it."""
    return _text("style.css")


@cache
def _text(name: str) -> str:
    return (files("spark_jobs.report") / "templates" / name).read_text("utf-8")


def _environment(loader: BaseLoader | None) -> Environment:
    ours = PackageLoader("spark_jobs.report")
    environment = Environment(
        loader=ChoiceLoader([loader, ours]) if loader else ours,
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(iso=as_json, moment=as_moment, words=words, cell=as_cell)
    return environment
