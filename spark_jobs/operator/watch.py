"""`order-tracking watch`: prints changes as they arrive."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from typing import Any, NoReturn

import click

from spark_jobs.changes.settings import check_topic
from spark_jobs.cloud.pubsub_changes import watching
from spark_jobs.contract.changes import SNAPSHOT
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.operator.console import printable
from spark_jobs.operator.options import json_option


@click.command()
@click.option("--topic", required=True, help="Topic with the changes, projects/P/topics/T.")
@click.option("--project", default="", help="Project of the temporary subscription. If empty: the topic's.")
@json_option
def watch(topic: str, project: str, as_json: bool) -> None:
    """Print each change as it arrives, one line each, until Ctrl-C."""
    check_topic(topic, "--topic")
    signal.signal(signal.SIGTERM, _interrupt)  # either signal removes the subscription
    try:
        with watching(topic, project or topic.split("/")[1]) as bodies:
            click.echo(f"watching {printable(topic)}; Ctrl-C ends it", err=True)
            for body in bodies:
                change = json.loads(body)
                click.echo(json.dumps(change) if as_json else styled_line(change, datetime.now(UTC)))
    except KeyboardInterrupt:
        click.echo("removed the subscription", err=True)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def styled_line(change: dict[str, Any], now: datetime) -> str:
    """One line, colored on a terminal. ``now`` is aware. All texts come from senders."""
    feed = printable(change["feed"])
    seconds = (now - datetime.fromisoformat(change["committed_at"])).total_seconds()
    ago = click.style(f"{max(0, round(seconds)):,} s ago", dim=True)
    if change["kind"] == SNAPSHOT:
        return f"{feed}  {click.style('the whole table follows', fg='magenta')}: {change['rows']:,} rows  {ago}"
    key = " ".join(printable(str(value)) for value in change["key"].values())
    what, color = _what(change)
    return f"{click.style(key, bold=True)}  {click.style(printable(what), fg=color)}  {ago}"


def _what(change: dict[str, Any]) -> tuple[str, str]:
    column = FEEDS[change["feed"]].status_column if change["feed"] in FEEDS else None
    old, new = ((row or {}).get(column) for row in (change["before"], change["after"]))
    if change["after"] is None:
        return f"{old or 'row'} → deleted", "red"
    if change["before"] is None:
        return f"new: {new}" if new else "new", "green"
    if old == new:
        return f"{new or ''} changed: {', '.join(change['changed'])}".strip(), "cyan"
    return f"{old} → {new}", "yellow" if change["backwards"] else "blue"
