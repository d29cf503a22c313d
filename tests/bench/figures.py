"""Goals, the place where benchmarks work, and the figures that docs/performance.md is drawn from."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "performance.json"


@dataclass(frozen=True)
class Goal:
    """A ratio and what it may be: at most ``limit``, or at least, where ``least``."""

    what: str
    ratio: float
    limit: float
    least: bool = False

    @property
    def met(self) -> bool:
        return self.ratio >= self.limit if self.least else self.ratio <= self.limit

    def __str__(self) -> str:
        sign = "at least" if self.least else "at most"
        return f"{'met   ' if self.met else 'MISSED'}  {self.what:66}{self.ratio:8.3f}   (goal: {sign} {self.limit:.3g})"


def show_goals(goals: Sequence[Goal]) -> int:
    """Print the goals. Returns the exit status: 0 if all are met."""
    print()
    for goal in goals:
        print(goal)
    return 0 if all(goal.met for goal in goals) else 1


def work_folder(name: str) -> Path:
    """Where a benchmark may leave large files: not kept in git, removed by `make clean`."""
    folder = ROOT / ".cache" / "bench" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def long_lived() -> None:
    """Java as it comes, for everyone measured: the job's own choice of compiler suits a process that ends soon."""
    os.environ.setdefault("ORDER_TRACKING_JAVA_OPTIONS", "")


def keep(name: str, figures: Mapping[str, object]) -> None:
    """With ``KEEP=1`` on the command line the figures become those of docs/performance.json; others there stay."""
    if "KEEP=1" not in sys.argv:
        return
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    measured = {"measured": f"{datetime.now(UTC):%Y-%m-%d}", "command": _command(), **figures}
    kept[name] = kept.get(name, {}) | measured
    KEPT.write_text(as_text(kept) + "\n")


def as_text(value: object, indent: str = "") -> str:
    """JSON with four significant digits, and a line for each list and each object that holds only numbers and texts."""
    if isinstance(value, float):
        return json.dumps(float(f"{value:.4g}"))
    if isinstance(value, list):
        return f"[{', '.join(as_text(each) for each in value)}]"
    if not isinstance(value, dict):
        return json.dumps(value)
    nested = any(isinstance(each, dict | list) for each in value.values())
    separator, inner = (f",\n{indent} ", f"{indent} ") if nested else (", ", "")
    items = separator.join(f"{json.dumps(key)}: {as_text(each, inner)}" for key, each in value.items())
    return f"{{\n{inner}{items}\n{indent}}}" if nested else f"{{{items}}}"


def _command() -> str:
    words = [word for word in sys.argv[1:] if word != "KEEP=1"]
    return " ".join([f"make bench-{Path(sys.argv[0]).stem}", *words])
