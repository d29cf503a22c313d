"""Draws docs/*.svg from docs/performance.json, which a benchmark writes if KEEP=1 is given.

python -m tests.bench.chart

The SVG is written directly, because a plotting library takes 1,200 lines for the same chart. Text stays text, and the
colors follow the reader's light or dark mode.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from tests.bench.figures import KEPT

WIDTH = 880
CONTENDERS = {"usual notebook": "other", "order-tracking": "ours", "delta-rs": "third"}
LOADS = {"recent": "20,000 rows, newest fifth", "anywhere": "200,000 rows, random keys"}
METRICS: dict[str, tuple[str, float]] = {"seconds": ("seconds", 1), "bytes": ("MB written", 1e6)}
STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2328}.b{font-weight:600}.m{fill:#59636e}.e{text-anchor:end}
.card{fill:#fff;stroke:#d1d9e0}.ours{fill:#1a6fe0}.other{fill:#8c959f}.third{fill:#d9862b}.grid{stroke:#d1d9e0}
.line{fill:none;stroke:#1a6fe0;stroke-width:1.5}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.m{fill:#9198a1}.card{fill:#0d1117;stroke:#3d444d}.ours{fill:#4493f8}
.other{fill:#7d8590}.third{fill:#e3a04f}.grid{stroke:#3d444d}.line{stroke:#4493f8}}"""


def main() -> None:
    recorded = json.loads(KEPT.read_text())
    for name, draw in CHARTS.items():
        path = KEPT.with_name(name)
        path.write_text(draw(recorded))
        print(f"{path}: {path.stat().st_size / 1000:.1f} kB")


def merge_chart(recorded: Mapping[str, Any]) -> str:
    """One panel per metric, one group of bars per load, one bar per contender."""
    merge = recorded["merge"]
    title = f"One update file merged into {merge['rows'] / 1e6:g} million rows (less is better)"
    parts = [part for at, metric in enumerate(METRICS) for part in _bars(merge, metric, 24 + at * 435)]
    return _svg(title, _source(merge, f"median of {merge['rounds']} rounds"), 300, parts)


def _bars(merge: Mapping[str, Any], metric: str, left: int) -> Iterator[str]:
    label, unit = METRICS[metric]
    yield _text(left, 76, label, "b")
    longest = max(merge[load][name][metric] for load in LOADS for name in CONTENDERS)
    top = 88
    for load, described in LOADS.items():
        yield _text(left, top + 12, described, "m")
        for at, (name, style) in enumerate(CONTENDERS.items()):
            value, y = merge[load][name][metric], top + 20 + at * 22
            width = max(2, round(210 * value / longest))
            yield _text(left + 100, y + 13, name, "e")
            yield f'<rect class="{style}" x="{left + 108}" y="{y}" width="{width}" height="17" rx="2"/>'
            yield _text(left + 114 + width, y + 13, f"{value / unit:.1f}", "b" if style == "ours" else "")
        top += 102


def growth_chart(recorded: Mapping[str, Any]) -> str:
    """Seconds of each load, in order."""
    growth = recorded["growth"]
    seconds, left, right, base, height = growth["seconds"], 48, WIDTH - 24, 230, 150
    top = 2 * (int(max(seconds)) // 2 + 1)
    step = (right - left) / (len(seconds) - 1)
    points = " ".join(f"{left + i * step:.0f},{base - height * s / top:.0f}" for i, s in enumerate(seconds))
    parts = [
        part
        for tick in range(0, top + 1, 4)
        for y in [round(base - height * tick / top)]
        for part in (f'<path class="grid" d="M{left} {y}H{right}"/>', _text(left - 8, y + 4, str(tick), "m e"))
    ]
    parts.append(f'<polyline class="line" points="{points}"/>')
    parts += [_text(left, 250, "load 1", "m"), _text(right, 250, f"load {len(seconds)}", "m e")]
    title = f"Seconds of each of {growth['loads']} daily loads of {growth['daily']:,} rows"
    return _svg(title, _source(growth, "the first load finds 1 million rows, nothing is compacted in between"), 264, parts)


def _source(result: Mapping[str, Any], how: str) -> str:
    return f"{result['measured']}, {result['command']}, 2 cores, {how}"


def _svg(title: str, source: str, height: int, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">'
    card = f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>'
    texts = [_text(24, 30, title, "b"), _text(24, 50, source, "m")]
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", card, *texts, *parts, "</svg>\n"])


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}"{f" class={chr(34)}{style}{chr(34)}" if style else ""}>{escape(text)}</text>'


CHARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {"performance.svg": merge_chart, "growth.svg": growth_chart}


if __name__ == "__main__":
    main()
