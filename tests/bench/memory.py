"""Peak memory: the JVM's heap or this process during a piece of work, and Python processes since they began."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MIB = 1024 * 1024


@contextmanager
def heap_peak(spark: SparkSession) -> Iterator[list[float]]:
    """Adds the greatest use of the JVM's heap in the block, in MiB. Garbage is collected before, not during."""
    factory: Any = spark.sparkContext._jvm.java.lang.management.ManagementFactory
    factory.getMemoryMXBean().gc()
    pools = [pool for pool in factory.getMemoryPoolMXBeans() if pool.getType().toString() == "Heap memory"]
    for pool in pools:
        pool.resetPeakUsage()
    peak: list[float] = []
    yield peak
    peak.append(sum(pool.getPeakUsage().getUsed() for pool in pools) / MIB)


@contextmanager
def resident_peak() -> Iterator[list[float]]:
    """Adds by how much this process' resident memory grew in the block at most, in MiB (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    peak: list[float] = []
    yield peak
    peak.append(_resident("VmHWM") - before)


def _resident(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found.group(1)) / 1024


def python_peaks() -> tuple[float, float]:
    """Peak resident MiB since they began: of the largest of Spark's Python workers, and of this process (Linux)."""
    parents: dict[int, int] = {}
    peaks: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            is_worker = b"pyspark" in (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        found = re.search(r"PPid:\s+(\d+)[\s\S]+VmHWM:\s+(\d+) kB", status)
        if found:
            parents[int(folder.name)] = int(found.group(1))
            if is_worker:
                peaks[int(folder.name)] = int(found.group(2)) / 1024
    mine = [peak for pid, peak in peaks.items() if _descends(pid, parents)]
    return max(mine, default=0.0), _resident("VmHWM")


def _descends(pid: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != os.getpid():
        pid = parents[pid]
    return pid == os.getpid()
