"""A port for a server that a test starts and that can't choose one itself."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port that was free a moment ago. Another process may take it first: pass port 0 instead where possible."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
