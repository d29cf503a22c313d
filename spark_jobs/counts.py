"""What a batch holds of each file, counted by Spark over the stage, or (small batches) here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.judging import WHOLE_FILE_ROW, StagedRow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class FileCounts:
    """``numbers`` is the sum of the row numbers: with gaps or repeats it is off. ``fault``: code of what is wrong with
    the file as a whole."""

    rows: int = 0
    bad_rows: int = 0
    numbers: int = 0
    conflicting_ties: int = 0
    fault: str | None = None


@dataclass(frozen=True)
class Counts:
    """``keys``: lowest and highest of the good rows, by code point, as Spark compares; none where there is no good row."""

    files: Mapping[FileId, FileCounts]
    keys: tuple[str, str] | None


def count_staged(staged: DataFrame, feed: Feed) -> Counts:
    """Of rows as they are staged."""
    from pyspark.sql import functions as F

    row = F.col("row_number") > WHOLE_FILE_ROW
    bad = F.col("violations").isNotNull()
    found = (
        staged.groupBy("file_id")
        .agg(
            F.count_if(row).alias("rows"),
            F.count_if(row & bad).alias("bad_rows"),
            F.sum("row_number").alias("numbers"),
            F.count_if("tied").alias("ties"),
            F.max(F.when(~row, F.col("violations")[0]["code"])).alias("fault"),
            F.min(F.when(~bad, F.col(feed.key))).alias("lowest"),
            F.max(F.when(~bad, F.col(feed.key))).alias("highest"),
        )
        .collect()
    )
    files = {
        FileId.parse(r["file_id"]): FileCounts(r["rows"], r["bad_rows"], r["numbers"], r["ties"], r["fault"]) for r in found
    }
    return Counts(files, _range(key for r in found for key in (r["lowest"], r["highest"]) if key is not None))


def count_rows(rows: Sequence[StagedRow], flags: Iterable[tuple[bool, bool]], feed: Feed) -> Counts:
    """Of the same rows before they are staged. ``flags``: (newest, tied) of each."""
    tally: dict[str, list[int]] = {}
    faults: dict[str, str] = {}
    for (file_id, number, values, _, violations), (_, tied) in zip(rows, flags, strict=True):
        mine = tally.setdefault(file_id, [0, 0, 0, 0])
        if number == WHOLE_FILE_ROW:
            faults[file_id] = violations[0].code if violations else ""
            continue
        mine[0] += 1
        mine[1] += values is None
        mine[2] += number
        mine[3] += tied
    at = feed.position(feed.key)
    files = {
        FileId.parse(file_id): FileCounts(total, bad, numbers, ties, faults.get(file_id))
        for file_id, (total, bad, numbers, ties) in tally.items()
    }
    return Counts(files, _range(str(values[at]) for _, _, values, _, _ in rows if values is not None))


def _range(keys: Iterable[str]) -> tuple[str, str] | None:
    listed = list(keys)
    return (min(listed), max(listed)) if listed else None
