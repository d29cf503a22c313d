"""The jars of a local session, kept for all environments of this user.

python -m spark_jobs.store.jars        fetches them once; later starts are offline
"""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from pathlib import Path

from spark_jobs.store.java import JavaError, find_java

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
_log = logging.getLogger(__name__)


class JarError(Exception):
    """The jars can't be fetched. The message is one sentence."""


def jar_folder() -> Path:
    """Shared by every environment of this user."""
    chosen = os.environ.get("ORDER_TRACKING_JARS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "order-tracking" / "jars"


def fetch_jars() -> list[Path]:
    """The jars, fetched by Ivy (it comes with Spark) if they are missing. Raises JarError and JavaError."""
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
        raise JarError(f"The jars {', '.join(missing)} can't be fetched ({last.strip()}): check the network.")


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


if __name__ == "__main__":
    try:
        fetch_jars()
    except (JarError, JavaError) as error:
        raise SystemExit(f"error: {error}") from None
