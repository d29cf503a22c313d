"""Violations as data. The codes are stable: reports, tables and users' scripts rely on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

MAX_VALUE_LENGTH = 80


class Violation(NamedTuple):
    """``row`` is 1 for the first row after the header, None for the whole file. ``line`` is the physical line and
    ``character`` the position in it (both from 1) where the field begins, or the row for a violation of the whole row.
    """

    code: str
    message: str
    row: int | None = None
    column: str | None = None
    value: str | None = None
    line: int | None = None
    character: int = 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "row": self.row,
            "line": self.line,
            "character": self.character if self.line else None,
            "column": self.column,
            "value": self.value,
            "message": self.message,
        }


@dataclass(frozen=True)
class Rule:
    """The explanation of a code, for ``--explain``, the documentation's table of codes and the report's summary."""

    code: str
    whole_file: bool
    title: str
    example: str
    remedy: str


def shorten(value: str) -> str:
    """A value for reports and logs: of bounded length, and without characters that could forge a log line."""
    shown = value if len(value) <= MAX_VALUE_LENGTH else value[: MAX_VALUE_LENGTH - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


_RULES = (
    Rule(
        "file_name",
        True,
        "The name isn't one this feed knows",
        "orders-jan.csv",
        "Name the file order_tracking_YYYY_MM_DD.csv, with a date of the calendar, and upload it again.",
    ),
    Rule(
        "encoding",
        True,
        "The file isn't UTF-8",
        "a file saved as Windows-1252 or UTF-16",
        "Export the file as UTF-8 (in Excel: 'CSV UTF-8') and upload it again.",
    ),
    Rule(
        "no_header",
        True,
        "There is no header row",
        "a file of empty lines",
        "Put the seven column names in the first row.",
    ),
    Rule(
        "missing_column",
        True,
        "The header lacks a column",
        "order_num,status,address",
        "Add the column to the header and to every row; the values may be empty where they aren't required.",
    ),
    Rule(
        "unknown_column",
        True,
        "The header has a name that the feed doesn't know",
        "order_num,Tracking No,…",
        "Use exactly the seven names; remove any other column.",
    ),
    Rule(
        "duplicate_column",
        True,
        "The header has a name twice",
        "order_num,status,status,…",
        "Keep one of the two columns.",
    ),
    Rule(
        "header_quoting",
        True,
        "The header's quotes are broken",
        'order_num,"tracking"_num,…',
        "Write the header's names without quotes.",
    ),
    Rule(
        "unclosed_quote",
        True,
        "A quote is opened and never closed",
        'A1,T1,,,shipped,"12 Main St,2026-01-31 10:00:00',
        'Close the quote; write a quote inside a quoted field twice ("").',
    ),
    Rule(
        "record_too_long",
        True,
        "A record is longer than 1 MiB",
        "a quote that swallows the following rows",
        "Look for an opening quote without its closing one near the row named.",
    ),
    Rule(
        "too_many_bad_rows",
        True,
        "Too large a share of the rows break a rule",
        "30 of 100 rows with an unknown status",
        "Mend the rows listed in the report and upload the whole file again.",
    ),
    Rule(
        "run_failure",
        True,
        "The job failed on this file alone, repeatedly",
        "a file that the job can't read",
        "Send the report to the team that runs the pipeline: the cause stands in its message.",
    ),
    Rule(
        "field_count",
        False,
        "A row has too few or too many fields",
        "A1,T1,shipped",
        "Write seven fields; put quotes around a field that has a comma in it.",
    ),
    Rule(
        "stray_quote",
        False,
        "A quote stands where none may",
        'A1,T1,,,shipped,12 "Main" St,…',
        'Quote the whole field and double the quotes in it: "12 ""Main"" St".',
    ),
    Rule(
        "control_character",
        False,
        "A field has a control character",
        "a NUL or an escape character in the address",
        "Remove the character; it usually comes from copying out of another program.",
    ),
    Rule(
        "required",
        False,
        "A required field is empty",
        "A1,,,,shipped,,2026-01-31 10:00:00",
        "Fill in the field.",
    ),
    Rule(
        "too_long",
        False,
        "A text is longer than its column allows",
        "a tracking number of 80 characters",
        "Shorten the text.",
    ),
    Rule(
        "bad_date",
        False,
        "A date isn't YYYY-MM-DD, or isn't in the calendar",
        "31/01/2026, 2026-02-30",
        "Write the date as YYYY-MM-DD.",
    ),
    Rule(
        "date_order",
        False,
        "A package was delivered before it was received",
        "received 2026-02-02, delivered 2026-02-01",
        "Check which of the two dates is wrong.",
    ),
    Rule(
        "unknown_status",
        False,
        "A status isn't one of the seven",
        "on its way",
        "Use order placed, pending, processing, shipped, in transit, delivered or canceled.",
    ),
    Rule(
        "bad_timestamp",
        False,
        "A timestamp isn't YYYY-MM-DD HH:MM:SS",
        "2026-01-31, 31.01.2026 10:00, 24:00:00",
        "Write YYYY-MM-DD HH:MM:SS, with an offset such as +01:00 or Z if it isn't UTC.",
    ),
    Rule(
        "timestamp_in_future",
        False,
        "A timestamp lies more than 24 h after the file's arrival",
        "2062-01-31 10:00:00",
        "Check the sending system's clock and time zone.",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _RULES})
