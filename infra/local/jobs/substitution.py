"""Substitute `${...}` (when the bundle is loaded) and `{{...}}` (when a run starts)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REFERENCE = re.compile(r"\$\{([a-zA-Z][\w.-]*)\}")
DYNAMIC = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
MAX_DEPTH = 10


def substitute(value: Any, known: Mapping[str, Any], depth: int = 0) -> Any:
    """`value` with each known `${name}` substituted; unknown references (`${workspace...}`) stay as they are.

    A string that consists of one reference takes the type of the referenced value, as in the CLI.
    """
    if isinstance(value, dict):
        return {key: substitute(item, known, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, known, depth) for item in value]
    if not isinstance(value, str):
        return value
    if depth > MAX_DEPTH:
        raise ValueError(f"{value} refers to itself")
    whole = REFERENCE.fullmatch(value)
    if whole and whole[1] in known:
        return substitute(known[whole[1]], known, depth + 1)

    def fill(match: re.Match[str]) -> str:
        if match[1] not in known:
            return match[0]
        return str(substitute(known[match[1]], known, depth + 1))

    return REFERENCE.sub(fill, value)


def unresolved(value: Any) -> list[str]:
    """The unresolved `${...}` references in `value`, without duplicates, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return list(dict.fromkeys(name for item in value for name in unresolved(item)))
    return REFERENCE.findall(value) if isinstance(value, str) else []


def dynamic_references(value: str) -> list[str]:
    return DYNAMIC.findall(value)


def fill_dynamic(value: str, known: Mapping[str, str]) -> str:
    """`value` with each known `{{name}}` substituted. Substituted text is not scanned again."""
    return DYNAMIC.sub(lambda match: known.get(match[1], match[0]), value)
