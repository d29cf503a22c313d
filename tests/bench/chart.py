"""docs/performance.svg, drawn from docs/performance.json, which the benchmarks write when told KEEP=1.

python -m tests.bench.chart

Draws what has been measured and leaves out what hasn't.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.bench.figures import KEPT

CHART = KEPT.with_suffix(".svg")
COLOURS = {"usual notebook": "#b0b7c3", "order-tracking": "#1a73e8", "delta-rs": "#f2a93b"}
OURS = COLOURS["order-tracking"]
PATTERNS = {"recent": "20,000 rows,\nnewest fifth", "anywhere": "200,000 rows,\nanywhere"}


def main() -> None:
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text, and the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "order-tracking", "font.family": "sans-serif"})
    from matplotlib import pyplot as plt

    kept = json.loads(KEPT.read_text())
    panels = _panels(kept)
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.4), layout="constrained", squeeze=False)
    for axis, draw in zip(axes[0], panels, strict=True):
        draw(axis)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    figure.savefig(CHART, metadata={"Date": None, "Creator": None})
    print(f"{CHART}: {CHART.stat().st_size / 1000:.0f} kB")


def _panels(kept: dict[str, Any]) -> list[Callable[[Any], None]]:
    panels: list[Callable[[Any], None]] = []
    if merge := kept.get("merge"):
        panels.append(lambda axis: _contenders(axis, merge, "seconds", 1, "seconds to merge"))
        panels.append(lambda axis: _contenders(axis, merge, "bytes", 1e6, "MB written"))
    if growth := kept.get("growth"):
        panels.append(lambda axis: _growth(axis, growth))
    if latency := kept.get("latency"):
        panels.append(lambda axis: _latency(axis, latency))
    if events := kept.get("events"):
        panels.append(lambda axis: _events(axis, events))
    return panels


def _contenders(axis: Any, merge: dict[str, Any], what: str, unit: float, title: str) -> None:
    """One group of bars for each pattern, with the value on each."""
    width = 0.26
    patterns = [pattern for pattern in PATTERNS if pattern in merge]
    for at, (name, colour) in enumerate(COLOURS.items()):
        values = [merge[pattern][name][what] / unit for pattern in patterns]
        layout = [group + (at - 1) * width for group in range(len(patterns))]
        bars = axis.bar(layout, values, width * 0.92, label=name, color=colour)
        axis.bar_label(bars, [f"{value:.1f}" for value in values], fontsize=8, padding=1)
    axis.set_xticks(range(len(patterns)), [PATTERNS[pattern] for pattern in patterns])
    _title(axis, f"{title}, {merge['rows'] / 1e6:g} M rows", merge)
    axis.legend(fontsize=7, frameon=False)


def _growth(axis: Any, growth: dict[str, Any]) -> None:
    axis.plot(range(1, len(growth["seconds"]) + 1), growth["seconds"], color=OURS, linewidth=1)
    axis.set_ylim(0)
    _title(axis, f"seconds of each of {growth['loads']} daily loads", growth)


def _latency(axis: Any, latency: dict[str, Any]) -> None:
    """Each part begins where the one before it ended."""
    begin = 0.0
    for part, seconds in latency["seconds"].items():
        axis.barh(part, seconds, left=begin, color=OURS)
        begin += seconds
    axis.invert_yaxis()
    _title(axis, f"seconds from upload to archive, {latency['rows']:,} rows", latency)


def _events(axis: Any, events: dict[str, Any]) -> None:
    rates = events["events_a_second"]
    bars = axis.barh(list(rates), list(rates.values()), color=[COLOURS["usual notebook"], *[OURS] * (len(rates) - 1)])
    axis.bar_label(bars, [f"{rate:,}" for rate in rates.values()], fontsize=8, padding=2)
    axis.invert_yaxis()
    _title(axis, "events a second, one thread", events)


def _title(axis: Any, text: str, measured: dict[str, Any]) -> None:
    axis.set_title(f"{text}\n{measured['measured']}, {measured['command']}", fontsize=8, loc="left")


if __name__ == "__main__":
    main()
