"""Choose the stack's ports, and check them before anything is started."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"

# Below the ephemeral port range, so that no outgoing connection gets one of these by chance.
_FALLBACK_PORTS = range(20000, 30000)


class PortTaken(Exception):
    """A fixed port is in use. The message names the option to change."""


@dataclass(frozen=True)
class PortRequest:
    """The requested port of one service. ``fixed``: clients hard-code the number, so no other port will do."""

    option: str
    port: int
    fixed: bool


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Like the servers: a port with connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(requests: Mapping[str, PortRequest]) -> dict[str, int]:
    """Choose a free port for each service; 0 requests any port. Raises PortTaken, naming all fixed ports in use."""
    taken = [request for request in requests.values() if request.fixed and request.port and not is_free(request.port)]
    if taken:
        raise PortTaken(
            "; ".join(
                f"port {request.port} is in use: free it, or choose another with {request.option}" for request in taken
            )
        )
    chosen: dict[str, int] = {}
    fixed_first = sorted(requests.items(), key=lambda item: not item[1].fixed)
    for name, request in fixed_first:
        usable = request.port and request.port not in chosen.values() and is_free(request.port)
        if request.fixed and request.port and not usable:
            raise PortTaken(f"port {request.port} is requested twice: choose another with {request.option}")
        chosen[name] = request.port if usable else _fallback_port(set(chosen.values()))
    return chosen


def _fallback_port(taken: set[int]) -> int:
    # In random order, so that two stacks that start at the same time don't try the same port.
    for port in random.sample(_FALLBACK_PORTS, len(_FALLBACK_PORTS)):
        if port not in taken and is_free(port):
            return port
    raise PortTaken(f"no free port between {_FALLBACK_PORTS.start} and {_FALLBACK_PORTS.stop}")
