"""A network of units on one machine (three hubs, two clients, PSRD on media, TLS), and one that simulates."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.delivery.pki import Pki

from .machine import Machine, checkout_binds, install_checkout, why_not

#: Hubs and where each listens: IPv4, IPv6, a name.
HUBS = {"hank": "127.0.0.1:7101", "helen": "[::1]:7102", "hilary": "localhost:7103"}
CLIENTS = {"carol": "sam", "curtis": "sunny"}
ETSI_PORTS = {"carol": 8441, "curtis": 8442}
CONFIGURATION, CREDENTIALS = Path("etc/dsked"), Path("etc/credstore")
HAS_PSK = getattr(ssl, "HAS_PSK", False)
#: The encryptors' programs have users; mallory may connect to control sockets, and eve may not.
PEOPLE = """u sam 2001
m sam dsked
u sunny 2002
m sunny dsked
u mallory 2003
m mallory dsked
u eve 2004
"""


def hub_file(name: str) -> dict[str, object]:
    """A hub's own file."""
    return {
        "hub": name,
        "listen": HUBS[name],
        "x_coordinate": list(HUBS).index(name) + 1,
        "psrd": "media",
        "clients": [{"name": client, "encryptors": [encryptor]} for client, encryptor in CLIENTS.items()],
    }


def client_file(name: str) -> dict[str, object]:
    """A client's own file. The private key of TLS is a credential."""
    encryptor = CLIENTS[name]
    return {
        "client": name,
        "hubs": [
            {"name": hub, "address": address, "x_coordinate": x}
            for x, (hub, address) in enumerate(HUBS.items(), 1)
        ],
        "min_nr_shares": 2,
        "psrd": "media",
        "control_group": "dsked",
        "encryptors": [{"name": encryptor, "users": [encryptor]}],
        "etsi": {
            "listen": f"127.0.0.1:{ETSI_PORTS[name]}",
            "certificate": f"tls/{name}.pem",
            "private_key": "$CREDENTIALS_DIRECTORY/tls-key",
            "client_ca": "tls/ca.pem",
            "crl": "tls/crl.pem",
        },
    }


def simulated() -> dict[str, object]:
    """A topology file. Gate keys are a credential, and pre-shared keys of SKIP where Python has TLS-PSK."""
    skip = {"skip": {"base_port": 7290, "psk_file": "$CREDENTIALS_DIRECTORY/skip-psk"}} if HAS_PSK else {}
    return {
        **skip,
        "base_port": 7200,
        "psrd": "simulated",
        "gate_keys": "$CREDENTIALS_DIRECTORY/gate-keys",
        "min_nr_shares": 2,
        "hubs": [{"name": "igor"}, {"name": "ivan"}],
        "clients": [{"name": "chloe", "encryptors": [{"name": "sven"}]}],
    }


def prepare(machine: Machine, pki: Pki) -> None:
    """What an operator brings: configuration, certificates, credentials; and some users."""
    install_checkout(machine)
    configuration, credentials = machine.root / CONFIGURATION, machine.root / CREDENTIALS
    configuration.mkdir()
    credentials.mkdir(mode=0o700, exist_ok=True)
    for name, content in [
        *((hub, hub_file(hub)) for hub in HUBS),
        *((one, client_file(one)) for one in CLIENTS),
    ]:
        (configuration / f"{name}.yaml").write_text(yaml.safe_dump(content))
    (configuration / "simulated.yaml").write_text(yaml.safe_dump(simulated()))
    pairs = {"chloe/igor": "0f" * 32, "chloe/ivan": "f0" * 32}
    for name in ("igor", "ivan", "chloe"):
        (configuration / f"{name}.yaml").symlink_to("simulated.yaml")
        secret(credentials / f"dsked.{name}.gate-keys", json.dumps({"version": 1, "pairs": pairs}))
    secret(credentials / "dsked.chloe.skip-psk", f"sven:{'5a' * 32}\n")
    for client, encryptor in CLIENTS.items():
        secret(credentials / f"dsked.{client}.tls-key", pki.server_of(client).private_key.read_text())
        (pki.directory / f"{client}.key").unlink()
        pki.encryptor(encryptor)
    shutil.copytree(pki.directory, configuration / "tls")
    (configuration / "tls").chmod(0o755)
    secret(machine.root / "root/passphrase", "correct horse battery staple")
    (machine.root / "usr/lib/sysusers.d/people.conf").write_text(PEOPLE)
    (machine.root / "usr/lib/tmpfiles.d/carried.conf").write_text("d /run/carried 0700 dsked dsked\n")


def secret(path: Path, text: str) -> None:
    """A file that root alone may read."""
    path.touch(0o600)
    path.write_text(text)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Whose certificates the machine has in /etc/dsked/tls."""
    return Pki(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def machine(pki: Pki) -> Iterator[Machine]:
    """One for all tests of a module."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Machine(partial(prepare, pki=pki), checkout_binds()) as machine:
        yield machine
