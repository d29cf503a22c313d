"""The Spark session: the platform's own on Databricks, a Connect one where asked for, otherwise local Delta.

python -m spark_jobs.store.session        fetches the jars that the local one needs (once; later starts are offline)
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Delta for the Spark of Databricks Runtime 17.3 LTS, and Google's connector for gs://. Ivy resolves without looking at
# dependencies: what Delta needs beside these, Spark has; the connector's jar is shaded.
_DELTA = "4.4.0"
_JARS = (
    ("io.delta", "delta-spark_4.0_2.13", _DELTA, None),
    ("io.delta", "delta-storage", _DELTA, None),
    ("io.delta", "delta-kernel-api", _DELTA, None),
    ("io.delta", "delta-kernel-defaults", _DELTA, None),
    ("com.google.cloud.bigdataoss", "gcs-connector", "hadoop3-2.2.33", "shaded"),
)
_JAVA = 17
_log = logging.getLogger(__name__)


class SessionError(Exception):
    """Spark can't be started here; the message is one sentence that says what to do."""


def open_session() -> SparkSession:
    """The session for this place. Raises SessionError."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise SessionError(
            "PySpark isn't installed here: run on Databricks, or install the wheel with its [local] extra"
        ) from None
    if "DATABRICKS_RUNTIME_VERSION" in os.environ or "SPARK_REMOTE" in os.environ:
        return SparkSession.builder.getOrCreate()
    check_java()
    # Or the workers would run whatever `python3` is on the path.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("order-tracking")
    for key, value in local_settings(fetch_jars()).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def local_settings(jars: list[Path]) -> dict[str, str]:
    """What only a session of our own may be told: Delta, the connector, and sizes that suit one machine."""
    settings = {
        "spark.master": "local[*]",
        "spark.driver.extraClassPath": os.pathsep.join(map(str, jars)),
        "spark.driver.memory": os.environ.get("ORDER_TRACKING_DRIVER_MEMORY", "2g"),
        # A run lives for seconds: what the second compiler gains it never pays back. Long benchmarks set it otherwise.
        # On two cores the collector that stops the world costs less than the one that works beside it.
        "spark.driver.extraJavaOptions": "-XX:+UseParallelGC "
        + os.environ.get("ORDER_TRACKING_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1"),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # The defaults are made for clusters: fifty tasks for a log of a hundred lines.
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        # A load needs some 190 generated classes and Spark keeps 100: each load would compile all of them again, first to
        # byte code and then to machine code. That was a third of a warm load's time.
        "spark.sql.codegen.cache.maxEntries": "2000",
        # A small load becomes one file of the target, not one a core: every later MERGE rewrites the deletion vector of
        # each file that it touches, up to 8 KB, and logs it anew.
        "spark.sql.adaptive.coalescePartitions.minPartitionSize": "8MB",
        # Arrow's rows go to the tasks as they are. Below this size (48 MB by default) Spark makes rows of them in the
        # driver and sends those with Java's own serialization: 200,000 rows took two seconds longer.
        "spark.sql.execution.arrow.localRelationThreshold": "0",
        # The default is INT96, for old readers: 12 bytes, slower to read and to write, and without statistics.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # MERGE's outer join can't broadcast its source, so Spark shuffles every row of the touched files; unless a Bloom
        # filter of the source's keys drops them at the scan, which it only does where no side could be broadcast.
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        "spark.sql.optimizer.runtime.bloomFilter.applicationSideScanSizeThreshold": "1MB",
        # 256 KiB, which stay in a core's cache and let 2 % pass of what 200,000 keys don't match; the default is 1 MiB.
        "spark.sql.optimizer.runtime.bloomFilter.expectedNumItems": "500000",
        "spark.sql.optimizer.runtime.bloomFilter.numBits": "2097152",
        # The workers must find this package where it isn't installed (tests, a source tree).
        "spark.executorEnv.PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return settings | _connector_settings(os.environ.get("STORAGE_EMULATOR_HOST", ""))


def _connector_settings(emulator: str) -> dict[str, str]:
    settings = {
        "spark.hadoop.fs.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFS",
    }
    if emulator:
        root = emulator if "://" in emulator else f"http://{emulator}"
        settings |= {
            "spark.hadoop.fs.gs.storage.root.url": root.rstrip("/"),
            "spark.hadoop.fs.gs.storage.service.path": "/storage/v1/",
            "spark.hadoop.fs.gs.project.id": os.environ.get("GOOGLE_CLOUD_PROJECT", "local"),
            "spark.hadoop.fs.gs.auth.null.enable": "true",
            "spark.hadoop.fs.gs.auth.service.account.enable": "false",
        }
    return settings


def check_java() -> None:
    """Spark starts whatever `java` is first; a wrong one ends in a page of stack trace. Raises SessionError."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    wanted = f"Java {_JAVA} is needed for Spark (apt-get install openjdk-{_JAVA}-jre-headless, or set JAVA_HOME)"
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        raise SessionError(f"{wanted}; {java} can't be run") from None
    found = re.search(r'version "(\d+)', answer.stderr)
    if not found or int(found.group(1)) < _JAVA:
        shown = answer.stderr.splitlines()[0] if answer.stderr else "an unknown version"
        raise SessionError(f"{wanted}; {java} is {shown}")


def jar_folder() -> Path:
    """Shared by every environment of this user."""
    chosen = os.environ.get("ORDER_TRACKING_JARS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "order-tracking" / "jars"


def fetch_jars() -> list[Path]:
    """The jars, fetched by Ivy (it comes with Spark) where they aren't there yet. Raises SessionError."""
    folder = jar_folder()
    jars = [folder / _file_name(*jar[1:]) for jar in _JARS]
    if not all(jar.exists() for jar in jars):
        _log.info("fetching the jars of Delta and of the Cloud Storage connector into %s", folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the folder, then moved in one by one: two that fetch at the same time must not see half a file.
        with tempfile.TemporaryDirectory(dir=folder) as part:
            _run_ivy(Path(part))
            for jar in jars:
                (Path(part) / jar.name).replace(jar)
    return jars


def _file_name(name: str, version: str, classifier: str | None) -> str:
    return f"{name}-{version}-{classifier}.jar" if classifier else f"{name}-{version}.jar"


def _run_ivy(folder: Path) -> None:
    import pyspark

    ivy = next((Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar"))
    (folder / "ivysettings.xml").write_text(_IVY_SETTINGS)
    (folder / "ivy.xml").write_text(_ivy_module())
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    command = [java, "-cp", str(ivy), "org.apache.ivy.Main", "-warn", "-settings", str(folder / "ivysettings.xml")]
    command += ["-ivy", str(folder / "ivy.xml"), "-cache", str(folder / "cache")]
    command += ["-retrieve", f"{folder}/[artifact]-[revision](-[classifier]).[ext]"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    missing = [name for _, *rest in _JARS if not (folder / (name := _file_name(*rest))).exists()]
    if done.returncode or missing:
        last = next((line for line in reversed((done.stdout + done.stderr).splitlines()) if line.strip()), "no answer")
        raise SessionError(f"the jars {', '.join(missing)} can't be fetched ({last.strip()}); is the network there?")


# The resolver's address is Ivy's own default. Poms are left alone: the connector's names a parent that isn't published.
_IVY_SETTINGS = """<ivysettings><settings defaultResolver="central"/><resolvers>
<ibiblio name="central" m2compatible="true" usepoms="false"/></resolvers></ivysettings>"""


def _ivy_module() -> str:
    dependencies = "".join(
        f'<dependency org="{group}" name="{name}" rev="{version}" transitive="false" conf="default->default">'
        + (f'<artifact name="{name}" type="jar" ext="jar" m:classifier="{classifier}"/>' if classifier else "")
        + "</dependency>"
        for group, name, version, classifier in _JARS
    )
    return (
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">'
        '<info organisation="order-tracking" module="jars"/><configurations><conf name="default"/></configurations>'
        f"<dependencies>{dependencies}</dependencies></ivy-module>"
    )


if __name__ == "__main__":
    try:
        check_java()
        fetch_jars()
    except SessionError as error:
        raise SystemExit(f"error: {error}") from None
