"""Lines that are plainly clean, told and typed by Spark itself. Everything else goes to `contract.rows`, which decides.

The rules here may only err towards "not plain": a line is plain where no reading of the contract could find fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_jobs.contract.feeds import Column as FeedColumn
from spark_jobs.contract.feeds import Feed
from spark_jobs.reading.row_validation import MAX_PLAIN_BYTES

if TYPE_CHECKING:
    from pyspark.sql import Column

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DATE = r"^\d{4}-\d{2}-\d{2}\z"
_TIMESTAMP = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})?\z"
# At the ends of the calendar the engines differ (year 0, overflow when moved to UTC).
_ODD_YEARS = ("0000", "0001", "9999")


def line_text(value: Column) -> Column:
    """A line without the CR of its CRLF."""
    return F.when(F.endswith(value, F.lit("\r")), F.expr("left(value, length(value) - 1)")).otherwise(value)


class PlainLine:
    """Column expressions over ``line`` (text without its line end) for one order of the header.

    ``positions``: where in a line each of the feed's columns stands.
    """

    def __init__(self, feed: Feed, positions: Sequence[int], line: Column) -> None:
        self._feed = feed
        self._line = line
        self._parts = F.split(line, ",", -1)
        self._positions = dict(zip(feed.column_names, positions, strict=True))

    def field(self, name: str) -> Column:
        """A field as text, trimmed. Plain lines have no other white space than blanks at their ends."""
        return F.trim(F.get(self._parts, F.lit(self._positions[name])))

    def typed(self, column: FeedColumn) -> Column:
        """The value; missing, or not readable as its type: null."""
        text = self.field(column.name)
        if column.kind == "text":
            return F.nullif(text, F.lit(""))
        if column.kind == "date":
            return text.try_cast("date")
        if column.kind == "status":
            return self._status(text)
        zulu = F.when(F.substring(text, -6, 1).isin("+", "-") | F.endswith(text, F.lit("Z")), F.lit("")).otherwise("Z")
        return F.concat(text, zulu).try_cast("timestamp")

    def is_plain(self) -> Column:
        """Never null. The upper bound of timestamps, which depends on the file, is not looked at."""
        rule = (
            (F.octet_length(self._line) <= MAX_PLAIN_BYTES)
            & ~F.contains(self._line, F.lit('"'))
            & ~F.rlike(self._line, F.lit(r"[\x00-\x1f]"))
            & (F.size(self._parts) == len(self._feed.columns))
            & F.is_valid_utf8(self._line)
        )
        for column in self._feed.columns:
            rule = rule & self._field_rule(column)
        for later, earlier in self._feed.not_before:
            last, first = (self.typed(self._feed.columns[self._feed.position(name)]) for name in (later, earlier))
            rule = rule & F.coalesce(last >= first, F.lit(True))
        return F.coalesce(rule, F.lit(False))

    def _field_rule(self, column: FeedColumn) -> Column:
        text = self.field(column.name)
        if column.kind == "text":
            rule = F.char_length(text) <= column.max_length
        elif column.kind == "status":
            rule = self.typed(column).isNotNull()
        else:
            shape = F.rlike(text, F.lit(_DATE if column.kind == "date" else _TIMESTAMP))
            rule = shape & ~F.substring(text, 1, 4).isin(*_ODD_YEARS) & self.typed(column).isNotNull()
        empty = text == ""
        return (~empty & rule) if column.required else (empty | rule)

    def _status(self, text: Column) -> Column:
        lower = F.translate(text, _UPPER, _UPPER.lower())
        spelled = F.regexp_replace(lower, "[ _-]+", " ")
        for synonym, status in self._feed.status_synonyms.items():
            spelled = F.when(spelled == synonym, F.lit(status)).otherwise(spelled)
        return F.when(spelled.isin(*self._feed.statuses), spelled)


def header_code(feed: Feed, line: Column) -> Column:
    """For a line that is the feed's header, plainly written: each column's position as a digit; null for any other.

    A number, because the engine takes the extremes of numbers, not of texts, without sorting.
    """
    names = F.transform(F.split(line, ",", -1), F.trim)
    layout = [F.array_position(names, name) for name in feed.column_names]
    code = F.lit(0).cast("long")
    complete = F.size(names) == len(feed.columns)
    for place in layout:
        code = code * 10 + place
        complete = complete & (place > 0)
    return F.when(F.contains(line, F.lit(feed.key)) & complete, code)


def positions_of(feed: Feed, code: int) -> tuple[int, ...]:
    """The inverse of ``header_code``."""
    return tuple(int(digit) - 1 for digit in str(code).rjust(len(feed.columns), "0"))
