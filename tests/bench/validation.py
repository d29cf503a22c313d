"""``python -m tests.bench.validation``: how fast files are judged, beside pyarrow's bare typed CSV read of the same file.

Every figure is the best of some runs, each in a process of its own, taken in turns with pyarrow's so that both meet the
same machine; CPU time, of all threads together, tells more where others use the machine, too. MB are 10^6 bytes; memory
is the highest resident set of the process, interpreter and libraries included. What the first file of a process costs
(importing RE2, compiling the pattern) is part of every figure.
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
from typing import Any, BinaryIO, cast

import click

from tests.bench.rows import KINDS, write

NAME = "order_tracking_2026_01_31.csv"
ARRIVAL = datetime(2026, 2, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
BUCKET = "bench"


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
    stored = store.look(BUCKET, source.removeprefix("gs:"))
    assert stored is not None
    with store.reading(stored.file) as stream:
        assert stream is not None
        yield stream


def judging(source: str, size: int) -> dict[str, Any]:
    from functions.validation import judge

    with _stream(source) as stream:
        started, cpu = time.perf_counter(), time.process_time()
        found = judge(stream, name=NAME, arrival=ARRIVAL, max_bad_row_ratio=0.1, size=size)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "rows": found.rows, "bad_rows": found.bad_rows, "given_up": found.partial}


def pyarrow_reading(source: str, threads: bool) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv

    pa.set_cpu_count(os.cpu_count() or 1)
    text = ("order_num", "tracking_num", "status", "address")
    dates = ("pck_recieved_date", "package_deliver_date")
    types = (
        dict.fromkeys(text, pa.string()) | dict.fromkeys(dates, pa.date32()) | {"last_update_timestamp": pa.timestamp("us")}
    )
    with _stream(source) as stream:
        started, cpu = time.perf_counter(), time.process_time()
        batches = csv.open_csv(
            _Readable(stream) if source.startswith("gs:") else source,
            read_options=csv.ReadOptions(use_threads=threads),
            convert_options=csv.ConvertOptions(column_types=types),
        )
        rows = sum(batch.num_rows for batch in batches)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "rows": rows}


class _Readable:
    """A stream in the shape that pyarrow asks for."""

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
    "judge": judging,
    "pyarrow, one thread": lambda source, _size: pyarrow_reading(source, threads=False),
    "pyarrow, all threads": lambda source, _size: pyarrow_reading(source, threads=True),
}


def _peak_mb() -> float:
    """Highest resident set of this process. (getrusage would pass on that of the parent.)"""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _child(runner: str, source: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.validation", "--one", runner, source, str(size)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return cast("dict[str, Any]", json.loads(done.stdout))


def _best(runners: tuple[str, ...], source: str, size: int, repeats: int) -> dict[str, dict[str, Any]]:
    runs: dict[str, list[dict[str, Any]]] = {runner: [] for runner in runners}
    for _ in range(repeats):
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


def _compare(title: str, source: str, size: int, repeats: int) -> dict[str, Any]:
    best = _best(tuple(RUNNERS), source, size, repeats)
    ours = best["judge"]
    click.echo(f"{title:38} {_figures(ours)}")
    for other in list(RUNNERS)[1:]:
        ratio, by_cpu = (ours[rate] / best[other][rate] for rate in ("mb_per_s", "mb_per_cpu_s"))
        click.echo(f"  {ratio:4.2f} ({by_cpu:4.2f} by CPU time) of {other:23} {_figures(best[other])}")
    return {"what": title, "bytes": size, "best": best}


def _alone(title: str, source: str, size: int, repeats: int, clean: float) -> dict[str, Any]:
    best = _best(("judge",), source, size, repeats)
    ours = best["judge"]
    given_up = f", given up after {ours['rows']:,} rows" if ours["given_up"] else ""
    click.echo(f"{title:38} {_figures(ours)}; {ours['mb_per_cpu_s'] / clean:4.2f} of clean{given_up}")
    return {"what": title, "bytes": size, "best": best}


@contextlib.contextmanager
def _stored(path: Path, data_dir: Path) -> Iterator[str]:
    from tests.storage_fixtures import client_for, storage_process

    with storage_process(data_dir) as server:
        client_for(server.url).create_bucket(BUCKET).blob("clean.csv").upload_from_filename(str(path))
        os.environ["STORAGE_EMULATOR_HOST"] = server.url
        try:
            yield "gs:clean.csv"
        finally:
            del os.environ["STORAGE_EMULATOR_HOST"]


def _bench(folder: Path, megabytes: int, big: int, repeats: int) -> list[dict[str, Any]]:
    paths = {}
    for kind in KINDS:
        paths[kind] = folder / f"{kind.replace(' ', '-').replace('%', 'percent')}-{megabytes}.csv"
        if not paths[kind].exists():
            write(paths[kind], kind, megabytes)
    results = []
    for kind in ("clean", "0.1 % bad rows"):
        path = paths.pop(kind)
        if kind == "clean":
            clean = path
            results.append(_compare("clean, local file", str(path), path.stat().st_size, repeats))
            clean_rate = results[0]["best"]["judge"]["mb_per_cpu_s"]
        else:
            results.append(_alone(kind, str(path), path.stat().st_size, repeats, clean_rate))
    for kind, path in paths.items():
        results.append(_alone(kind, str(path), path.stat().st_size, repeats, clean_rate))
    with tempfile.TemporaryDirectory(dir=folder) as data_dir, _stored(clean, Path(data_dir)) as source:
        results.append(_compare("clean, storage server and client", source, clean.stat().st_size, repeats))
    if big:
        path = folder / f"clean-{big}.csv"
        if not path.exists():
            write(path, "clean", big)
        results.append(_compare(f"clean, {big} MB", str(path), path.stat().st_size, 1))
    return results


@click.command()
@click.option("--megabytes", default=210, show_default=True, help="Size of each file.")
@click.option("--big", default=0, help="Also a clean file of so many MB (2000 shows that memory doesn't grow).")
@click.option("--repeats", default=3, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write every figure there.")
@click.option("--folder", type=click.Path(path_type=Path), default=ROOT / ".cache" / "bench", help="Keeps the files.")
@click.option("--one", nargs=3, type=str, hidden=True)
def main(
    megabytes: int, big: int, repeats: int, json_path: Path | None, folder: Path, one: tuple[str, str, str] | None
) -> None:
    """Judge clean, flawed and hostile files and compare with pyarrow."""
    if one:
        runner, source, size = one
        result = RUNNERS[runner](source, int(size))
        click.echo(json.dumps(result | {"peak_mb": _peak_mb()}))
        return
    folder.mkdir(parents=True, exist_ok=True)
    results = _bench(folder, megabytes, big, repeats)
    if json_path:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        json_path.write_text(json.dumps({"at": at, "cpus": os.cpu_count(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
