"""One line for each change; texts from senders never reach the terminal as they are."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
import pytest
from click.testing import CliRunner

from spark_jobs.contract.changes import Change, Snapshot
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.operator import watch as module
from spark_jobs.operator.watch import styled_line, watch

AT = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 1, 31, 10, 0, 2, tzinfo=UTC)
MOVE = ("shipped", "delivered")
TOPIC = "projects/p/topics/t"


def content(status: str | None = "shipped", key: str = "T-1", **more: Any) -> dict[str, Any]:
    return {**dict.fromkeys(ORDER_TRACKING.column_names), "tracking_num": key, "status": status, **more}


def body(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Change(ORDER_TRACKING, before, after, 12, AT).as_message().data)
    return found


def line(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    return click.unstyle(styled_line(body(before, after), NOW))


def test_a_line_says_what_changed_and_when() -> None:
    assert line(content(), content("in transit")) == "T-1  shipped → in transit  2 s ago"
    assert line(None, content()) == "T-1  new: shipped  2 s ago"
    assert line(content(), None) == "T-1  shipped → deleted  2 s ago"
    assert line(content(), content(address="x", order_num="y")) == "T-1  shipped changed: order_num, address  2 s ago"


def test_a_status_that_moves_back_has_a_color_of_its_own() -> None:
    on, back = (styled_line(body(content(old), content(new)), NOW) for old, new in (MOVE, MOVE[::-1]))
    assert click.style("delivered → shipped", fg="yellow") in back
    assert click.style("shipped → delivered", fg="blue") in on


def test_a_snapshot_is_one_line() -> None:
    snapshot = json.loads(Snapshot(ORDER_TRACKING, 1234, 12, AT).as_message().data)
    assert click.unstyle(styled_line(snapshot, NOW)) == "order_tracking  the whole table follows: 1,234 rows  2 s ago"


def test_hostile_values_are_printed_with_escapes() -> None:
    shown = line(content("a\x1b[31m"), content("b\nc", key="\x1b]0;x\x07\u202e"))
    assert shown == "\\x1b]0;x\\x07\\u202e  a\\x1b[31m → b\\nc  2 s ago"


@contextmanager
def arriving(topic: str, project: str) -> Iterator[Iterator[bytes]]:
    """One change, then the signal that Ctrl-C or a supervisor sends."""
    assert (topic, project) == (TOPIC, "p")

    def bodies() -> Iterator[bytes]:
        yield json.dumps(body(None, content(key="\x1b"))).encode()
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(10)
        raise AssertionError("the signal was ignored")

    yield bodies()
    raise AssertionError("ended without a signal")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_signal_ends_it_as_a_success(monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    monkeypatch.setattr(module, "watching", arriving)
    before = signal.getsignal(signal.SIGTERM)
    try:
        done = CliRunner().invoke(watch, ["--topic", TOPIC, *options])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done.exit_code == 0, done.output
    [shown] = done.stdout.splitlines()
    assert "\x1b" not in shown
    assert json.loads(shown)["key"] == {"tracking_num": "\x1b"} if options else shown.startswith("\\x1b  new: shipped")
    assert "removed the subscription" in done.stderr
