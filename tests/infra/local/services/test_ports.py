"""Ports are settled before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from infra.local.services.definitions import port_wishes
from infra.local.services.ports import PortTaken, Wish, choose, is_free
from infra.local.services.process import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_firm_port_that_is_taken_fails_naming_the_option(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"port {taken} is in use.*--storage-port"):
        choose({"storage": Wish("--storage-port", taken, firm=True)})


def test_all_firm_ports_are_looked_at_before_it_fails(taken: int) -> None:
    wishes = {"a": Wish("--a-port", taken, firm=True), "b": Wish("--b-port", taken, firm=True)}

    with pytest.raises(PortTaken, match=r"--a-port.*--b-port"):
        choose(wishes)


def test_a_preferred_port_that_is_taken_gives_way_to_a_free_one(taken: int) -> None:
    chosen = choose({"jobs": Wish("--jobs-port", taken, firm=False)})

    assert chosen["jobs"] != taken
    assert is_free(chosen["jobs"])


def test_two_services_never_get_one_port() -> None:
    port = free_port()
    with pytest.raises(PortTaken, match=r"asked for twice.*--b-port"):
        choose({"a": Wish("--a-port", port, firm=True), "b": Wish("--b-port", port, firm=True)})

    chosen = choose({"b": Wish("--b-port", port, firm=False), "a": Wish("--a-port", port, firm=True)})

    assert chosen["a"] == port != chosen["b"]


def test_zero_asks_for_any_port() -> None:
    chosen = choose(port_wishes(dict.fromkeys(["storage", "jobs", "function", "sweep", "pubsub"], 0)))

    assert len(set(chosen.values())) == 5
    assert all(is_free(port) for port in chosen.values())


def test_what_was_asked_for_is_firm_and_so_is_storage() -> None:
    wishes = port_wishes({"storage": None, "jobs": 1234, "function": None})

    assert {name for name, wish in wishes.items() if wish.firm} == {"storage", "jobs"}
    assert wishes["jobs"] == Wish("--jobs-port", 1234, firm=True)
