"""Build the wheel from the current sources, and read its metadata."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement

from infra.local.jobs.locking import locked

NOT_SOURCES = {"dist", "build", "__pycache__"}


class WheelError(RuntimeError):
    """The wheel can't be built or read; the message ends with the last lines of the tool's output."""


@dataclass(frozen=True)
class Wheel:
    path: Path
    name: str
    version: str
    digest: str
    requires: tuple[Requirement, ...]

    def requirements(self, extras: tuple[str, ...]) -> tuple[str, ...]:
        """The requirements on this Python version, including those of the extras; unknown extras add nothing."""
        wanted = []
        for requirement in self.requires:
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                bare = Requirement(str(requirement))
                bare.marker = None
                wanted.append(str(bare))
        return tuple(sorted(set(wanted)))


def read_wheel(path: Path) -> Wheel:
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            fields = Parser().parsestr(archive.read(metadata).decode("utf-8"))
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise WheelError(f"{path} is not a wheel: {error or 'METADATA is missing'}") from None
    return Wheel(
        path=path.resolve(),
        name=fields["Name"],
        version=fields["Version"],
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        requires=tuple(Requirement(text) for text in fields.get_all("Requires-Dist") or []),
    )


def build_wheel(sources: Path, cache: Path) -> Wheel:
    """Build the wheel of the current sources, or return the cached one if they have not changed.

    The wheel is built outside the source tree, so that servers and `make wheel` never write the same dist folder.
    """
    if not (sources / "pyproject.toml").is_file():
        raise WheelError(f"no pyproject.toml in {sources}, which the bundle builds as a wheel")
    folder = cache / "wheels" / _digest_of(sources)
    with locked(cache / "wheels" / f"{folder.name}.lock"):
        if not list(folder.glob("*.whl")):
            print(f"building the wheel from {sources}", file=sys.stderr, flush=True)
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                run_tool([sys.executable, "-m", "build", "--wheel", "--outdir", scratch, str(sources)])
                built = next(Path(scratch).glob("*.whl"))
                shutil.move(built, folder / built.name)
        return read_wheel(next(folder.glob("*.whl")))


def run_tool(command: list[str]) -> None:
    """Run pip, build or venv. Raises WheelError with the last lines of output, which contain the reason."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-15:]
        raise WheelError(f"`{' '.join(command[1:4])} …` failed:\n" + "\n".join(lines))


def _digest_of(sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(_source_files(sources)):
        digest.update(f"{path.relative_to(sources)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _source_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in NOT_SOURCES or path.name.startswith(".") or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _source_files(path)
        elif path.suffix != ".pyc":
            yield path
