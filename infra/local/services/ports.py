"""Choose the stack's ports, and check them before anything is started."""

from __future__ import annotations

import random
import socket
from collections.abc import Container, Mapping
from dataclasses import dataclass

from infra.local.listening import HOST

# Below the ephemeral port range, so that no outgoing connection gets one of these by chance.
_FALLBACK_PORTS = range(20000, 30000)


@dataclass(frozen=True)
class Ports:
    storage: int
    jobs: int
    function: int
    sweep: int
    console: int
    pubsub: int


PREFERRED_PORTS = Ports(storage=9000, jobs=9001, function=9002, sweep=9003, console=9004, pubsub=8085)
ANY_PORTS = dict.fromkeys(vars(PREFERRED_PORTS), 0)
"""Lets a stack run next to another one."""


class PortTaken(Exception):
    """A fixed port is in use. The message names the option to change."""


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Like the servers: a port with connections in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose_ports(requested: Mapping[str, int | None]) -> Ports:
    """A free port per service. ``requested``: service -> port; None is the preferred one if it is free, 0 any port.

    A requested port is fixed. So is the storage server's preferred port, because developers have it in their shells.
    Raises PortTaken, naming all fixed ports in use.
    """
    fixed = {name: port for name, port in requested.items() if port}
    if requested.get("storage") is None:
        fixed["storage"] = PREFERRED_PORTS.storage
    chosen: dict[str, int] = {}
    problems = []
    for name, port in fixed.items():
        if port in chosen.values():
            problems.append(f"port {port} is requested twice: choose another with --{name}-port")
        elif not is_free(port):
            problems.append(f"port {port} is in use: free it, or choose another with --{name}-port")
        chosen[name] = port
    if problems:
        raise PortTaken("; ".join(problems))
    for name, preferred in vars(PREFERRED_PORTS).items():
        if name not in chosen:
            usable = requested.get(name) is None and preferred not in chosen.values() and is_free(preferred)
            chosen[name] = preferred if usable else _fallback_port(chosen.values())
    return Ports(**chosen)


def _fallback_port(taken: Container[int]) -> int:
    # In random order, so that two stacks that start at the same time don't try the same port.
    for port in random.sample(_FALLBACK_PORTS, len(_FALLBACK_PORTS)):
        if port not in taken and is_free(port):
            return port
    raise PortTaken(f"no free port between {_FALLBACK_PORTS.start} and {_FALLBACK_PORTS.stop}")
