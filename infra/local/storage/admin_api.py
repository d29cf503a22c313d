"""The server's own endpoints under /_local/: health, fault injection, and event delivery settings."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from infra.local.faults import handle_fault_request
from infra.local.storage.answers import json_response
from infra.local.storage.calls import Call
from infra.local.storage.errors import invalid, not_implemented


async def local(call: Call) -> ASGIApp:
    match call.route.tail, call.method:
        case ("health",), "GET":
            return json_response({"status": "ok", "data_dir": str(call.service.data_dir.resolve())})
        case ("faults",), "GET" | "POST" | "DELETE":
            return await handle_fault_request(call.service.faults, call.request)
        case ("events",), "GET":
            return json_response(call.service.deliveries.status())
        case ("events",), "PUT":
            call.service.deliveries.change(event_changes(await call.json()))
            return json_response(call.service.deliveries.status())
    raise not_implemented(call.method, call.request.url.path)


def event_changes(given: dict[str, Any]) -> dict[str, Any]:
    """Validate a partial update of the event settings; omitted settings keep their value."""
    changes: dict[str, Any] = {}
    for key, value in given.items():
        match key:
            case "notify":
                changes[key] = _address(value)
            case "repeat":
                changes[key] = int(_number(key, value, 1000))
            case "delay_seconds":
                changes[key] = _number(key, value, 24 * 3600)
            case "drop":
                changes[key] = _number(key, value, 1)
            case "reorder":
                changes[key] = bool(value)
            case _:
                raise invalid(f"Unknown event setting: {key!r}", key)
    return changes


def _number(key: str, value: object, maximum: float) -> float:
    if not isinstance(value, int | float) or math.isnan(value) or not 0 <= value <= maximum:
        raise invalid(f"{key} must be a number from 0 to {maximum:g}", key)
    return float(value)


def _address(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname:
        raise invalid("notify must be an HTTP URL, or null to disable events", "notify")
    return value
