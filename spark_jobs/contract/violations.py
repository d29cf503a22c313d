"""A broken rule, as data. The codes are stable, because reports, tables and consumers' scripts rely on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

MAX_VALUE_LENGTH = 80


class Violation(NamedTuple):
    """``row`` is 1 for the first row after the header, None for the whole file. ``line`` is the physical line and
    ``character`` the position in it, both 1-based, where the field begins (or the row, if the violation concerns the
    whole row).
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
    """Explains a code to people: in ``--explain``, in docs/contract.md and in the report's summary."""

    code: str
    whole_file: bool
    title: str
    example: str
    remedy: str


def shorten(value: str) -> str:
    """A value that is safe in reports and logs: bounded, and without characters that could forge a log line."""
    shown = value if len(value) <= MAX_VALUE_LENGTH else value[: MAX_VALUE_LENGTH - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


_RULES = (
    Rule(
        "file_name",
        True,
        "The file or folder name is not allowed",
        "orders-jan.csv",
        "Name the file after its feed and day, such as order_tracking_2026_01_31.csv, and upload it again.",
    ),
    Rule(
        "content_encoding",
        True,
        "The object has a Content-Encoding",
        "a file uploaded with gcloud storage cp -Z (Content-Encoding: gzip)",
        "Upload the uncompressed file without a Content-Encoding (with gcloud storage cp: without -z, -Z, -j and -J).",
    ),
    Rule(
        "metadata",
        True,
        "The object has too much custom metadata",
        "8 KiB of custom metadata set by the sender",
        "Upload the file again with less custom metadata (at most 4 KiB); the pipeline stores its own next to it.",
    ),
    Rule(
        "encoding",
        True,
        "The file is not valid UTF-8",
        "a file saved as Windows-1252 or UTF-16",
        "Export the file as UTF-8 (in Excel: 'CSV UTF-8') and upload it again.",
    ),
    Rule(
        "line_ends",
        True,
        "A line ends with a carriage return (CR) alone",
        "a file saved as 'CSV (Macintosh)'",
        "Save the file with LF or CRLF line endings (in Excel: 'CSV UTF-8', not 'CSV (Macintosh)') and upload it again.",
    ),
    Rule(
        "no_header",
        True,
        "The file has no header row",
        "an empty file, or one with only empty lines",
        "Put the column names in the first row.",
    ),
    Rule(
        "missing_column",
        True,
        "The header lacks a column",
        "order_num,status,address",
        "Add the column to the header and to every row. Leave the value empty where the column is optional.",
    ),
    Rule(
        "unknown_column",
        True,
        "The header contains an unknown column",
        "order_num,Tracking No,…",
        "Use exactly the documented column names and remove all other columns.",
    ),
    Rule(
        "duplicate_column",
        True,
        "The header names a column twice",
        "order_num,status,status,…",
        "Keep only one of the two columns.",
    ),
    Rule(
        "header_quoting",
        True,
        "The header contains a misplaced quote",
        'order_num,"tracking"_num,…',
        "Write the column names without quotes.",
    ),
    Rule(
        "unclosed_quote",
        True,
        "A quoted field is never closed",
        'A1,T1,,,shipped,"12 Main St,2026-01-31 10:00:00',
        'Close the quote. Write a quote inside a quoted field twice ("").',
    ),
    Rule(
        "record_too_long",
        True,
        "A record is longer than 1 MiB",
        "a missing closing quote that turns many rows into one",
        "Look for a missing closing quote near the reported row.",
    ),
    Rule(
        "too_many_bad_rows",
        True,
        "Too many rows are invalid",
        "30 of 100 rows with an unknown status",
        "Fix the listed rows and upload the whole file again.",
    ),
    Rule(
        "rejected_by_operator",
        True,
        "An operator rejected the file",
        "a file that makes every run fail",
        "See the operator's reason in the message, or ask the team that operates the pipeline.",
    ),
    Rule(
        "field_count",
        False,
        "A row has the wrong number of fields",
        "A1,T1,shipped",
        "Write one field per column, and quote every field that contains a comma.",
    ),
    Rule(
        "stray_quote",
        False,
        "A field contains a misplaced quote",
        'A1,T1,,,shipped,12 "Main" St,…',
        'Quote the whole field and double every quote inside it: "12 ""Main"" St".',
    ),
    Rule(
        "control_character",
        False,
        "A field contains a control character",
        "a NUL or escape character in the address",
        "Remove the character. It usually comes from text copied out of another program.",
    ),
    Rule(
        "required",
        False,
        "A required field is empty",
        "A1,,,,shipped,,2026-01-31 10:00:00",
        "Provide a value.",
    ),
    Rule(
        "too_long",
        False,
        "A value is longer than its column allows",
        "a tracking number of 80 characters",
        "Shorten the value.",
    ),
    Rule(
        "bad_date",
        False,
        "A date is not a real calendar date in the format YYYY-MM-DD",
        "31/01/2026, 2026-02-30",
        "Write the date as YYYY-MM-DD.",
    ),
    Rule(
        "date_order",
        False,
        "A date is before one that it must not precede",
        "received 2026-02-02, delivered 2026-02-01",
        "Correct the date that is wrong.",
    ),
    Rule(
        "unknown_status",
        False,
        "The status is not one of the allowed values",
        "on its way",
        "Use one of the values that the message lists.",
    ),
    Rule(
        "bad_timestamp",
        False,
        "A timestamp is not in the format YYYY-MM-DD HH:MM:SS",
        "2026-01-31, 31.01.2026 10:00, 24:00:00",
        "Write YYYY-MM-DD HH:MM:SS. Add an offset such as +01:00 if the time is not in UTC.",
    ),
    Rule(
        "timestamp_in_future",
        False,
        "A timestamp is more than 24 hours after the file's arrival",
        "2062-01-31 10:00:00",
        "Check the clock and the time zone of the sending system.",
    ),
    Rule(
        "unknown_value",
        False,
        "A value is not one of the allowed values",
        "extra large",
        "Use one of the values that the message lists.",
    ),
    Rule(
        "bad_form",
        False,
        "A value does not have the form of its column",
        "ada.example.com as an e-mail address",
        "Write the value in the form that the message describes.",
    ),
    Rule(
        "bad_number",
        False,
        "A number is not written plainly",
        "1,000.00, 1e3, +5, 007",
        "Write digits only, with a point before the decimals: without exponent, plus sign or thousands separator.",
    ),
    Rule(
        "out_of_range",
        False,
        "A number is outside the range of its column",
        "a quantity of 0, a price with three decimals",
        "Correct the number, or round it to the digits that the message allows.",
    ),
    Rule(
        "bad_json",
        False,
        "A list of records is not valid JSON",
        "[{'product_id': 'P-17'}]",
        "Write a JSON array (RFC 8259), with every quote doubled because the field is quoted.",
    ),
    Rule(
        "wrong_type",
        False,
        "A JSON value has the wrong type",
        '"quantity": "2"',
        "Use the JSON type that the message names.",
    ),
    Rule(
        "record_count",
        False,
        "A list has no records, or too many",
        "[]",
        "Give at least one record and at most as many as the message allows.",
    ),
    Rule(
        "unknown_field",
        False,
        "A record has an unknown field",
        '"colour": "red"',
        "Use exactly the documented fields.",
    ),
    Rule(
        "duplicate_field",
        False,
        "A record has a field twice",
        '{"quantity": 1, "quantity": 2}',
        "Keep one of the two.",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _RULES})
