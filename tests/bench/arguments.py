"""``NAME=value`` words of a benchmark's command line, as make passes them on."""

from __future__ import annotations

import sys


def number(name: str, default: int) -> int:
    """``python -m tests.bench.merge ROWS=1000000``; underscores and commas are welcome."""
    return int(text(name, str(default)).replace(",", "").replace("_", ""))


def text(name: str, default: str) -> str:
    for word in sys.argv[1:]:
        key, _, value = word.partition("=")
        if key == name and value:
            return value
    return default
