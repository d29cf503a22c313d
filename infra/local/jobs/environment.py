"""The environment that runs the wheel, and nothing else: what is missing in the wheel is missing here.

Two layers, both complete before they are used and never changed afterwards, so that servers started at the same
time, or with different wheels, can't break each other's runs:

    CACHE/deps/<hash of what the wheel requires, and of the Python>/    the dependencies, shared by every such wheel
    CACHE/envs/<hash of that and of the wheel's content>/               the wheel alone; sees only its layer of deps

`python -m infra.local.jobs.environment` prepares both ahead (pyspark alone is 400 MB).
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from infra.local.installer import InstallError, install
from infra.local.jobs.bundle import Bundle, load_bundle
from infra.local.jobs.job import BundleError
from infra.local.jobs.locking import locked
from infra.local.jobs.wheel import Wheel, WheelError, build_wheel, read_wheel, run_tool

ROOT = Path(__file__).resolve().parents[3]
DEFAULT_BUNDLE = ROOT / "infra" / "databricks"
DEFAULT_CACHE = ROOT / ".cache" / "job-env"
# What the Databricks runtime brings by itself is an extra of the wheel.
EXTRAS = ("local",)
COMPLETE = "complete"
# Changes when environments are made differently, so that older ones are not taken for new.
LAYOUT = "2"


@dataclass(frozen=True)
class Environment:
    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"


def prepare_environment(wheel: Wheel, cache: Path) -> Environment:
    """The environment holding this wheel, made now if it isn't there. Raises WheelError with pip's last lines."""
    requirements = wheel.requirements(EXTRAS)
    deps_key = _key(LAYOUT, sys.version, sysconfig.get_platform(), *requirements)
    dependencies = cache / "deps" / deps_key
    _complete_once(dependencies, lambda: _install_dependencies(dependencies, requirements))
    folder = cache / "envs" / _key(deps_key, wheel.digest)
    _complete_once(folder, lambda: _install_wheel(folder, wheel, dependencies))
    return Environment(folder)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _complete_once(folder: Path, make: Callable[[], None]) -> None:
    """Makes the folder under a lock unless it is complete. A half-made one (a crash, Ctrl-C) is deleted first:
    a virtual environment can't be made elsewhere and renamed, its scripts carry its path."""
    with locked(folder.with_name(folder.name + ".lock")):
        if (folder / COMPLETE).exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        make()
        (folder / COMPLETE).touch()


def _install_dependencies(folder: Path, requirements: tuple[str, ...]) -> None:
    _make_venv(folder)
    if not requirements:
        return
    started = time.monotonic()
    print(f"installing {len(requirements)} requirements of the wheel into {folder}", file=sys.stderr, flush=True)
    _install(folder, *requirements)
    print(f"installed in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _install_wheel(folder: Path, wheel: Wheel, dependencies: Path) -> None:
    _make_venv(folder)
    _install(folder, "--no-deps", "--force-reinstall", str(wheel.path))
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    others = dependencies / site.relative_to(folder)
    (site / "dependencies.pth").write_text(f"{others}\n")


def _make_venv(folder: Path) -> None:
    """Without pip and setuptools, which a wheel could otherwise use without declaring them."""
    run_tool([sys.executable, "-m", "venv", "--without-pip", str(folder)])


def _install(folder: Path, *arguments: str) -> None:
    try:
        install(folder / "bin" / "python", *arguments)
    except InstallError as error:
        raise WheelError(str(error)) from None


def wheel_for(bundle: Bundle, wheel: Path | None, cache: Path) -> Wheel:
    """The given wheel, or the one that the bundle's artifact builds."""
    if wheel is not None:
        return read_wheel(wheel)
    if len(bundle.wheel_sources) != 1:
        raise BundleError(
            f"the bundle builds {len(bundle.wheel_sources)} wheels and this server runs one; give it with --wheel"
        )
    return build_wheel(bundle.wheel_sources[0], cache)


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=DEFAULT_BUNDLE, help="The bundle's folder.")
@click.option("--target", default="local", show_default=True)
@click.option("--wheel", type=click.Path(path_type=Path), help="Use this wheel instead of building the bundle's.")
@click.option("--env-cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, show_default=True)
def main(bundle: Path, target: str, wheel: Path | None, env_cache: Path) -> None:
    """Builds the wheel and prepares the environment that the local jobs server runs it in."""
    try:
        environment = prepare_environment(wheel_for(load_bundle(bundle, target), wheel, env_cache), env_cache)
    except (BundleError, WheelError) as error:
        raise SystemExit(f"error: {error}") from None
    print(environment.path)


if __name__ == "__main__":
    main()
