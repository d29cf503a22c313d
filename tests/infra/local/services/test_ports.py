"""Ports are chosen and checked before anything is started."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.local.services import ports
from infra.local.services.ports import ANY_PORTS, PREFERRED_PORTS, PortTaken, choose_ports, is_free
from tests.free_port import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def prefer(monkeypatch: pytest.MonkeyPatch, **preferred: int) -> None:
    monkeypatch.setattr(ports, "PREFERRED_PORTS", replace(PREFERRED_PORTS, **preferred))


def test_a_requested_port_in_use_fails_and_names_the_option(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"port {taken} is in use.*--jobs-port"):
        choose_ports({**ANY_PORTS, "jobs": taken})


def test_all_fixed_ports_that_cannot_be_had_are_named(taken: int) -> None:
    with pytest.raises(PortTaken, match=r"in use.*--storage-port.*requested twice.*--jobs-port"):
        choose_ports({**ANY_PORTS, "storage": taken, "jobs": taken})


def test_the_preferred_storage_port_is_fixed_too(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prefer(monkeypatch, storage=taken)

    with pytest.raises(PortTaken, match=f"port {taken} is in use.*--storage-port"):
        choose_ports({**ANY_PORTS, "storage": None})


def test_another_preferred_port_in_use_is_replaced_by_a_free_one(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prefer(monkeypatch, jobs=taken)

    chosen = choose_ports({**ANY_PORTS, "jobs": None})

    assert chosen.jobs != taken
    assert is_free(chosen.jobs)


def test_two_services_never_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    prefer(monkeypatch, jobs=port)

    chosen = choose_ports({**ANY_PORTS, "jobs": None, "sweep": port})

    assert chosen.sweep == port != chosen.jobs


def test_zero_requests_any_port() -> None:
    chosen = vars(choose_ports(ANY_PORTS))

    assert chosen.keys() == ANY_PORTS.keys()
    assert len(set(chosen.values())) == 6
    assert all(is_free(port) for port in chosen.values())
