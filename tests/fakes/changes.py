"""ChangePublisher in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from spark_jobs.contract.changes import Message


@dataclass
class FakeChanges:
    """Records what was published, in order. ``before_each`` is called before each message and may raise, as the real one
    does where the broker is down; a message for which ``after_each`` raises has arrived, but the publisher doesn't know.
    If ``at_end`` raises, all of them have."""

    messages: list[Message] = field(default_factory=list)
    before_each: Callable[[Message], None] = lambda message: None
    after_each: Callable[[Message], None] = lambda message: None
    at_end: Callable[[], None] = lambda: None

    def publish(self, messages: Iterable[Message]) -> int:
        published = 0
        for message in messages:
            self.before_each(message)
            self.messages.append(message)
            self.after_each(message)
            published += 1
        self.at_end()
        return published
