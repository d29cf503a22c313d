"""Which ports the stack uses. Decided, and checked, before anything is started."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"

# Below the range from which systems take ports for outgoing connections: nobody gets one of these by chance.
_SPARE = range(20000, 30000)


class PortTaken(Exception):
    """A port that somebody relies on is in use. The message names the option to change."""


@dataclass(frozen=True)
class Wish:
    """The port for one service. ``firm``: its clients have the number written down, so another one won't do."""

    option: str
    port: int
    firm: bool


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port whose last connections are still winding down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(wishes: Mapping[str, Wish]) -> dict[str, int]:
    """A free port for each service; 0 wishes for any. Raises PortTaken, having looked at all of them, for firm ones."""
    taken = [wish for wish in wishes.values() if wish.firm and wish.port and not is_free(wish.port)]
    if taken:
        raise PortTaken(
            "; ".join(f"port {wish.port} is in use: free it, or choose another with {wish.option}" for wish in taken)
        )
    chosen: dict[str, int] = {}
    firm_first = sorted(wishes.items(), key=lambda item: not item[1].firm)
    for name, wish in firm_first:
        usable = wish.port and wish.port not in chosen.values() and is_free(wish.port)
        if wish.firm and wish.port and not usable:
            raise PortTaken(f"port {wish.port} is asked for twice: choose another with {wish.option}")
        chosen[name] = wish.port if usable else _spare(set(chosen.values()))
    return chosen


def _spare(taken: set[int]) -> int:
    # In random order, so that two stacks that start together don't reach for the same one.
    for port in random.sample(_SPARE, len(_SPARE)):
        if port not in taken and is_free(port):
            return port
    raise PortTaken(f"no free port between {_SPARE.start} and {_SPARE.stop}")
