"""A fake function: it receives events on a real port, records them, and responds as configured."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def name(self) -> str:
        return str(self.body["name"])


@dataclass
class Receiver:
    answer: Callable[[Received], int] = field(default=lambda event: 200)
    events: list[Received] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = receiver.take(Received(dict(self.headers.items()), body, time.monotonic()))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, event: Received) -> int:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.events.append(event)
        try:
            return self.answer(event)
        finally:
            with self._lock:
                self._now -= 1

    def names(self) -> list[str]:
        return [event.name for event in self.events]

    def wait_for(self, count: int, seconds: float = 10) -> list[Received]:
        deadline = time.monotonic() + seconds
        while len(self.events) < count:
            assert time.monotonic() < deadline, f"{len(self.events)} of {count} events came: {self.names()}"
            time.sleep(0.01)
        return self.events

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
