"""``python -m functions.check FILE…``: validates files as the Cloud Function would, before the upload."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from functions.validation.upload import validate_upload
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import feed_named, feed_of
from spark_jobs.contract.reports import build_report
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import RULES, Violation

CLEAN, VIOLATIONS, UNUSABLE = 0, 1, 2
PROGRESS_FROM_BYTES = 16 * 1024 * 1024


def _known_feed(_context: click.Context, _parameter: click.Parameter, name: str | None) -> Feed | None:
    try:
        return None if name is None else feed_named(name)
    except LookupError as error:
        raise click.BadParameter(str(error)) from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one report per line, as stored next to a rejected file.")
@click.option(
    "--feed",
    metavar="NAME",
    callback=_known_feed,
    help="Validate the files as this feed, whatever their names. Without it, the name determines the feed.",
)
@click.option("--explain", metavar="CODE", help="Explain a violation code, with an example and the remedy.")
@click.option(
    "--max-bad-row-ratio",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="The share of bad rows above which a file is rejected.",
)
def main(files: tuple[Path, ...], as_json: bool, feed: Feed | None, explain: str | None, max_bad_row_ratio: float) -> None:
    """Validate files as the Cloud Function would.

    Exit status: 0 no violations, 1 violations, 2 a file can't be read or the command line is wrong.
    """
    if explain is not None:
        click.echo(_explanation(explain))
    elif not files:
        raise click.UsageError("name at least one file")
    sys.exit(max((_check(path, feed, as_json, max_bad_row_ratio) for path in files), default=CLEAN))


def _check(path: Path, feed: Feed | None, as_json: bool, max_ratio: float) -> int:
    shown = click.format_filename(path)
    try:
        result, seconds, arrival = _validate(path, feed, max_ratio)
    except OSError as error:
        click.echo(f"{shown}: can't read the file: {error.strerror or error}", err=True)
        return UNUSABLE
    if as_json:
        click.echo(json.dumps(build_report(shown, result, seconds=seconds, arrival=arrival), ensure_ascii=False))
    else:
        for line in _lines(shown, result):
            click.echo(line)
    return VIOLATIONS if result.violations else CLEAN


def _validate(path: Path, feed: Feed | None, max_ratio: float) -> tuple[ValidationResult, float, datetime]:
    """The result as if the file were uploaded now, under its own name or one of the given feed."""
    arrival, started = datetime.now(UTC), time.monotonic()
    name = path.name if feed is None or feed_of(path.name) is feed else f"{feed.file_prefix}_{arrival:%Y_%m_%d}.csv"
    with path.open("rb") as file:
        size = path.stat().st_size
        with _progress(file, path.name, size) as stream:
            result = validate_upload(stream, name=name, arrival=arrival, max_bad_row_ratio=max_ratio, size=size)
    return result, time.monotonic() - started, arrival


def _progress(file: BinaryIO, name: str, size: int) -> AbstractContextManager[BinaryIO]:
    """The file, with a progress bar on stderr if it is large and stderr is a terminal."""
    if size < PROGRESS_FROM_BYTES or not sys.stderr.isatty():
        return nullcontext(file)
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import wrap_file

    return wrap_file(file, size, description=escape(name), console=Console(stderr=True), transient=True)


def _lines(shown: str, result: ValidationResult) -> Iterator[str]:
    helped: set[str] = set()
    for violation in result.violations:
        yield _line(shown, violation)
        if violation.code not in helped:
            yield f"  {click.style('help:', fg='cyan')} {RULES[violation.code].remedy}"
        helped.add(violation.code)
    yield f"{shown}: {_conclusion(result)}"


def _line(shown: str, violation: Violation) -> str:
    place = f"{shown}:{violation.line}:{violation.character}" if violation.line else shown
    value = f" (found {violation.value!r})" if violation.value is not None else ""
    return f"{place}: {click.style(violation.code, fg='red', bold=True)} {violation.message}{value}"


def _conclusion(result: ValidationResult) -> str:
    found = sum(times for columns in result.counts.values() for times in columns.values())
    rows = f"{result.rows:,} row{'s' * (result.rows != 1)}"
    if not found:
        return f"no violations in {rows}; would be accepted"
    first_part = "the first " if result.partial else ""
    text = f"found {found:,} violation{'s' * (found != 1)} in {result.bad_rows:,} of {first_part}{rows}; "
    bad_rows = f"{result.bad_rows:,} row{'s' * (result.bad_rows != 1)}"
    text += "would be rejected" if result.rejecting else f"would be accepted with {bad_rows} quarantined"
    listed = len(result.violations)
    return text + (f" (only the first {listed:,} are listed)" if result.truncated else "")


def _explanation(code: str) -> str:
    rule = RULES.get(code)
    if rule is None:
        raise click.UsageError(f"unknown violation code {code!r}; the codes are {', '.join(RULES)}")
    effect = "The whole file is rejected." if rule.whole_file else "The row is quarantined."
    return f"{rule.code}: {rule.title}. {effect}\n  example: {rule.example}\n  remedy:  {rule.remedy}"


if __name__ == "__main__":
    main(prog_name="python -m functions.check")
