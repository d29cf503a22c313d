"""The listening socket of a local server."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


class PortUnavailable(RuntimeError):
    """The server can't listen on the port; the message names the option to change."""


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen before any slow start-up work, so that a port conflict shows at once. Raises PortUnavailable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # IPPROTO_TCP is explicit because asyncio disables Nagle's algorithm only then (saves 40 ms per upload).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PortUnavailable(f"port {port} on {host}: {error.strerror}; choose another port with --port") from None
    return listener
