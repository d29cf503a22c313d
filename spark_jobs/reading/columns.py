"""The fast path: lines of a file become typed rows column by column, in Arrow; a hundred times faster than one by one.

It may only err toward "not plainly clean". The contract itself validates every line that isn't plainly clean, and every
different date, status and offset once. The driver runs this for small batches, Spark's Python workers for large ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from spark_jobs.contract.column_types import Column, Date, Integer, Number, Text, Timestamp, validate_value
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.records import BOM
from spark_jobs.contract.rows import Positions, field_count
from spark_jobs.contract.values import Fault, parse_timestamp
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
_FIELD = r'(?:[^",\x00-\x1f]*|"(?:[^"\x00-\x1f]|"")*")'
_INTEGER = r"^-?(?:0|[1-9]\d{0,17})$"


class FileLayout(NamedTuple):
    """What validation needs to know about a file. ``positions``: the index in a line of each of the feed's columns.
    ``latest`` (aware) is the greatest timestamp allowed."""

    file_id: str
    positions: Positions
    latest: datetime


def validate_lines(
    feed: Feed, layout: FileLayout, numbers: pyarrow.Array, lines: pyarrow.Array
) -> list[pyarrow.RecordBatch]:
    """Staged rows, in no particular order. ``numbers``: the lines' row numbers. ``lines``: binary, none of them empty,
    without LF; a CR at the end belongs to the line end."""
    import pyarrow.compute as pc

    fields, plain = _split(layout.positions, lines)
    typed, good = _typed(feed, layout, fields)
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


def _split(positions: Positions, lines: pyarrow.Array) -> tuple[list[pyarrow.Array], pyarrow.Array]:
    """Which lines are plain: the right number of fields, quoted correctly or not at all, without control characters. And
    the fields of those lines, column by column, as Arrow's own CSV reader splits them."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    names = [str(place) for place in range(field_count(positions))]
    try:
        texts = _without_line_ends(lines).cast(pa.string())
    except pa.ArrowInvalid:  # at least one line isn't UTF-8
        return [pa.array([], pa.string()) for _ in names], pa.repeat(pa.scalar(False), len(lines))
    content = _content(texts)
    if b'"' in content or len(content.translate(None, _CONTROLS)) < len(content):
        plain = pc.match_substring_regex(texts, f"^{_FIELD}(?:,{_FIELD}){{{len(names) - 1}}}$")
    else:
        plain = pc.equal(pc.count_substring(texts, ","), len(names) - 1)
    plain = pc.and_(plain, pc.less_equal(pc.binary_length(texts), MAX_PLAIN_BYTES))
    kept = _kept(texts, plain)
    if not len(kept):
        return [kept for _ in names], plain
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(kept)], pa.int32()), kept), "\n")[0].as_buffer()
    table = csv.read_csv(
        # An empty line hides a byte order mark at the start of the first field, which the reader would remove.
        BytesIO(b"\n" + joined.to_pybytes()) if joined[: len(BOM)].to_pybytes() == BOM else pa.BufferReader(joined),
        csv.ReadOptions(column_names=names),
        csv.ParseOptions(newlines_in_values=False),
        csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False),
    )
    return [column.combine_chunks() for column in table.columns], plain


def _content(texts: pyarrow.Array) -> bytes:
    """The bytes of all texts together (of a slice: perhaps more)."""
    data = texts.buffers()[2]
    return b"" if data is None else data.to_pybytes()


def _without_line_ends(lines: pyarrow.Array) -> pyarrow.Array:
    """Lines come without LF; this removes the CR of a CRLF."""
    import pyarrow.compute as pc

    ends = pc.ends_with(lines, b"\r")
    return pc.if_else(ends, pc.binary_slice(lines, 0, -1), lines) if ends.true_count else lines


def _typed(feed: Feed, layout: FileLayout, fields: Sequence[pyarrow.Array]) -> tuple[list[pyarrow.Array], pyarrow.Array]:
    """The columns' values, and which rows are clean. ``fields``: the columns of plain lines, as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = len(fields[0])
    typed, clean = [], pa.repeat(pa.scalar(True), rows)
    for column, position in zip(feed.columns, layout.positions, strict=True):
        if position is None:
            typed.append(pa.array([None] * rows, arrow_type(column)))
            continue
        # Plain lines have no other white space than blanks.
        values, good = _values(column, layout.latest, pc.utf8_trim(fields[position], " "))
        typed.append(values)
        clean = pc.and_(clean, good)
    for later, earlier in feed.not_before:
        last, first = typed[feed.position(later)], typed[feed.position(earlier)]
        if last.type != first.type:  # a date and a timestamp
            last, first = last.cast(pa.date32()), first.cast(pa.date32())
        clean = pc.and_(clean, pc.fill_null(pc.greater_equal(last, first), True))
    return typed, clean


def _values(column: Column, latest: datetime, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    match column.type:
        case Text():
            return _texts(column, column.type, text)
        case Timestamp(future):
            return _timestamps(column, None if future else latest, text)
        case Integer() | Number():
            return _numbers(column, column.type, text)
    return _each_once(column, latest, text)


def _texts(column: Column, kind: Text, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    import pyarrow.compute as pc

    good = pc.less_equal(pc.utf8_length(text), kind.max_length)
    if kind.form:
        good = pc.and_(good, pc.match_substring_regex(text, f"^(?:{kind.form.plain})$"))
    return _or_missing(column, text, text, good)


def _numbers(column: Column, kind: Integer | Number, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    pattern = _INTEGER
    if isinstance(kind, Number):
        whole = kind.precision - kind.scale
        digits = rf"0|[1-9]\d{{0,{whole - 1}}}" if whole else "0"
        pattern = rf"^-?(?:{digits})" + (rf"(?:\.\d{{1,{kind.scale}}})?$" if kind.scale else "$")
    good = pc.match_substring_regex(text, pattern)
    values = pc.if_else(good, text, pa.scalar(None, pa.string())).cast(arrow_type(column))
    for bound, within in ((kind.low, pc.greater_equal), (kind.high, pc.less_equal)):
        if bound is not None:
            good = pc.and_(good, pc.fill_null(within(values, pa.scalar(bound)), False))
    return _or_missing(column, text, values, good)


def _or_missing(
    column: Column, text: pyarrow.Array, values: pyarrow.Array, good: pyarrow.Array
) -> tuple[pyarrow.Array, pyarrow.Array]:
    """The values, null where the text is empty, which is good unless the column is required."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.equal(text, "")
    if not missing.true_count:
        return values, good
    good = pc.and_not(good, missing) if column.required else pc.or_(good, missing)
    return pc.if_else(missing, pa.scalar(None, values.type), values), good


def _each_once(column: Column, latest: datetime, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    """The contract validates each different text once."""
    import pyarrow as pa

    coded = text.dictionary_encode()
    validated = [validate_value(column, each, latest) for each in coded.dictionary.to_pylist()]
    values = pa.array([None if isinstance(value, Fault) else value for value in validated], arrow_type(column))
    good = pa.array([not isinstance(value, Fault) for value in validated], pa.bool_())
    return values.take(coded.indices), good.take(coded.indices)


def _timestamps(column: Column, latest: datetime | None, text: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    """The contract validates the days, because Arrow's own parser takes the 30th of February, and the offsets."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days = Column(column.name, Date(), required=True)
    _, good = _each_once(days, _ANY_MOMENT, pc.utf8_slice_codeunits(text, 0, _DAY_CHARACTERS))
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
    if latest is not None:
        good = pc.and_(good, pc.fill_null(pc.less_equal(values, pa.scalar(latest, arrow_type(column))), False))
    return _or_missing(column, text, values, pc.fill_null(good, False))


_FIRST_MOMENT = datetime.min  # noqa: DTZ901 - Arrow's naive moments are in UTC
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


def _offsets(text: pyarrow.Array) -> pyarrow.Array:
    """Offsets as durations; null where the contract doesn't accept the offset."""
    import pyarrow as pa

    coded = text.dictionary_encode()
    moments = [parse_timestamp(f"{_ANY_MOMENT:%Y-%m-%d %H:%M:%S}{offset}") for offset in coded.dictionary.to_pylist()]
    shifts: list[timedelta | None] = [_ANY_MOMENT - moment if moment else None for moment in moments]
    return pa.array(shifts, pa.duration("us")).take(coded.indices)
