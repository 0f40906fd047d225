"""What the system tests share: key pairs over the real interfaces, and a look at what a topology leaves."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import msgpack
import yaml

from dsked.delivery.control_protocol import FrameBuffer, Op, encode_request
from dsked.errors import ErrorCode
from dsked.keys import Key
from scripts.laboratory import LIMIT_S, Laboratory, free_ports, wait_until

EXAMPLE_FILE = Path(__file__).parents[2] / "configs" / "dske-config.yaml"
CERTIFICATES = {
    "certificate": "{name}.pem",
    "private_key": "{name}.key",
    "client_ca": "ca.pem",
    "crl": "crl.pem",
}
_RECEIVE_BYTES = 1024 * 1024


def example() -> dict[str, Any]:
    """The example topology on ports that are free."""
    content = yaml.safe_load(EXAMPLE_FILE.read_text())
    nodes = len(content["hubs"]) + len(content["clients"])
    return {**content, "base_port": free_ports(nodes)}


def small(hubs: list[str], k: int) -> dict[str, Any]:
    """A topology of two clients: carol with sam, curtis with sunny and susan."""
    return {
        "base_port": free_ports(len(hubs) + 2),
        "psrd": "simulated",
        "etsi": "plain-http-on-loopback",
        "min_nr_shares": k,
        "hubs": [{"name": name} for name in hubs],
        "clients": [
            {"name": "carol", "encryptors": [{"name": "sam"}]},
            {"name": "curtis", "encryptors": [{"name": "sunny"}, {"name": "susan"}]},
        ],
    }


@contextmanager
def started(content: Mapping[str, Any], **options: Any) -> Iterator[Laboratory]:
    """A started topology, which in the end stops in order and has logged no fault of its own.

    Its clients are registered with all hubs that were started: to be ready, they need *k* of them only.
    """
    with Laboratory(content, **options) as lab:
        first = options.get("nodes") or [name for _, name in lab.nodes()]
        clients = [name for role, name in lab.nodes() if role == "client" and name in first]
        wait_for_hubs(lab, *clients, down=tuple(name for _, name in lab.nodes() if name not in first))
        yield lab
        _stops_well(lab)


@contextmanager
def started_over_tls(certificates: Path, content: Mapping[str, Any]) -> Iterator[Laboratory]:
    """The same for mutual TLS, with files in this directory as `tests.delivery.pki.Pki` makes them."""
    etsi = {name: f"certs/{file}" for name, file in CERTIFICATES.items()}
    with Laboratory({**content, "etsi": etsi}).prepared() as lab:
        (lab.path / "certs").symlink_to(certificates)
        lab.start()
        wait_for_hubs(lab, "carol", "curtis")
        yield lab
        _stops_well(lab)


def _stops_well(lab: Laboratory) -> None:
    lab.stop()
    for _, name in lab.nodes():
        assert_no_fault(lab.log(name), name)


def assert_no_fault(log: str, name: str) -> None:
    """A node's log tells of no traceback and of no error."""
    faults = [line for line in log.splitlines() if "Traceback" in line or " ERROR " in line]
    assert not faults, f"{name}: {faults}"


def wait_for_hubs(lab: Laboratory, *clients: str, down: tuple[str, ...] = ()) -> None:
    """Wait until the clients are registered with all hubs but those that are down, and know these to be."""

    def so() -> bool:
        peers = [peer for client in clients for peer in lab.status(client)["peer_hubs"]]
        return all(peer["registered"] == (peer["hub_name"] not in down) for peer in peers)

    wait_until(so, f"{clients} registered with all hubs but {down}")


# --- over the control sockets ---


def get_keys(
    lab: Laboratory, master: str, *slaves: str, number: int = 1, size: int | None = None
) -> list[Key]:
    """New keys of `master`, from its client."""
    with lab.control(lab.client_of(master)) as control:
        return control.get_keys(slaves, number, size, master)


def fetch(lab: Laboratory, slave: str, master: str, keys: list[Key]) -> list[Key]:
    """The keys of these IDs at the client of `slave`."""
    with lab.control(lab.client_of(slave)) as control:
        return control.get_keys_by_id(master, [key.key_id for key in keys], slave)


def key_pair(
    lab: Laboratory, master: str = "sam", slave: str = "sunny", *, number: int = 1, size: int | None = None
) -> list[Key]:
    """The same keys at both ends."""
    keys = get_keys(lab, master, slave, number=number, size=size)
    assert len(keys) == number
    assert all(8 * len(key.key) == (size or 128) for key in keys)
    assert fetch(lab, slave, master, keys) == keys
    return keys


class Pipeline:
    """A control socket with many requests under way at once."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LIMIT_S)
        self._socket.connect(str(path))
        self._frames = FrameBuffer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, op: Op, requests: list[list[Any]]) -> list[Any]:
        """All requests in one write; the results in the same order. Fails where one has failed."""
        answers = self.answers(op, requests)
        assert all(code == ErrorCode.OK for code, _ in answers), answers
        return [result for _, result in answers]

    def answers(self, op: Op, requests: list[list[Any]]) -> list[tuple[int, Any]]:
        """All requests in one write; code and result, or message, of each in the same order."""
        frames = [encode_request(op, number, args) for number, args in enumerate(requests)]
        self._socket.sendall(b"".join(frames))
        found: dict[int, tuple[int, Any]] = {}
        while len(found) < len(requests):
            data = self._socket.recv(_RECEIVE_BYTES)
            assert data, "the node closed the connection"
            for frame in self._frames.feed(data):
                number, code, result = msgpack.unpackb(frame)
                found[number] = code, result
        return [found[number] for number in range(len(requests))]


def many_pairs(lab: Laboratory, concurrency: int, *, number: int = 1, size: int | None = None) -> int:
    """Key pairs of sam and sunny, `concurrency` requests at a time; gives how many there are."""
    with (
        Pipeline(lab.socket("client", lab.client_of("sam"))) as carol,
        Pipeline(lab.socket("client", lab.client_of("sunny"))) as curtis,
    ):
        mine = carol.ask(Op.GET_KEYS, [[["sunny"], number, size, "sam"]] * concurrency)
        wanted = [["sam", [key_id for key_id, _ in keys], "sunny"] for keys in mine]
        assert curtis.ask(Op.GET_KEYS_BY_ID, wanted) == mine
    ids = {key_id for keys in mine for key_id, _ in keys}
    assert len(ids) == concurrency * number
    return len(ids)


# --- over ETSI GS QKD 014 ---


class Reply(NamedTuple):
    """An HTTP reply."""

    status: int
    headers: Mapping[str, str]
    document: Any

    @property
    def message(self) -> str:
        """What an error says."""
        return str(self.document["message"])


def etsi(
    lab: Laboratory,
    client: str,
    path: str,
    *,
    sae: str | None = None,
    body: object = None,
    method: str | None = None,
    guide_url: bool = False,
) -> Reply:
    """A request to /api/v1/keys/`path` on a client's port, in the name of `sae`; POST with a body.

    `guide_url`: to the user guide's address of the same resource.
    """
    prefix = f"/client/{client}/etsi" if guide_url else ""
    connection = http.client.HTTPConnection("127.0.0.1", lab.port(client), timeout=LIMIT_S)
    try:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        headers = {} if sae is None else {"Authorization": quote(sae)}
        method = method or ("GET" if body is None else "POST")
        connection.request(method, f"{prefix}/api/v1/keys/{path}", raw, headers)
        response = connection.getresponse()
        text = response.read()
        return Reply(response.status, dict(response.headers), json.loads(text))
    finally:
        connection.close()


# --- pools ---

#: Of each block of a pool, by its UUID: the bytes used, and its size.
Pool = Mapping[str, tuple[int, int]]


def pool_of(report: Mapping[str, Any]) -> Pool:
    """A pool as a status reports it."""
    return {block["uuid"]: (block["nr_used_bytes"], block["size"]) for block in report["blocks"]}


def spent(before: Pool, after: Pool) -> int:
    """The bytes of a pool that were used between two reports. Blocks that are used up stand in none."""
    begun = sum(after.get(uuid, (size, size))[0] - used for uuid, (used, size) in before.items())
    return begun + sum(used for uuid, (used, _) in after.items() if uuid not in before)


def pools_of(state: Mapping[str, Any]) -> dict[str, Pool]:
    """All pools of a node, by the peer's name and whose pool it is."""
    peers = state.get("peer_clients") or state["peer_hubs"]
    return {
        f"{peer.get('client_name') or peer['hub_name']} {which}": pool_of(peer[which])
        for peer in peers
        for which in ("local_pool", "peer_pool")
    }
