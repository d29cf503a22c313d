"""Staging files of several sizes and kinds: parsing, flags and the write of the stage table, against a baseline.

python -m tests.bench.stage [MAX_MB=1000] [ROUNDS=3] [OLD=FOLDER]        `make bench-stage`

The baseline is Spark's own typed CSV reader, which validates nothing, writing the same columns to a Delta table; with OLD,
it is the job in another checkout of this repository. Each contender is a warm process of its own. Rounds are interleaved;
the fastest counts, because the noise of a shared machine only ever adds. The very first round does not count.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.file_ids import FileId
from tests.fakes.file_store import FakeFileStore

SIZES_MB = (20, 200, 1000)
FILE_NAME = "order_tracking_2026_01_31.csv"
ARRIVAL = datetime(2026, 2, 1, 12, tzinfo=UTC)
POOL = 20_000


def main() -> int:
    from tests.bench.arguments import number, text
    from tests.bench.figures import ROOT, keep, work_folder

    sizes = [size for size in SIZES_MB if size <= number("MAX_MB", SIZES_MB[-1])]
    old = text("OLD", "")
    baseline = _start("job", Path(old)) if old else _start("spark-csv", ROOT)
    contenders = {"baseline": baseline, "job": _start("job", ROOT)}
    figures: dict[str, Any] = {}
    print(
        "seconds; seconds of processor time; peak MiB of a Python worker, of the driver's Python, of Java: baseline | job"
    )
    print(f"{'':22}" + f"{'baseline':>10}{'job':>10}{'ratio':>8}  " * 2)
    for size in sizes:
        for kind in text("KINDS", ",".join(_kinds())).split(","):
            file = work_folder("stage") / f"{size}-{kind.replace(' ', '-')}" / "source" / FILE_NAME
            if not file.exists():
                _write(file, _kinds()[kind], size)
            if not figures:  # warm up
                _measure(contenders, file)
            rounds = [_measure(contenders, file) for _ in range(number("ROUNDS", 3))]
            best = {name: min(round[name]["seconds"] for round in rounds) for name in contenders}
            cpu = {name: min(round[name]["cpu"] for round in rounds) for name in contenders}
            peaks = {name: [max(r[name][w] for r in rounds) for w in ("worker", "driver", "java")] for name in contenders}
            ratio = best["job"] / best["baseline"]
            shown = " | ".join(" ".join(f"{peak:.0f}" for peak in each) for each in peaks.values())
            case = f"{kind}, {size} MB"
            print(
                f"{case:22}{best['baseline']:10.2f}{best['job']:10.2f}{ratio:8.2f}"
                f"{cpu['baseline']:12.2f}{cpu['job']:10.2f}{cpu['job'] / cpu['baseline']:8.2f}   {shown}",
                flush=True,
            )
            figures[case] = {"seconds": best, "cpu": cpu, "ratio": round(ratio, 2), "peak_mib": peaks}
    keep("stage", {"files": figures})
    for contender in contenders.values():
        contender.communicate()
    return 0


def _kinds() -> dict[str, Callable[[random.Random, int], list[str]]]:
    from tests.bench.rows import KINDS

    def unquoted(row: list[str]) -> list[str]:
        return [field.strip('"').replace(",", "") if '", ' not in field else field for field in row]

    return {
        "clean": lambda rng, n: unquoted(KINDS["clean"](rng, n)),
        "0.1 % bad": lambda rng, n: (
            KINDS["0.1 % bad rows"](rng, n) if n % 1000 == 500 else unquoted(KINDS["clean"](rng, n))
        ),
        "quoted": KINDS["every field quoted"],
        "offsets": lambda rng, n: unquoted(KINDS["an offset in every timestamp"](rng, n)),
    }


def _write(path: Path, row: Callable[[random.Random, int], list[str]], megabytes: int) -> None:
    """At least so many MB. Keys differ: a pool of rows is repeated with other numbers."""
    from tests.bench.rows import HEADER

    rng = random.Random(7)
    pool = [re.sub(r"1Z\d{11}", "1Z{:011d}", ",".join(row(rng, n)).replace("{", ""), count=1) for n in range(POOL)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".begun").open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + "\n")
        first = 0
        while file.tell() < megabytes * 1_000_000:
            file.write("\n".join(line.format((first + n) * 7919 % 10**11) for n, line in enumerate(pool)) + "\n")
            first += POOL
    path.with_suffix(".begun").rename(path)


def _start(kind: str, tree: Path) -> subprocess.Popen[str]:
    """A process that stages with the code of ``tree``. Java as it comes: this one lives long."""
    environment = os.environ | {"PYTHONPATH": str(tree.absolute()), "ORDER_TRACKING_JAVA_OPTIONS": ""}
    command = [sys.executable, str(Path(__file__).absolute()), kind]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _measure(contenders: dict[str, subprocess.Popen[str]], file: Path) -> dict[str, dict[str, float]]:
    return {name: _ask(contender, file) for name, contender in contenders.items()}


def _ask(contender: subprocess.Popen[str], file: Path) -> dict[str, float]:
    assert contender.stdin is not None and contender.stdout is not None
    print(file, file=contender.stdin, flush=True)
    for line in contender.stdout:
        if line.startswith("{"):
            return json.loads(line)  # type: ignore[no-any-return]
    raise RuntimeError("the contender has ended")


def _serve(kind: str) -> None:
    from spark_jobs.store.session import open_session

    spark = open_session()
    spark.sparkContext.setLogLevel("ERROR")
    stage: Callable[[Any, Path], Callable[[], None]] = {"job": _job, "spark-csv": _spark_csv}[kind]
    for line in sys.stdin:
        work = stage(spark, Path(line.strip()))
        before, started = _used(), time.perf_counter()
        work()
        seconds, after = time.perf_counter() - started, _used()
        print(json.dumps({**after, "seconds": seconds, "cpu": after["cpu"] - before["cpu"]}), flush=True)


def _job(spark: Any, file: Path) -> Callable[[], None]:
    """The job's own step, as `ingest` calls it."""
    from spark_jobs.batches import Batch, WaitingFile
    from spark_jobs.contract import CONTRACT_VERSION
    from spark_jobs.contract.marks import AcceptedMark
    from spark_jobs.dependencies import Dependencies
    from spark_jobs.settings import BucketLayout, IngestSettings
    from spark_jobs.steps.stage import stage
    from spark_jobs.store.tables import Tables, create_tables
    from tests.fakes.announcer import FakeAnnouncer

    root = file.parents[1]
    warehouse = root / f"warehouse-{os.getpid()}"
    shutil.rmtree(warehouse, ignore_errors=True)
    settings = IngestSettings(BucketLayout("orders-data"), warehouse=str(warehouse), files_root=str(root))
    tables = Tables.of(settings)
    create_tables(spark, tables, settings.feed)
    store = _Folder(root)
    stored = store.stat("orders-data", f"source/{FILE_NAME}")
    assert stored is not None
    waiting = WaitingFile(stored, AcceptedMark(1, CONTRACT_VERSION, 0, 0, False, True), ARRIVAL)
    batch = Batch("bench", (waiting,), {stored.file: 1}, {stored.file: 0}, 0)

    def work() -> None:
        result = stage(spark, tables, batch, settings, Dependencies(store, FakeAnnouncer()))
        assert result.version is not None and not result.rejected, result
        shutil.rmtree(warehouse)

    return work


class _Folder(FakeFileStore):
    """A folder as the part of a bucket that staging reads: nothing is held in memory, as with the real one."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def stat(self, bucket: str, name: str) -> StoredFile | None:
        return StoredFile(FileId(bucket, name, 1), 2, (self._root / name).stat().st_size, ARRIVAL)

    @contextmanager
    def open_file(self, file: FileId) -> Iterator[BinaryIO | None]:
        with (self._root / file.name).open("rb") as stream:
            yield stream

    def read_start(self, file: FileId, size: int) -> bytes | None:
        with (self._root / file.name).open("rb") as stream:
            return stream.read(size)


def _spark_csv(spark: Any, file: Path) -> Callable[[], None]:
    """What a notebook does that knows its columns."""
    target = file.parents[1] / f"warehouse-{os.getpid()}"
    shutil.rmtree(target, ignore_errors=True)
    schema = (
        "order_num STRING, tracking_num STRING, pck_recieved_date DATE, package_deliver_date DATE, status STRING, "
        "address STRING, last_update_timestamp TIMESTAMP"
    )

    def work() -> None:
        rows = spark.read.schema(schema).option("header", "true").csv(str(file))
        rows.write.format("delta").mode("overwrite").option("compression", "zstd").save(str(target))
        shutil.rmtree(target)

    return work


def _used() -> dict[str, float]:
    """Since this process began: seconds of processor time; peak resident MiB of the largest Python worker, of this process
    and of Java."""
    used = {"cpu": 0.0, "worker": 0.0, "driver": 0.0, "java": 0.0}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"ORDER_TRACKING_BENCH={os.getpid()}".encode() in (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
            found = re.search(r"VmHWM:\s+(\d+) kB", (folder / "status").read_text())
            ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:15]  # with those of children that ended
        except OSError:
            continue
        if found and (mine or folder.name == str(os.getpid())):
            what = "java" if b"java" in command.split(b"\0")[0] else "worker" if b"pyspark" in command else "driver"
            used[what] = max(used[what], int(found.group(1)) / 1024)
            used["cpu"] += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return used


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in {"job", "spark-csv"}:
        os.environ["ORDER_TRACKING_BENCH"] = str(os.getpid())
        _serve(sys.argv[1])
    else:
        sys.exit(main())
