"""The fast path: lines of a file become typed rows column by column, in Arrow; a hundred times faster than one by one.

It may only err toward "not plainly clean". The contract itself validates every line that isn't plainly clean, and every
different date, status and offset once. The driver runs this for small batches, Spark's Python workers for large ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from spark_jobs.contract.column_types import Column
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.rows import Fault, parse_timestamp, validate_value
from spark_jobs.reading.staged_rows import (
    MAX_PLAIN_BYTES,
    arrow_type,
    as_arrow,
    staged_names,
    validate_line,
    violations_type,
)

if TYPE_CHECKING:
    import pyarrow

_TIMESTAMP = r"^\d{4}-\d{2}-\d{2}[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})?$"
_DAY_CHARACTERS = len("YYYY-MM-DD")
_OFFSET = r"[+-]\d{2}:\d{2}$"
_OFFSET_CHARACTERS = len("+hh:mm")
_CONTROLS = bytes(range(0x20))
_QUOTED_COMMA = "\x1f"
"""Replaces a comma in a quoted field. No plain line has this character, because it is a control character."""


class FileLayout(NamedTuple):
    """What validation needs to know about a file. ``positions``: the index in a line of each of the feed's columns.
    ``latest`` (aware) is the greatest timestamp allowed."""

    file_id: str
    positions: Sequence[int]
    latest: datetime


def validate_lines(
    feed: Feed, layout: FileLayout, numbers: pyarrow.Array, lines: pyarrow.Array
) -> list[pyarrow.RecordBatch]:
    """Staged rows, in no particular order. ``numbers``: the lines' row numbers. ``lines``: binary, none of them empty,
    without LF; a CR at the end belongs to the line end."""
    import pyarrow.compute as pc

    fields, plain = _split(feed, lines)
    typed, good = _typed(feed, layout, _kept(fields, plain))
    clean = pc.replace_with_mask(plain, plain, good)
    batches = [_clean_rows(feed, layout, _kept(numbers, clean), [_kept(values, good) for values in typed])]
    if not _all(clean):
        doubtful = pc.invert(clean)
        rest = zip(numbers.filter(doubtful).to_pylist(), lines.filter(doubtful).to_pylist(), strict=True)
        rows = [validate_line(feed, layout.positions, layout.latest, layout.file_id, *each) for each in rest]
        batches.append(as_arrow(feed, rows))
    return [batch for batch in batches if batch.num_rows]


def _clean_rows(
    feed: Feed, layout: FileLayout, numbers: pyarrow.Array, typed: Sequence[pyarrow.Array]
) -> pyarrow.RecordBatch:
    import pyarrow as pa

    rows = len(numbers)
    file_ids = pa.repeat(pa.scalar(layout.file_id), rows)
    # Not pa.nulls: its one large buffer of zeros would be sent with every slice.
    nothing = [pa.array([None] * rows, kind) for kind in (pa.string(), violations_type())]
    return pa.RecordBatch.from_arrays([*typed, file_ids, numbers, *nothing], staged_names(feed))


def _all(mask: pyarrow.Array) -> bool:
    return mask.true_count == len(mask)


def _kept(values: pyarrow.Array, mask: pyarrow.Array) -> pyarrow.Array:
    return values if _all(mask) else values.filter(mask)


def _split(feed: Feed, lines: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    """Each line's fields, and which lines have the right number of them, plainly written."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = _without_line_ends(lines).cast(pa.string())
    except pa.ArrowInvalid:  # at least one line isn't UTF-8
        return pa.array([[]] * len(lines), pa.list_(pa.string())), pa.repeat(pa.scalar(False), len(lines))
    plain = pc.less_equal(pc.binary_length(texts), MAX_PLAIN_BYTES)
    content = _content(texts)
    if len(content.translate(None, _CONTROLS)) < len(content):
        plain = pc.and_not(plain, pc.match_substring_regex(texts, r"[\x00-\x1f]"))
    if b'"' in content:
        has_quotes = pc.match_substring(texts, '"')
        texts = pc.replace_with_mask(texts, has_quotes, _without_quotes(texts.filter(has_quotes)))
    fields = pc.split_pattern(texts, ",")
    return fields, pc.and_(plain, pc.fill_null(pc.equal(pc.list_value_length(fields), len(feed.columns)), False))


def _content(texts: pyarrow.Array) -> bytes:
    """The bytes of all texts together (of a slice: perhaps more)."""
    data = texts.buffers()[2]
    return b"" if data is None else data.to_pybytes()


def _without_line_ends(lines: pyarrow.Array) -> pyarrow.Array:
    """Lines come without LF; this removes the CR of a CRLF."""
    import pyarrow.compute as pc

    ends = pc.ends_with(lines, b"\r")
    return pc.if_else(ends, pc.binary_slice(lines, 0, -1), lines) if ends.true_count else lines


def _without_quotes(texts: pyarrow.Array) -> pyarrow.Array:
    """Lines in which every pair of quotes encloses a whole field, without the quotes and with ``_QUOTED_COMMA`` for the
    commas between them. Null for a line with any other quote."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = pc.split_pattern(texts, '"')
    line, part, length = pc.list_parent_indices(lists), lists.flatten(), pc.list_value_length(lists)
    place = pc.subtract(_indices(len(part)), lists.offsets.take(line))
    inside = pc.equal(pc.bit_wise_and(place, 1), 1)
    first, last, empty = pc.equal(place, 0), pc.equal(place, pc.subtract(length, 1).take(line)), pc.equal(part, "")
    # Two quoted fields are separated by a comma, or by unquoted fields between commas.
    begins = pc.or_(pc.or_(first, pc.starts_with(part, ",")), pc.and_(last, empty))
    ends = pc.or_(pc.or_(last, pc.ends_with(part, ",")), pc.and_(first, empty))
    wrong = line.filter(pc.invert(pc.or_(inside, pc.and_(begins, ends))))
    closed = pc.equal(pc.bit_wise_and(length, 1), 1)
    simple = pc.and_not(closed, pc.is_in(_indices(len(texts)), wrong.cast(pa.int32())))
    protected = pc.if_else(inside, pc.replace_substring(part, ",", _QUOTED_COMMA), part)
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, protected), "")
    return pc.if_else(simple, joined, pa.scalar(None, pa.string()))


def _indices(length: int) -> pyarrow.Array:
    """0, 1, 2, …, without a Python object for each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.indices_nonzero(pa.repeat(pa.scalar(True), length)).cast(pa.int32())


def _typed(feed: Feed, layout: FileLayout, fields: pyarrow.Array) -> tuple[list[pyarrow.Array], pyarrow.Array]:
    """The columns' values, and which rows are clean. ``fields``: lists of the right number of texts without controls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    typed, clean = [], pa.repeat(pa.scalar(True), len(fields))
    for column, position in zip(feed.columns, layout.positions, strict=True):
        # Plain lines have no other white space than blanks.
        text = pc.utf8_trim(pc.list_element(fields, position), " ")
        if column.kind == "text":
            values, good = _texts(column, text)
        elif column.kind == "timestamp":
            values, good = _timestamps(feed, column, layout.latest, text)
        else:
            values, good = _few(feed, column, layout.latest, text)
        typed.append(values)
        clean = pc.and_(clean, good)
    for later, earlier in feed.not_before:
        last, first = typed[feed.position(later)], typed[feed.position(earlier)]
        clean = pc.and_(clean, pc.fill_null(pc.greater_equal(last, first), True))
    return typed, clean


def _texts(column: Column, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.equal(text, "")
    good = pc.less_equal(pc.utf8_length(text), column.max_length)
    if column.required:
        good = pc.and_not(good, missing)
    if _QUOTED_COMMA.encode() in _content(text):
        text = pc.replace_substring(text, _QUOTED_COMMA, ",")
    return pc.if_else(missing, pa.scalar(None, pa.string()), text) if missing.true_count else text, good


def _few(feed: Feed, column: Column, latest: datetime, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    """A column with few different texts: the contract validates each of them once."""
    import pyarrow as pa

    coded = text.dictionary_encode()
    validated = [validate_value(feed, column, each, latest) for each in coded.dictionary.to_pylist()]
    values = pa.array([None if isinstance(value, Fault) else value for value in validated], arrow_type(column))
    good = pa.array([not isinstance(value, Fault) for value in validated], pa.bool_())
    return values.take(coded.indices), good.take(coded.indices)


def _timestamps(feed: Feed, column: Column, latest: datetime, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    """The contract validates the days, because Arrow's own parser takes the 30th of February, and the offsets."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = Column(column.name, "date", required=True)
    _, good = _few(feed, days, latest, pc.utf8_slice_codeunits(text, 0, _DAY_CHARACTERS))
    good = pc.and_(good, pc.match_substring_regex(text, _TIMESTAMP))
    clock, shift = text, None
    has_offset = pc.match_substring_regex(text, _OFFSET)
    if has_offset.true_count:
        shift = _offsets(pc.if_else(has_offset, pc.utf8_slice_codeunits(text, -_OFFSET_CHARACTERS, None), ""))
        clock = pc.if_else(has_offset, pc.utf8_slice_codeunits(text, 0, -_OFFSET_CHARACTERS), text)
        good = pc.and_(good, pc.is_valid(shift))
    naive = pc.if_else(good, pc.utf8_rtrim(clock, "Z"), pa.scalar(None, pa.string()))
    moments = naive.cast(pa.timestamp("us"))
    if shift is not None:
        moments = pc.subtract(moments, shift)
        good = pc.and_kleene(good, pc.greater_equal(moments, pa.scalar(_FIRST_MOMENT, pa.timestamp("us"))))
    values = moments.cast(arrow_type(column))
    return values, pc.and_(good, pc.fill_null(pc.less_equal(values, pa.scalar(latest, arrow_type(column))), False))


_FIRST_MOMENT = datetime.min  # noqa: DTZ901 - Arrow's naive moments are in UTC
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


def _offsets(text: pyarrow.Array) -> pyarrow.Array:
    """Offsets as durations; null where the contract doesn't accept the offset."""
    import pyarrow as pa

    coded = text.dictionary_encode()
    moments = [parse_timestamp(f"{_ANY_MOMENT:%Y-%m-%d %H:%M:%S}{offset}") for offset in coded.dictionary.to_pylist()]
    shifts: list[timedelta | None] = [_ANY_MOMENT - moment if moment else None for moment in moments]
    return pa.array(shifts, pa.duration("us")).take(coded.indices)
