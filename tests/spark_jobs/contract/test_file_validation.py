"""The loop that validates a whole file: against the independent oracle, in any blocks, in bounded time and memory."""

from __future__ import annotations

import io

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_validation import FileValidation, blocks_of, lines_as_blocks
from spark_jobs.contract.records import BOM
from spark_jobs.contract.rows import latest_allowed
from tests.oracle import COLUMNS
from tests.strategies import ARRIVAL

HEADER = ",".join(COLUMNS).encode() + b"\n"
GOOD = b"A1,T1,2026-01-10,2026-01-12,delivered,1 Main St,2026-01-12 10:00:00\n"


def test_exactly_one_bom_is_removed_so_a_second_one_makes_the_header_invalid() -> None:
    """In the function, and in the job, whose line reader (Hadoop's) has already removed one."""

    def codes(blocks: object) -> set[str]:
        file = FileValidation(ORDER_TRACKING, latest_allowed(ORDER_TRACKING, ARRIVAL))
        for block, last in blocks:  # type: ignore[attr-defined]
            list(file.take(block, last=last))
        return {violation.code for violation in file.violations}

    one, two = BOM + HEADER + GOOD, BOM + BOM + HEADER + GOOD
    assert codes(blocks_of(io.BytesIO(one))) == codes(lines_as_blocks((HEADER + GOOD).splitlines())) == set()
    expected = {"missing_column", "unknown_column"}
    assert codes(blocks_of(io.BytesIO(two))) == codes(lines_as_blocks(one.splitlines())) == expected
