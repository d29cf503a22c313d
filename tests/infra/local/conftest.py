from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_stack import RunningStack


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack for tests that leave it as it is. A start costs seconds. Uploads send no events."""
    stack = RunningStack(tmp_path_factory.mktemp("stack") / "data")
    try:
        stack.start()
        stack.set_events(notify=None)
        yield stack
    finally:
        stack.stop()
    stack.assert_nothing_left()
