"""Ports are chosen and checked before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from infra.local.services.definitions import port_requests
from infra.local.services.ports import PortRequest, PortTaken, choose, is_free
from infra.local.services.process import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_fixed_port_in_use_fails_and_names_the_option(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"port {taken} is in use.*--storage-port"):
        choose({"storage": PortRequest("--storage-port", taken, fixed=True)})


def test_all_fixed_ports_in_use_are_named(taken: int) -> None:
    requests = {"a": PortRequest("--a-port", taken, fixed=True), "b": PortRequest("--b-port", taken, fixed=True)}

    with pytest.raises(PortTaken, match=r"--a-port.*--b-port"):
        choose(requests)


def test_a_preferred_port_in_use_is_replaced_by_a_free_one(taken: int) -> None:
    chosen = choose({"jobs": PortRequest("--jobs-port", taken, fixed=False)})

    assert chosen["jobs"] != taken
    assert is_free(chosen["jobs"])


def test_two_services_never_get_the_same_port() -> None:
    port = free_port()
    with pytest.raises(PortTaken, match=r"requested twice.*--b-port"):
        choose({"a": PortRequest("--a-port", port, fixed=True), "b": PortRequest("--b-port", port, fixed=True)})

    chosen = choose({"b": PortRequest("--b-port", port, fixed=False), "a": PortRequest("--a-port", port, fixed=True)})

    assert chosen["a"] == port != chosen["b"]


def test_zero_requests_any_port() -> None:
    chosen = choose(port_requests(dict.fromkeys(["storage", "jobs", "function", "sweep", "pubsub"], 0)))

    assert len(set(chosen.values())) == 5
    assert all(is_free(port) for port in chosen.values())


def test_chosen_ports_and_the_storage_port_are_fixed() -> None:
    requests = port_requests({"storage": None, "jobs": 1234, "function": None})

    assert {name for name, request in requests.items() if request.fixed} == {"storage", "jobs"}
    assert requests["jobs"] == PortRequest("--jobs-port", 1234, fixed=True)
