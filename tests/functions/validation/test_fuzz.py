"""A time-limited fuzzer: no crash, no hang, no memory leak, and always the same result as the oracle.

``FUZZ_SECONDS=600 pytest tests/functions/validation/test_fuzz.py`` runs longer (seconds of CPU time);
``FUZZ_SEED`` repeats a run.
"""

from __future__ import annotations

import gc
import io
import os
import random
import time
import tracemalloc
from pathlib import Path

import pytest

from functions.validation.upload import validate_upload
from spark_jobs.contract import file_validation as validation
from tests.oracle import read_file
from tests.strategies import ARRIVAL, NAME

SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(2**32)))
SEEDS = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "data" / "torture").glob("*/*.csv"))]
TOKENS = [
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    "é😀".encode(),
    b"24:00",
]


def mutated(rng: random.Random) -> bytes:
    content = bytearray(rng.choice(SEEDS))
    for _ in range(rng.choice([0, 1, 1, 2, 5, 20])):
        at = rng.randrange(len(content) + 1)
        match rng.randrange(6):
            case 0:
                content[at:at] = rng.choice(TOKENS)
            case 1:
                del content[at : at + rng.choice([1, 1, 2, 50])]
            case 2:
                content[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                end = at + rng.randrange(200)
                content[at:at] = content[at:end] * rng.choice([1, 2, 30])
            case 4:
                content[at:at] = rng.choice(SEEDS)[: rng.randrange(400)]
            case 5:
                content[at:at] = rng.choice([b"x", b",", b'"', b"\n", "é".encode()]) * rng.choice([70, 1030, 5000])
    return bytes(content)


def check(content: bytes) -> None:
    started = time.process_time()
    found = validate_upload(io.BytesIO(content), name=NAME, arrival=ARRIVAL, max_bad_row_ratio=1.0)
    assert time.process_time() - started < 1
    expected = read_file(content, ARRIVAL)
    if expected is None:
        assert found.rejecting
        return
    assert found.rejecting is None
    assert found.rows == len(expected)
    bad = [row for row, values in expected if values is None]
    assert found.bad_rows == len(bad)
    if not found.truncated:
        assert sorted({violation.row or 0 for violation in found.violations}) == bad


def test_fuzzed_files_get_the_result_of_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(SEED)
    monkeypatch.setattr(validation, "FIRST_BLOCK_BYTES", 99)
    check(SEEDS[0])
    tracemalloc.start()
    until, runs, settled = time.process_time() + SECONDS, 0, 0
    while time.process_time() < until:
        content = mutated(rng)
        # Small blocks, but not so small that a long record is scanned hundreds of times.
        monkeypatch.setattr(validation, "BLOCK_BYTES", max(333, len(content) // 20))
        try:
            check(content)
        except BaseException as error:
            error.add_note(f"FUZZ_SEED={SEED} after {runs} files: {content[:2000]!r}")
            raise
        runs += 1
        if runs == 100:
            gc.collect()
            settled = tracemalloc.get_traced_memory()[0]
    gc.collect()
    left = tracemalloc.get_traced_memory()[0] - settled
    tracemalloc.stop()
    assert runs > 100
    assert left < 4 * 1024 * 1024
