from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scripts.laboratory import Laboratory, free_ports
from tests.delivery.pki import Pki
from tests.system.support import assert_no_fault, wait_for_hubs

HUBS = ("hank", "helen", "hilary")
CLIENTS = {"carol": ["sam"], "celia": ["serena"], "curtis": ["sunny", "susan"]}


class Certificates(NamedTuple):
    """The laboratory's certificates: NAME.pem and NAME.key of each client and encryptor."""

    directory: Path

    @property
    def ca(self) -> str:
        """The certificate that all others come from."""
        return str(self.directory / "ca.pem")

    def pair(self, name: str) -> tuple[str, str]:
        """Certificate and private key."""
        return str(self.directory / f"{name}.pem"), str(self.directory / f"{name}.key")


def topology() -> dict[str, Any]:
    """Three clients that serve ETSI GS QKD 014 and SKIP over mutual TLS."""
    nodes = len(HUBS) + len(CLIENTS)
    base_port = free_ports(nodes + len(CLIENTS))
    return {
        "base_port": base_port,
        "psrd": "simulated",
        "min_nr_shares": 2,
        "etsi": {
            "certificate": "certs/{name}.pem",
            "private_key": "certs/{name}.key",
            "client_ca": "certs/ca.pem",
            "crl": "certs/crl.pem",
        },
        "skip": {"base_port": base_port + nodes},
        "hubs": [{"name": name} for name in HUBS],
        "clients": [
            {"name": client, "encryptors": [{"name": encryptor} for encryptor in encryptors]}
            for client, encryptors in CLIENTS.items()
        ],
    }


def make_certificates(directory: Path) -> None:
    """Those of all clients and their encryptors."""
    directory.mkdir()
    pki = Pki(directory)
    for client, encryptors in CLIENTS.items():
        pki.server_of(client)
        for encryptor in encryptors:
            pki.encryptor(encryptor)


@pytest.fixture(scope="session")
def lab() -> Iterator[Laboratory]:
    """Real daemons."""
    with Laboratory(topology()).prepared() as lab:
        make_certificates(lab.path / "certs")
        lab.start()
        wait_for_hubs(lab, *CLIENTS)
        yield lab
        lab.stop()
        for _, name in lab.nodes():
            assert_no_fault(lab.log(name), name)


@pytest.fixture(scope="session")
def certificates(lab: Laboratory) -> Certificates:
    return Certificates(lab.path / "certs")
