"""What a local session needs besides Python: Java, the jars, and a class-data archive for a faster start.

Imports the standard library only: set-up looks for Java before anything is installed.

python -m spark_jobs.store.java        fetches the jars once; later starts are offline
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spark_jobs.settings import Explained

OLDEST = 17  # Spark 4 is built for it
_INSTALL = (
    f"install Java {OLDEST} (Debian, Ubuntu: apt-get install openjdk-{OLDEST}-jre-headless; "
    f"macOS: brew install openjdk@{OLDEST})"
)

# Delta for the Spark of Databricks Runtime 17.3 LTS, and Google's connector for gs://. Ivy doesn't resolve their
# dependencies: Spark has what else Delta needs, and the connector's jar is shaded.
_DELTA = "4.4.0"
_JARS = (
    ("io.delta", "delta-spark_4.0_2.13", _DELTA, None),
    ("io.delta", "delta-storage", _DELTA, None),
    ("io.delta", "delta-kernel-api", _DELTA, None),
    ("io.delta", "delta-kernel-defaults", _DELTA, None),
    ("com.google.cloud.bigdataoss", "gcs-connector", "hadoop3-2.2.33", "shaded"),
)
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_log = logging.getLogger(__name__)


class JavaError(Explained):
    """There is no Java that Spark can use, or its jars can't be fetched. The message says what to do."""


@dataclass(frozen=True)
class Java:
    """``about`` is what ``java -version`` prints: it names the exact build."""

    home: Path
    about: str

    @property
    def binary(self) -> Path:
        return self.home / "bin" / "java"


def find_java() -> Java:
    """The Java that Spark will start: the one of JAVA_HOME if that is set, else the first on PATH. Raises JavaError."""
    configured = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    if configured:
        binary = Path(configured, "bin", "java")
        if not binary.is_file():
            raise JavaError(f"JAVA_HOME is {configured}, but there is no bin/java in it: correct it, or {_INSTALL}.")
    elif on_path:
        binary = Path(on_path)
    else:
        raise JavaError(f"Java isn't on PATH and JAVA_HOME isn't set: {_INSTALL}.")
    try:
        shown = subprocess.run([binary, "-version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError):
        raise JavaError(f"{binary} doesn't run: {_INSTALL}.") from None
    about = shown.stderr + shown.stdout
    release = java_release(about)
    if release is None:
        raise JavaError(f"{binary} doesn't report its version, so it is not a working Java: {_INSTALL}.")
    if release < OLDEST:
        raise JavaError(f"Spark needs Java {OLDEST} or newer, but {binary} is Java {release}: {_INSTALL}.")
    # The binary on PATH is often a chain of links; the home is where the last one leads.
    return Java(Path(configured) if configured else binary.resolve().parent.parent, about)


def java_release(shown: str) -> int | None:
    """The feature release in what ``java -version`` prints: 17 of ``"17.0.15"``, 8 of ``"1.8.0_422"``."""
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(found[1]) if found else None


def jar_folder() -> Path:
    """Where the jars are kept, shared by every environment of this user."""
    chosen = os.environ.get("ORDER_TRACKING_JARS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "order-tracking" / "jars"


def fetch_jars() -> list[Path]:
    """The jars, fetched by Ivy (it comes with Spark) if they are missing. Raises JavaError."""
    folder = jar_folder()
    jars = [folder / _file_name(*jar[1:]) for jar in _JARS]
    if not all(jar.exists() for jar in jars):
        _log.info("fetching the jars of Delta and of the Cloud Storage connector into %s", folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Into a temporary folder, then moved one by one: a process that starts meanwhile must not see half a file.
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
    command = [str(find_java().binary), "-cp", str(ivy), "org.apache.ivy.Main", "-warn"]
    command += ["-settings", str(folder / "ivysettings.xml"), "-ivy", str(folder / "ivy.xml")]
    command += ["-cache", str(folder / "cache"), "-retrieve", f"{folder}/[artifact]-[revision](-[classifier]).[ext]"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    missing = [name for _, *rest in _JARS if not (folder / (name := _file_name(*rest))).exists()]
    if done.returncode or missing:
        last = next((line for line in reversed((done.stdout + done.stderr).splitlines()) if line.strip()), "no answer")
        raise JavaError(f"The jars {', '.join(missing)} can't be fetched ({last.strip()}): check the network.")


# The resolver's address is Ivy's own default. Poms are ignored: the connector's names a parent that isn't published.
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


def shared_spark_home() -> Path:
    """PySpark's Java side at one path for every environment: an archive is valid for exactly one class path."""
    import pyspark

    return jar_folder() / f"spark-{pyspark.__version__}"


def archive_path(java: Java, jars: list[Path]) -> Path:
    """A JVM class-data archive, from which a session maps Spark's classes instead of loading them from the jars.

    `infra.local.class_data` makes it, next to the jars. It is never required: without one, or with one that doesn't match,
    Java loads the classes as usual. The name is a hash of everything that the archive depends on.
    """
    parts = "\0".join([java.about, str(shared_spark_home()), *map(str, jars)])
    return jar_folder() / f"classes-{hashlib.sha256(parts.encode()).hexdigest()[:16]}.jsa"


def class_data_options(java: Java, jars: list[Path]) -> str:
    """Java options for a session that starts from `shared_spark_home`; empty if there is no archive."""
    archive = archive_path(java, jars)
    return f"-XX:SharedArchiveFile={archive} -Xlog:cds=off" if archive.exists() else ""


if __name__ == "__main__":
    try:
        fetch_jars()
    except JavaError as error:
        raise SystemExit(f"error: {error}") from None
