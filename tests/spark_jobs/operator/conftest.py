"""A bucket that changes while a command waits, and the command line on top of it. Nothing here starts Spark."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len
from rich.console import Console, RenderableType

from functions.handler import handle_upload
from spark_jobs import bootstrap
from spark_jobs.cli import main
from spark_jobs.contract.file_ids import FileId
from spark_jobs.dependencies import Dependencies
from spark_jobs.store import session
from tests.fakes.dependencies import BAD_HEADER, BUCKET, NAME, FakeDependencies

CommandLine = Callable[..., Result]


class LiveBucket:
    """A bucket in which the next scheduled event happens each time the code under test sleeps."""

    def __init__(self) -> None:
        self.fake = FakeDependencies()
        self.events: Iterator[Callable[[], object]] = iter(())
        self.slept: list[float] = []
        self.deps = Dependencies(
            self.fake.store,
            self.fake.announcer,
            self.fake.clock,
            self.sleep,
            elapsed=lambda: self.fake.clock().timestamp(),
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.fake.clock.advance(seconds)
        next(self.events, lambda: None)()

    def schedule(self, *events: Callable[[], object]) -> None:
        self.events = iter(events)

    def archive(self, file: FileId) -> Callable[[], object]:
        base = file.name.rpartition("/")[2].removesuffix(".csv")
        return lambda: self.fake.store.move(file, f"archive/{base[15:].replace('_', '/')}/{base}.{file.generation}.csv")

    def validate(self, file: FileId) -> Callable[[], object]:
        return lambda: handle_upload(file, self.fake.deps)

    def validate_copy(self, of: FileId) -> Callable[[], object]:
        def validate() -> None:
            copy = self.fake.store.stat(BUCKET, f"source/replay/{of.generation}/order_tracking_2026_01_31.csv")
            assert copy is not None
            handle_upload(copy.file, self.fake.deps)

        return validate

    def rejected_file(self) -> FileId:
        """A file that the function rejected, under its id at upload."""
        file = self.fake.store.upload(NAME, BAD_HEADER).file
        self.validate(file)()
        return file


@pytest.fixture
def bucket() -> LiveBucket:
    return LiveBucket()


@pytest.fixture
def command_line(bucket: LiveBucket, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Runs a command on that bucket. Starting Spark fails the test."""
    monkeypatch.setattr(bootstrap, "build_dependencies", lambda settings, **_: bucket.deps)
    monkeypatch.setattr(session, "open_session", no_spark)
    return invoke


def no_spark() -> None:
    raise AssertionError("Spark was started")


def invoke(command: str, *arguments: str) -> Result:
    """Raises what the command raises, except for click's own exit."""
    result = CliRunner().invoke(main, [command, "--bucket", BUCKET, *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def drawn(shown: RenderableType, width: int = 80) -> list[str]:
    """The lines on a terminal of this width, without colors. None may be wider."""
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system=None, width=width, legacy_windows=False).print(shown)
    lines = out.getvalue().splitlines()
    assert all(cell_len(line) <= width for line in lines), lines
    return lines


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The reader's time zone is that of Berlin."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()
