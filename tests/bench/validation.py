"""How fast files are validated, in how much memory: clean ones against pyarrow's typed CSV read, the worst against clean.

python -m tests.bench.validation [FEED=order_tracking] [SIZE_MB=200] [ROUNDS=3]   `make bench-validation`; SIZE_MB=2000 is
                                                                                   for the memory

Every figure is the best of some runs, each in a process of its own, taken in turns with pyarrow's so that both meet the
same machine. Goals against pyarrow are ratios of throughput, those against clean files of CPU time. MB are 10^6 bytes;
memory is the highest resident set of the process, interpreter and libraries included. What the first file of a process
costs (importing RE2, compiling the pattern) is part of every figure. Only the clean file grows beyond 200 MB.
Exits 1 where a goal isn't met.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from spark_jobs.contract.column_types import ColumnType, Date, Integer, Number, Timestamp
from spark_jobs.contract.feeds import FEEDS
from tests.bench import customer_rows, rows
from tests.bench.arguments import number, text
from tests.bench.figures import ROOT, Goal, keep, show_goals, work_folder

if TYPE_CHECKING:
    import pyarrow as pa

FEED = FEEDS[text("FEED", "order_tracking")]
NAME = f"{FEED.file_prefix}_2026_01_31.csv"
ROWS = {"order_tracking": (rows.KINDS, rows.HEADER), "customer_orders": (customer_rows.KINDS, customer_rows.HEADER)}
ARRIVAL = datetime(2026, 2, 1, 12, tzinfo=UTC)
BUCKET = "bench"
MAX_BAD_ROW_RATIO = 0.1
LARGEST_FLAWED_MB, LARGEST_STORED_MB = 50, 200
OF_PYARROW = {"order_tracking": 0.6, "customer_orders": 0.4}
"""pyarrow reads a list of records as text."""
WORST_OF_CLEAN = 0.2
GIVEN_UP_AFTER = 1 / 3
"""Share of a file: a row may have three times the bytes of the shortest good one, and a tenth of all must be bad."""
MEMORY_MB = 256
FLAWED = "0.1 % bad rows"
WORST = (
    "every row bad",
    "every field quoted",
    "a line break in every address",
    "stray quotes everywhere",
    "all of that at once",
    "every tenth row with a date out of order",
)


@contextlib.contextmanager
def _stream(source: str) -> Iterator[BinaryIO]:
    """``gs:NAME`` is an object of the local storage server, through Google's client; anything else is a local path."""
    if not source.startswith("gs:"):
        with Path(source).open("rb", buffering=0) as file:
            yield cast("BinaryIO", file)
        return
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    from spark_jobs.cloud.gcs import GcsFileStore

    store = GcsFileStore(storage.Client(project="local", credentials=AnonymousCredentials()))
    stored = store.stat(BUCKET, source.removeprefix("gs:"))
    assert stored is not None
    with store.open_file(stored.file) as stream:
        assert stream is not None
        yield stream


def validating(source: str, size: int, max_ratio: float = MAX_BAD_ROW_RATIO) -> dict[str, Any]:
    from functions.validation.upload import validate_upload

    with _stream(source) as stream:
        started, cpu = time.perf_counter(), time.process_time()
        found = validate_upload(stream, name=NAME, arrival=ARRIVAL, max_bad_row_ratio=max_ratio, size=size)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "rows": found.rows, "bad_rows": found.bad_rows, "given_up": found.partial}


def pyarrow_reading(source: str, threads: bool) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv

    pa.set_cpu_count(os.cpu_count() or 1)
    types = {column.name: _arrow_type(column.type) for column in FEED.columns}
    with _stream(source) as stream:
        started, cpu = time.perf_counter(), time.process_time()
        batches = csv.open_csv(
            _Readable(stream) if source.startswith("gs:") else source,
            read_options=csv.ReadOptions(use_threads=threads),
            convert_options=csv.ConvertOptions(column_types=types),
        )
        count = sum(batch.num_rows for batch in batches)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "rows": count}


def _arrow_type(kind: ColumnType) -> pa.DataType:
    import pyarrow as pa

    match kind:
        case Date():
            return pa.date32()
        case Timestamp():
            return pa.timestamp("us")
        case Integer():
            return pa.int64()
        case Number(precision, scale):
            return pa.decimal128(precision, scale)
    return pa.string()


class _Readable:
    """A stream with the methods that pyarrow needs."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


RUNNERS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "validate": validating,
    "validate, any share of bad rows": lambda source, size: validating(source, size, 1.0),
    "pyarrow, one thread": lambda source, _size: pyarrow_reading(source, threads=False),
    "pyarrow, all threads": lambda source, _size: pyarrow_reading(source, threads=True),
}


def _peak_mb() -> float:
    """Highest resident set of this process. (getrusage would pass on that of the parent.)"""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _child(runner: str, source: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.validation", "--one", runner, source, str(size), f"FEED={FEED.name}"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return cast("dict[str, Any]", json.loads(done.stdout))


def _best(runners: tuple[str, ...], source: str, size: int, rounds: int) -> dict[str, dict[str, Any]]:
    runs: dict[str, list[dict[str, Any]]] = {runner: [] for runner in runners}
    for _ in range(rounds):
        for runner in runners:
            runs[runner].append(_child(runner, source, size))
    best = {}
    for runner, results in runs.items():
        fastest = min(results, key=lambda result: cast("float", result["seconds"]))
        peak = max(result["peak_mb"] for result in results)
        cpu = min(result["cpu"] for result in results)
        rates = {"mb_per_s": size / 1e6 / fastest["seconds"], "mb_per_cpu_s": size / 1e6 / cpu}
        best[runner] = fastest | {"cpu": cpu, "peak_mb": peak} | rates
    return best


def _figures(run: dict[str, Any]) -> str:
    return f"{run['mb_per_s']:4.0f} MB/s, {run['mb_per_cpu_s']:4.0f} MB per CPU second, {run['peak_mb']:4.0f} MB of memory"


def _compare(title: str, source: str, size: int, rounds: int) -> dict[str, Any]:
    """Compare the function's validation with pyarrow. Returns the figures of the validation."""
    best = _best(("validate", "pyarrow, one thread", "pyarrow, all threads"), source, size, rounds)
    ours = best.pop("validate")
    print(f"{title:44} {_figures(ours)}")
    for other, theirs in best.items():
        ratio, by_cpu = (ours[rate] / theirs[rate] for rate in ("mb_per_s", "mb_per_cpu_s"))
        print(f"  {ratio:4.2f} ({by_cpu:4.2f} by CPU time) of {other:23} {_figures(theirs)}", flush=True)
    pyarrow = best["pyarrow, one thread"]["mb_per_s"]
    return ours | {"of_pyarrow": ours["mb_per_s"] / pyarrow, "pyarrow_mb_per_s": pyarrow}


def _alone(title: str, runner: str, source: str, size: int, rounds: int, clean: dict[str, Any]) -> dict[str, Any]:
    ours = _best((runner,), source, size, rounds)[runner]
    ours |= {"of_clean": ours["mb_per_cpu_s"] / clean["mb_per_cpu_s"]}
    given_up = f", given up after {ours['rows']:,} rows" if ours["given_up"] else ""
    print(f"{title:44} {_figures(ours)}; {ours['of_clean']:5.3f} of clean{given_up}", flush=True)
    return ours


@contextlib.contextmanager
def _stored(paths: list[Path]) -> Iterator[list[str]]:
    from tests.storage_fixtures import client_for, storage_process

    with tempfile.TemporaryDirectory(dir=paths[0].parent) as data_dir, storage_process(Path(data_dir)) as server:
        bucket = client_for(server.url).create_bucket(BUCKET)
        for path in paths:
            bucket.blob(path.name).upload_from_filename(str(path))
        os.environ["STORAGE_EMULATOR_HOST"] = server.url
        try:
            yield [f"gs:{path.name}" for path in paths]
        finally:
            del os.environ["STORAGE_EMULATOR_HOST"]


def _file(kind: str, megabytes: int) -> Path:
    path = work_folder("validation") / FEED.name / f"{kind.replace(' ', '-').replace('%', 'percent')}-{megabytes}.csv"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        kinds, header = ROWS[FEED.name]
        rows.write(path, megabytes, kinds[kind], header)
    return path


def _worst(kind: str, megabytes: int, rounds: int, clean: dict[str, Any]) -> tuple[Goal, dict[str, Any]]:
    path = _file(kind, megabytes)
    size = path.stat().st_size
    found = _alone(kind, "validate", str(path), size, rounds, clean)
    if not found["given_up"]:
        return Goal(f"{kind}: of the clean rate", found["of_clean"], WORST_OF_CLEAN, least=True), found
    _alone("  where any share of bad rows is accepted", "validate, any share of bad rows", str(path), size, 1, clean)
    if found["of_clean"] >= WORST_OF_CLEAN:
        return Goal(f"{kind}: of the clean rate, given up", found["of_clean"], WORST_OF_CLEAN, least=True), found
    records = validating(str(path), size, 1.0)["rows"]
    return Goal(f"{kind}: share validated until given up", found["rows"] / records, GIVEN_UP_AFTER), found


def main() -> int:
    size_mb, rounds = number("SIZE_MB", 200), number("ROUNDS", 3)
    flawed_mb = min(size_mb, LARGEST_FLAWED_MB)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; best of {rounds}")
    path = _file("clean", size_mb)
    clean = _compare(f"clean, {size_mb} MB, local file", str(path), path.stat().st_size, rounds)
    goals = [
        Goal("clean: of pyarrow's rate on one thread", clean["of_pyarrow"], OF_PYARROW[FEED.name], least=True),
        Goal(f"clean: MB of memory for {size_mb:,} MB", clean["peak_mb"], MEMORY_MB),
    ]
    # Beside a clean file of their own size: the pattern is compiled once a process, whatever its file's size.
    path = _file("clean", flawed_mb)
    alike = _best(("validate",), str(path), path.stat().st_size, rounds)["validate"]
    figures = {f"clean, {size_mb} MB": clean, f"clean, {flawed_mb} MB": alike}
    for kind in (kind for kind in WORST if kind in ROWS[FEED.name][0]):
        goal, figures[kind] = _worst(kind, flawed_mb, rounds, alike)
        goals.append(goal)
    paths = [_file("clean", size_mb), _file(FLAWED, min(size_mb, LARGEST_STORED_MB))]
    with _stored(paths) as sources:
        stored = _compare(f"clean, {size_mb} MB, storage and client", sources[0], paths[0].stat().st_size, rounds)
        flawed = _alone(f"{FLAWED}, storage and client", "validate", sources[1], paths[1].stat().st_size, rounds, stored)
    # pyarrow can't read a bad row with types: its rate is the clean file's.
    flawed["of_pyarrow"] = flawed["mb_per_s"] / stored["pyarrow_mb_per_s"]
    figures |= {"clean, stored": stored, f"{FLAWED}, stored": flawed}
    goals += [
        Goal(
            "clean, through the client: of pyarrow's rate on one thread",
            stored["of_pyarrow"],
            OF_PYARROW[FEED.name],
            least=True,
        ),
        Goal(f"{FLAWED}, through the client: of pyarrow's rate", flawed["of_pyarrow"], OF_PYARROW[FEED.name], least=True),
        Goal("clean, through the client: MB of memory", stored["peak_mb"], MEMORY_MB),
    ]
    keep("validation" if FEED.name == "order_tracking" else f"validation-{FEED.name}", {"files": figures})
    return show_goals(goals)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        runner, source, size = sys.argv[2:5]
        print(json.dumps(RUNNERS[runner](source, int(size)) | {"peak_mb": _peak_mb()}))
    else:
        sys.exit(main())
