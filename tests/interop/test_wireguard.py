"""docs/encryptors.md's script with the real `wg`: a tunnel between two hosts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.laboratory import Laboratory, wait_until

from .hosts import Host, environment, needs, run, script, two_hosts

pytestmark = needs("wg", "wireguard-go")
OTHER_PSK = "A" * 43 + "="


class Tunnel:
    """One end of it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.interface = f"wg{host.number}-{os.getpid()}"
        self.secret = run("wg", "genkey")
        self.public = run("wg", "pubkey", text=self.secret)
        host.run("wireguard-go", self.interface)
        host.run(*self.set("private-key", "/dev/stdin", "listen-port", "51820"), text=self.secret)
        host.run("ip", "address", "add", f"{host.inside}/24", "dev", self.interface)
        host.run("ip", "link", "set", self.interface, "up")

    def close(self) -> None:
        """Ends wireguard-go as well."""
        self.host.run("ip", "link", "delete", self.interface)

    def set(self, *words: str) -> list[str]:
        return ["wg", "set", self.interface, *words]

    def meet(self, other: Tunnel) -> None:
        """Know the other end anew, without a session and without a preshared key."""
        self.host.run(*self.set("peer", other.public, "remove"))
        place = ("endpoint", f"{other.host.address}:51820", "allowed-ips", f"{other.host.inside}/32")
        self.host.run(*self.set("peer", other.public, *place))

    @property
    def psk(self) -> str:
        return self.host.run("wg", "show", self.interface, "preshared-keys").split()[1]


@pytest.fixture
def tunnels() -> Iterator[tuple[Tunnel, Tunnel]]:
    with ExitStack() as stack:
        here, there = map(Tunnel, stack.enter_context(two_hosts()))
        stack.callback(here.close)
        stack.callback(there.close)
        yield here, there


def test_a_tunnel_with_preshared_keys(
    lab: Laboratory, tunnels: tuple[Tunnel, Tunnel], tmp_path: Path
) -> None:
    here, there = tunnels
    program = script(tmp_path, "wireguard-psk.sh")

    def new_psk() -> None:
        take = there.host.command(program, "take", there.interface, here.public, "sam", "sunny")
        make = (program, "make", here.interface, there.public, "sam", "sunny")
        here.host.run(*environment(lab), *make, *take)
        assert here.psk == there.psk

    def meet() -> None:
        here.meet(there)
        there.meet(here)

    meet()
    new_psk()
    wait_until(lambda: here.host.reaches(there.host), "a handshake with the preshared key")
    first = here.psk

    meet()
    new_psk()
    here.host.run(*here.set("peer", there.public, "preshared-key", "/dev/stdin"), text=OTHER_PSK)
    assert not here.host.reaches(there.host)

    new_psk()
    wait_until(lambda: here.host.reaches(there.host), "a handshake with the new preshared key")
    assert here.psk != first
