"""CloudEvents as Eventarc delivers them, and the requests made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

_FOLDER = Path(__file__).parent


def captured(kind: str) -> dict[str, Any]:
    """``finalized`` or ``tick``: headers and data."""
    event: dict[str, Any] = json.loads((_FOLDER / f"{kind}.json").read_text())
    return event


def binary(kind: str = "finalized", *, headers: dict[str, str] | None = None, **data: object) -> dict[str, Any]:
    """Keyword arguments for a test client's ``post``: binary mode, with fields of the data (and headers) replaced."""
    event = captured(kind)
    body = {**event["data"], **data}
    if "name" in data and "ce-subject" not in (headers or {}):
        event["headers"]["ce-subject"] = "objects/" + quote(str(data["name"]), safe="/")
    return {"headers": {**event["headers"], **(headers or {})}, "data": json.dumps(body).encode()}


def structured(kind: str = "finalized", **data: object) -> dict[str, Any]:
    """The same in structured mode: one JSON envelope."""
    event = captured(kind)
    attributes = {name.removeprefix("ce-"): value for name, value in event["headers"].items() if name.startswith("ce-")}
    envelope = {**attributes, "datacontenttype": "application/json", "data": {**event["data"], **data}}
    return {"headers": {"content-type": "application/cloudevents+json"}, "data": json.dumps(envelope).encode()}
