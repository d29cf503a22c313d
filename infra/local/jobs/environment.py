"""The environment that runs the wheel, and nothing else: what is missing in the wheel is missing here.

Two layers, both complete before they are used and never changed afterwards, so that servers started at the same
time, or with different wheels, can't break each other's runs:

    CACHE/deps/<hash of what the wheel requires, and of the Python>/    the dependencies, shared by every such wheel
    CACHE/envs/<hash of that and of the wheel's content>/               the wheel alone; sees only its layer of deps

`python -m infra.local.jobs.environment` prepares both ahead (pyspark alone is 400 MB).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
from packaging.requirements import Requirement

from infra.local.installer import LAST_LINES, InstallError, install, run_quietly
from infra.local.jobs.bundle import Bundle, BundleError, load_bundle
from infra.local.jobs.locking import locked

ROOT = Path(__file__).resolve().parents[3]
DEFAULT_BUNDLE = ROOT / "infra" / "databricks"
DEFAULT_CACHE = ROOT / ".cache" / "job-env"
# What the Databricks runtime brings by itself is an extra of the wheel.
EXTRAS = ("local",)
COMPLETE = "complete"
# Changes when environments are made differently, so that older ones are not taken for new.
LAYOUT = "2"
NOT_SOURCES = {"dist", "build", "__pycache__"}


class WheelError(RuntimeError):
    """The wheel can't be built or read; the message ends with the last lines of the tool's output."""


def prepare_environment(bundle: Bundle, wheel: Path | None, cache: Path) -> Path:
    """The Python of the environment that holds this wheel, or the one that the bundle builds; made now if it isn't there.

    Raises BundleError, WheelError or InstallError.
    """
    if wheel is None:
        if len(bundle.wheel_sources) != 1:
            raise BundleError(
                f"the bundle builds {len(bundle.wheel_sources)} wheels and this server runs one; give it with --wheel"
            )
        wheel = build_wheel(bundle.wheel_sources[0], cache)
    return install_wheel(wheel.resolve(), cache)


# --- the wheel


def requirements_of(wheel: Path, extras: tuple[str, ...]) -> list[str]:
    """What the wheel requires on this Python version, including those of the extras; unknown extras add nothing."""
    found = next(iter(importlib.metadata.distributions(path=[str(wheel)])), None)
    if found is None:
        raise WheelError(f"{wheel} is not a wheel, or there is no such file")
    wanted = set()
    for requirement in map(Requirement, found.requires or []):
        marker, requirement.marker = requirement.marker, None
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            wanted.add(str(requirement))
    return sorted(wanted)


def build_wheel(sources: Path, cache: Path) -> Path:
    """Build the wheel of the current sources, or return the cached one if they have not changed.

    The wheel is built outside the source tree, so that servers and `make wheel` never write the same dist folder.
    """
    if not (sources / "pyproject.toml").is_file():
        raise WheelError(f"no pyproject.toml in {sources}, which the bundle builds as a wheel")
    folder = cache / "wheels" / _digest_of(sources)
    with locked(cache / "wheels" / f"{folder.name}.lock"):
        if not list(folder.glob("*.whl")):
            _say(f"building the wheel from {sources}")
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _run_tool("build", "--wheel", "--outdir", scratch, str(sources))
                built = next(Path(scratch).glob("*.whl"))
                shutil.move(built, folder / built.name)
        return next(folder.glob("*.whl"))


def _digest_of(sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*")):
        name = path.relative_to(sources)
        ignored = any(part in NOT_SOURCES or part.startswith(".") or part.endswith(".egg-info") for part in name.parts)
        if path.is_file() and not ignored and path.suffix != ".pyc":
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


# --- its environment


def install_wheel(wheel: Path, cache: Path) -> Path:
    """The Python of the environment that holds this wheel."""
    requirements = requirements_of(wheel, EXTRAS)
    deps_key = _key(LAYOUT, sys.version, sysconfig.get_platform(), *requirements)
    dependencies = cache / "deps" / deps_key
    folder = cache / "envs" / _key(deps_key, hashlib.sha256(wheel.read_bytes()).hexdigest())

    def add_dependencies(python: Path) -> None:
        if requirements:
            started = time.monotonic()
            _say(f"installing {len(requirements)} requirements of the wheel into {dependencies}")
            install(python, *requirements)
            _say(f"installed in {time.monotonic() - started:.0f} s")

    def add_wheel(python: Path) -> None:
        install(python, "--no-deps", "--force-reinstall", str(wheel))
        site = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
        (folder / site / "dependencies.pth").write_text(f"{dependencies / site}\n")

    _make_once(dependencies, add_dependencies)
    return _make_once(folder, add_wheel)


def _make_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """The Python of the virtual environment in the folder, which is made and filled now unless it is complete.

    A half-made one (a crash, Ctrl-C) is deleted first: a virtual environment can't be made elsewhere and renamed, because
    its scripts carry its path. It has no pip and setuptools, which a wheel could otherwise use without declaring them.
    """
    python = folder / "bin" / "python"
    with locked(folder.with_name(folder.name + ".lock")):
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run_tool("venv", "--without-pip", str(folder))
            fill(python)
            (folder / COMPLETE).touch()
    return python


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _run_tool(module: str, *arguments: str) -> None:
    """Run `python -m MODULE`. Raises WheelError with the last lines of output, which contain the reason."""
    done = run_quietly([sys.executable, "-m", module, *arguments])
    if done.returncode:
        raise WheelError(f"`{module}` failed:\n" + "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:]))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@click.command()
@click.option("--wheel", type=click.Path(path_type=Path), help="Use this wheel instead of building the bundle's.")
@click.option("--env-cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, show_default=True)
def main(wheel: Path | None, env_cache: Path) -> None:
    """Builds the wheel and prepares the environment that the local jobs server runs it in."""
    try:
        print(prepare_environment(load_bundle(DEFAULT_BUNDLE, "local", {}), wheel, env_cache))
    except (BundleError, WheelError, InstallError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
