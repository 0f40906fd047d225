"""Daemons that are told everything on the command line: hubs that take clients first come, first served."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dsked.config import gate_keys
from dsked.delivery.control_client import ControlClient
from dsked.errors import AlreadyDeliveredError, UnknownEncryptorError, UnknownKeyError
from scripts.laboratory import LIMIT_S, free_ports, wait_until

from .daemon import Daemon
from .support import assert_no_fault

HUBS = ("hank", "helen")
CLIENTS = ("carol", "curtis", "mallory")


class Network:
    """Two hubs with shares that live for some seconds, and clients as a test starts them."""

    def __init__(self, path: Path, base_port: int) -> None:
        self.path = path
        self.ports = {name: base_port + place for place, name in enumerate(HUBS)}
        self.keys = path / "gate-keys.json"
        gate_keys.ensure(self.keys, ((client, hub) for client in CLIENTS for hub in HUBS))

    def arguments(self, role: str, name: str, *more: str) -> list[str]:
        common = ["--psrd", "simulated", "--gate-keys", str(self.keys), "--runtime-dir", str(self.path)]
        return ["--role", role, name, *common, *more]

    def hub(self, name: str) -> Daemon:
        arguments = self.arguments("hub", name, "--port", str(self.ports[name]), "--share-timeout-secs", "5")
        return Daemon(arguments, self.path / f"{name}.log")

    @contextmanager
    def client(self, name: str, *encryptors: str) -> Iterator[Daemon]:
        """A client with its encryptors; in the end it stops in order."""
        hubs = [f"{hub}=127.0.0.1:{port}" for hub, port in self.ports.items()]
        more = ["--hubs", *hubs, "--encryptors", *encryptors, "--min-nr-shares", "2"]
        with Daemon(self.arguments("client", name, *more), self.path / f"{name}.log") as daemon:
            yield daemon
            assert daemon.end() == 0

    def control(self, name: str) -> ControlClient:
        (path,) = self.path.glob(f"*/*-{name}.sock")
        return ControlClient(path, LIMIT_S)

    def registered(self, hub: str = "helen") -> dict[str, list[str]]:
        """The encryptors of each client, as a hub has them."""
        with self.control(hub) as control:
            peers = control.status()["status"]["peer_clients"]
        return {peer["client_name"]: peer["encryptor_names"] for peer in peers}


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with TemporaryDirectory(prefix="dsked-") as directory, ExitStack() as stack:
        network = Network(Path(directory), free_ports(len(HUBS)))
        hubs = [stack.enter_context(network.hub(name)) for name in HUBS]
        for hub in hubs:
            hub.wait_ready()
        yield network
        for name, hub in zip(HUBS, hubs, strict=True):
            assert hub.end() == 0
            assert_no_fault((network.path / f"{name}.log").read_text(), name)


def test_who_comes_second_is_refused(network: Network) -> None:
    with network.client("carol", "sam", "sal") as carol, network.client("curtis", "sunny") as curtis:
        carol.wait_ready()
        curtis.wait_ready()
        log = network.path / "mallory.log"
        log.touch()
        before = log.stat().st_size
        with network.client("mallory", "sue", "sam"):
            refused = "refused the registration of sam, which another client serves there"
            wait_until(
                lambda: log.read_text()[before:].count(refused) == 2,
                "both hubs have refused mallory",
            )
            assert network.registered() == {"carol": ["sal", "sam"], "curtis": ["sunny"], "mallory": []}
            with network.control("mallory") as mallory:
                answer = mallory.status()
                assert not answer["ready"]
                assert "refused the registration of sam" in answer["reason"]
                with pytest.raises(Exception, match="0 of 2 hubs are connected"):
                    mallory.get_keys(["sunny"], as_encryptor="sam")
            with network.control("carol") as one, network.control("curtis") as other:
                keys = one.get_keys(["sunny"], 3, None, "sam")
                assert other.get_keys_by_id("sam", [key.key_id for key in keys]) == keys
                with pytest.raises(UnknownEncryptorError):  # claimed, and not taken
                    one.get_keys(["sue"], as_encryptor="sam")


def test_a_name_is_free_again_after_a_clean_stop(network: Network) -> None:
    with network.client("carol", "sam") as carol:
        carol.wait_ready()
    for hub in HUBS:
        wait_until(lambda hub=hub: not network.registered(hub)["carol"], f"carol has unregistered at {hub}")
    with network.client("mallory", "sam") as mallory:
        mallory.wait_ready()
        wait_until(lambda: network.registered()["mallory"] == ["sam"], "sam is mallory's now")


def test_shares_that_nobody_fetches_are_gone_in_time(network: Network) -> None:
    with network.client("carol", "sam") as carol, network.client("curtis", "sunny") as curtis:
        carol.wait_ready()
        curtis.wait_ready()
        with network.control("carol") as one, network.control("curtis") as other:
            (key,) = one.get_keys(["sunny"])
            wait_until(lambda: pending(network) == (0, 0), "the hubs have dropped their shares")
            with pytest.raises((UnknownKeyError, AlreadyDeliveredError)):
                other.get_keys_by_id("sam", [key.key_id])


def pending(network: Network) -> tuple[int, ...]:
    """Carol's shares at each hub."""
    found = []
    for name in HUBS:
        with network.control(name) as control:
            peers = control.status()["status"]["peer_clients"]
        found += [peer["nr_pending_shares"] for peer in peers if peer["client_name"] == "carol"]
    return tuple(found)


def test_a_wrong_gate_key_is_told_to_the_client(network: Network) -> None:
    """One of the two ends holds another key: the client says what it may mean, the hub names no one."""
    other = network.path / "other-gate-keys.json"
    gate_keys.ensure(other, (("carol", hub) for hub in HUBS))
    hubs = [f"{hub}=127.0.0.1:{port}" for hub, port in network.ports.items()]
    arguments = ["--role", "client", "carol", "--psrd", "simulated", "--gate-keys", str(other)]
    arguments += ["--runtime-dir", str(network.path), "--min-nr-shares", "2", "--encryptors", "sam"]
    with Daemon([*arguments, "--hubs", *hubs], network.path / "wrong.log") as carol:
        wait_until(
            lambda: (
                "it does not know this client, or has another gate key for it"
                in (network.path / "wrong.log").read_text()
            ),
            "carol says why",
        )
        assert "0 of 2 hubs are connected" in carol.wait_unready()
        assert carol.end() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--role", "hub", "hank"], "--port"),
        (["--role", "hub", "hank", "--port", "70000"], "--port"),
        (["--role", "client", "carol"], "--hubs"),
        (["--role", "hub", "no such name", "--port", "20000"], "name"),
        (["--role", "hub", "hank", "--config", "/nonexistent.yaml"], "/nonexistent.yaml"),
    ],
)
def test_a_daemon_that_cannot_start_says_why_in_one_line(
    network: Network, arguments: list[str], text: str
) -> None:
    log = network.path / f"{secrets.token_hex(4)}.log"
    with Daemon([*arguments, "--runtime-dir", str(network.path)], log) as daemon:
        assert daemon.process.wait() == 2
    (line,) = log.read_text().splitlines()
    assert line.startswith("dsked: ")
    assert text in line
