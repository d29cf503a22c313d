"""Pub/Sub's publish call as a gRPC server, for what the emulator can't do: refuse, lose answers, and hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.pubsub_v1.types import PublishRequest, PublishResponse

PUBLISH = "/google.pubsub.v1.Publisher/Publish"


@dataclass
class FakeBroker(grpc.GenericRpcHandler):  # type: ignore[misc]
    """``received``: (ordering key, text) in the order of arrival. ``before`` and ``after`` a call is recorded they are
    called with its texts and context, and may abort it or sleep."""

    received: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[list[str], Any], None] = lambda texts, context: None
    after: Callable[[list[str], Any], None] = lambda texts, context: None
    address: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def service(self, call: Any) -> Any:
        if call.method != PUBLISH:
            return None
        return grpc.unary_unary_rpc_method_handler(self._publish, PublishRequest.deserialize, PublishResponse.serialize)

    def _publish(self, request: PublishRequest, context: Any) -> PublishResponse:
        texts = [message.data.decode() for message in request.messages]
        self.before(texts, context)
        with self._lock:
            self.received += [(message.ordering_key, message.data.decode()) for message in request.messages]
        self.after(texts, context)
        return PublishResponse(message_ids=[str(number) for number, _ in enumerate(texts)])


@contextmanager
def running(broker: FakeBroker) -> Iterator[FakeBroker]:
    server = grpc.server(ThreadPoolExecutor(16), handlers=[broker])
    broker.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield broker
    finally:
        server.stop(None)
