"""Bundles on their way from running hubs to running clients: no restart, and keys flow."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from scripts.laboratory import DSKECTL, free_ports, wait_until
from tests.system.daemon import Daemon

HUBS, CLIENTS = ("hank", "helen"), ("carol", "curtis")
TOPOLOGY = """\
base_port: {port}
psrd: media
min_nr_shares: 2
state_dir: state
hubs: [{{name: hank}}, {{name: helen}}]
clients:
  - {{name: carol, encryptors: [{{name: sam}}]}}
  - {{name: curtis, encryptors: [{{name: sunny}}]}}
"""


class Network:
    """Two hubs and two clients, all running, with nothing shared yet."""

    def __init__(self, place: Path, runtime: Path, stack: ExitStack) -> None:
        self.place = place
        self.config = place / "lab.yaml"
        self.config.write_text(TOPOLOGY.format(port=free_ports(4)))
        self._runtime = str(runtime)
        (place / "usb").mkdir()
        (place / "pw").write_text("correct horse battery\n")
        self.nodes = {name: self._start(name, stack) for name in HUBS + CLIENTS}
        for name in HUBS:
            self.nodes[name].wait_ready()
        for name in CLIENTS:
            self.nodes[name].wait_unready()

    def _start(self, name: str, stack: ExitStack) -> Daemon:
        role = "hub" if name in HUBS else "client"
        arguments = ["--role", role, name, "--config", str(self.config), "--runtime-dir", self._runtime]
        arguments += ["--state-dir", str(self.place / "state")]
        return stack.enter_context(Daemon(arguments, self.place / f"{name}.out"))

    def dskectl(self, *arguments: str) -> str:
        """What a command of a real process prints; it must succeed."""
        command = [str(DSKECTL), "--config", str(self.config), "--runtime-dir", self._runtime, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=self.place, timeout=60)
        assert ran.returncode == 0, f"{arguments}: {ran.stderr}"
        return ran.stdout

    def bring(self, hub: str, *options: str, size: str = "1M", seal: bool = False) -> None:
        """A bundle file of one hub for both clients: generated, split, imported."""
        secret = ("--passphrase-file", "pw") if seal else ()
        sealed = ("--seal", *secret) if seal else ()
        clients = [word for name in CLIENTS for word in ("--client", name)]
        out = f"usb/{hub}.psrd"
        self.dskectl(
            "psrd", "generate", "--hub", hub, *clients, "--out", out, "--size", size, *sealed, *options
        )
        for path in self.dskectl("psrd", "split", out, "--out", "usb", "--erase").splitlines():
            replace = ["--replace"] if options else []
            self.dskectl("psrd", "import", path, *secret, "--erase", *replace)
        assert not list((self.place / "usb").iterdir())

    def peers(self, client: str) -> list[dict[str, Any]]:
        """What a client says of its hubs."""
        status = json.loads(self.dskectl("status", "--node", client, "--json"))
        peers: list[dict[str, Any]] = status["peer_hubs"]
        return peers

    def registered(self) -> bool:
        return all(peer["registered"] for client in CLIENTS for peer in self.peers(client))

    def key_pair(self) -> None:
        """A key at both ends."""
        made = self.dskectl("get-key", "sunny", "--node", "carol", "--size", "256", "--json")
        [key] = json.loads(made)["keys"]
        again = self.dskectl("get-key-with-key-ids", "sam", key["key_ID"], "--node", "curtis", "--json")
        assert json.loads(again) == json.loads(made)


@pytest.fixture
def network(tmp_path: Path, runtime: Path) -> Iterator[Network]:
    with ExitStack() as stack:
        yield Network(tmp_path, runtime, stack)


def test_pools_arrive_grow_and_are_replaced_under_running_nodes(network: Network) -> None:
    for hub in HUBS:
        network.bring(hub, seal=hub == "hank")
    wait_until(network.registered, "both clients registered at both hubs")
    network.key_pair()
    network.bring("hank", size="200000")
    pools = json.loads(network.dskectl("psrd", "list", "--client", "carol", "--json"))["pairs"][0]["pools"]
    assert [pool["next_sequence"] for pool in pools.values()] == [2, 2]
    network.key_pair()
    network.dskectl("psrd", "verify", "--client", "carol")
    network.dskectl("psrd", "verify", "--hub", "hank")
    network.bring("helen", "--new-streams")
    wait_until(network.registered, "both clients registered over the new streams")
    network.key_pair()
    for name, node in network.nodes.items():
        assert node.end() == 0
        assert "Traceback" not in node.log.read_text(), name
    network.dskectl("psrd", "verify", "--client", "curtis")
