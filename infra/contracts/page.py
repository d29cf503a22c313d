"""A feed's page for senders: columns and rules, which row wins, an example file, and the violations that can occur."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby

from infra.contracts.example import example_file, example_name
from infra.contracts.markdown import code, listed, paragraph, table
from spark_jobs.contract.column_types import Column, Date, Enumeration, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.violations import RULES

_ANYWHERE = ("field_count", "stray_quote", "control_character")


def page(feed: Feed) -> str:
    return "\n\n".join(_sections(feed)) + "\n"


def _sections(feed: Feed) -> Iterator[str]:
    yield f"<!-- Written by `make contracts` from {declaration(feed)}: edit that instead. -->"
    yield f"# {feed.title.capitalize()}"
    yield paragraph(
        f"{feed.about} This is version {feed.version} of the feed. [The file contract](../contract.md) has the rules that "
        "all feeds share: the CSV format, how to upload, and what happens to invalid files and rows."
    )
    yield "\n".join(
        (
            f"- **File name:** `{feed.file_pattern}`, with a real calendar date",
            f"- **Key:** {listed(feed.key)}",
            f"- **Tables:** `{feed.table_prefix}_target` has the newest row of each key, "
            f"`{feed.table_prefix}_rejected_rows` the invalid rows ([all tables](../tables.md))",
            f"- **Machine-readable:** [{feed.name}.odcs.yaml]({feed.name}.odcs.yaml) (Open Data Contract Standard 3.1)",
        )
    )
    yield "## Columns"
    yield "The header has exactly these names, in any order."
    yield _columns_table(feed, feed.columns)
    for column in feed.columns:
        if isinstance(column.type, Records):
            yield from _records_section(feed, column, column.type)
    yield "## Which row wins"
    yield _which_row_wins(feed)
    yield "## Example"
    yield f"Two rows: a full one, and one with only the required values. As `{example_name(feed)}`:"
    yield f"```csv\n{example_file(feed)}```"
    yield "Check a file before you upload it:"
    yield f"```\n.venv/bin/python -m functions.check {example_name(feed)}\n```"
    yield "## Violations"
    yield "These codes can occur in this feed. [All codes](../contract.md#violation-codes) are explained with examples."
    yield _codes_table(feed)


def declaration(feed: Feed) -> str:
    """Where the feed is declared."""
    return f"spark_jobs/contract/feeds/{feed.name}.py"


def _columns_table(feed: Feed, columns: tuple[Column, ...]) -> str:
    return table(
        ("column" if columns is feed.columns else "field", "meaning", "type", "rule", "example"),
        (
            (column.name, column.about, column.type.about, "; ".join(_rules(feed, column, columns)), _example(column))
            for column in columns
        ),
    )


def _example(column: Column) -> str:
    return "[below](#example)" if isinstance(column.type, Records) else code(column.example)


def _rules(feed: Feed, column: Column, columns: tuple[Column, ...]) -> Iterator[str]:
    if column.required:
        yield "required"
    of_the_feed = columns is feed.columns
    if of_the_feed and column.name in feed.key:
        yield "the key" if len(feed.key) == 1 else "part of the key"
    match column.type:
        case Enumeration(_, synonyms):
            yield "case is ignored; spaces, `_` and `-` are interchangeable"
            yield from (f"`{spelling}` is read as {value}" for spelling, value in synonyms.items())
        case Timestamp(future=False):
            yield f"at most {_hours(feed.future_allowance)} after the file's arrival"
        case Records():
            yield f"see [its fields](#fields-of-{column.name})"
    if of_the_feed:
        yield from (_not_before(feed, *pair) for pair in feed.not_before if pair[0] == column.name)
    if column.since:
        yield f"since version {column.since}; files without this column are still valid"


def _not_before(feed: Feed, later: str, earlier: str) -> str:
    last, first = feed.column(later), feed.column(earlier)
    if isinstance(last.type, Date) == isinstance(first.type, Date):
        rule = f"not before {earlier}"
    elif isinstance(last.type, Date):
        rule = f"not before the day of {earlier} (in UTC)"
    else:
        rule = f"its day (in UTC) is not before {earlier}"
    return rule if last.required and first.required else f"{rule}, if both are present"


def _hours(allowance: timedelta) -> str:
    return f"{allowance / timedelta(hours=1):g} hours"


def _records_section(feed: Feed, column: Column, kind: Records) -> Iterator[str]:
    yield f"## Fields of {column.name}"
    yield paragraph(
        f"`{column.name}` is a {kind.about}, for example `{column.example}`. In the file, the field is quoted and every "
        "quote in it is doubled, as in the [example](#example). An object has only the fields below, each at most once. A "
        "field that is absent, null or empty is missing. Numbers are JSON numbers, all other values are JSON strings."
    )
    yield _columns_table(feed, kind.fields)


def _which_row_wins(feed: Feed) -> str:
    ties = "; ".join(
        phrase.format(listed(names)) for phrase, names in groupby(feed.newest_by[1:], lambda name: _comparison(feed, name))
    )
    sentences = [f"The pipeline keeps one row per {listed(feed.key)}: the one with the latest {code(feed.moment)}."]
    if ties:
        sentences += [
            f"Between rows with the same {code(feed.moment)}, the first difference decides, in this order: {ties}.",
            "A missing value is lower than any other.",
        ]
    sentences += ["[The file contract](../contract.md#which-row-wins) says what follows from this order."]
    return paragraph(" ".join(sentences))


def _comparison(feed: Feed, name: str) -> str:
    match feed.column(name).type:
        case Enumeration():
            return "the later value of {}, in the order above"
        case Timestamp():
            return "the later {}"
        case Records():
            return "the larger {}, as JSON text without missing fields"
    return "the larger {}, as text"


def _codes_table(feed: Feed) -> str:
    places = violation_places(feed)
    return table(
        ("code", "where", "what is wrong", "remedy"),
        ((code(name), where, RULES[name].title, RULES[name].remedy) for name, where in places.items()),
    )


def violation_places(feed: Feed) -> dict[str, str]:
    """The codes that can occur in files of this feed, and where: file, row, any field, or columns."""
    found: dict[str, str] = {}
    for rule in RULES.values():
        if rule.whole_file:
            found[rule.code] = "file"
        elif rule.code in _ANYWHERE:
            found[rule.code] = "row" if rule.code == "field_count" else "any field"
        elif columns := [column.name for column in feed.columns if _can_have(feed, column, rule.code)]:
            found[rule.code] = ", ".join(columns)
    return found


def _can_have(feed: Feed, column: Column, violation: str) -> bool:
    if violation == "date_order":
        return any(later == column.name for later, _ in feed.not_before)
    return violation in column.type.codes or (violation == "required" and column.required)
