"""Three hubs, any two of them, and what those need who attack hank: strangers, or on the path to carol."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac
from dsked.limits import (
    NONCE_BYTES,
)
from dsked.psrd.pair import Pair, Side
from dsked.wire.frame import LENGTH_BYTES
from dsked.wire.handshake import M1, decode_part, encode_part
from dsked.wire.handshake_client import ClientHandshake
from scripts.laboratory import LIMIT_S, Laboratory, wait_until

from .proxy import Proxy
from .support import Pool, get_keys, pool_of, spent, wait_for_hubs

HUBS = ["hank", "helen", "hugo"]
VICTIM = "hank"
SLOW_ADDRESS = "127.0.0.3"  # its strangers say too little, and are not evicted by a crowd elsewhere


class Scene:
    """The topology, and the proxy between carol and hank."""

    def __init__(self, lab: Laboratory, proxy: Proxy) -> None:
        self.lab = lab
        self.proxy = proxy
        self.port = lab.port(VICTIM)

    def gate_key(self) -> bytes:
        """Of the pair carol and hank."""
        (path,) = self.lab.path.rglob("gate-keys.json")
        return bytes.fromhex(json.loads(path.read_text())["pairs"][f"carol/{VICTIM}"])

    def at_hank(self) -> dict[str, Any]:
        """What hank's status tells of carol."""
        peers = self.lab.status(VICTIM)["peer_clients"]
        return next(peer for peer in peers if peer["client_name"] == "carol")

    def at_carol(self) -> dict[str, Any]:
        """What carol's status tells of hank."""
        peers = self.lab.status("carol")["peer_hubs"]
        return next(peer for peer in peers if peer["hub_name"] == VICTIM)

    def pools(self) -> list[Pool]:
        """The client's and the hub's pool, once nothing is on its way between the two."""
        seen: list[tuple[list[Pool], list[Pool], bool]] = []

        def settled() -> list[Pool] | None:
            hank, carol = self.at_hank(), self.at_carol()
            pools = [pool_of(hank[which]) for which in ("peer_pool", "local_pool")]
            same = [pool_of(carol[which]) for which in ("local_pool", "peer_pool")]
            seen[:] = [(pools, same, carol["registered"])]
            return pools if carol["registered"] and all(map(in_step, pools, same)) else None

        try:
            return wait_until(settled, "carol and hank agree on the pads used")
        except TimeoutError as error:
            raise TimeoutError(
                f"{error}: hank's pools, carol's, and whether she is registered: {seen}"
            ) from None

    def spent_since(self, before: list[Pool]) -> list[int]:
        """Bytes used of the client's and the hub's pool."""
        return spent_of(before, self.pools())

    def pending(self) -> int:
        """Carol's shares at hank."""
        return int(self.at_hank()["nr_pending_shares"])

    def lines(self) -> list[str]:
        """The lines that strangers and faults have caused in hank's log."""
        return [line for line in self.lab.log(VICTIM).splitlines() if " WARNING " in line]

    def _lines_but_of_the_slow(self) -> list[str]:
        """Those are cut off after seconds, whatever another test does just then."""
        return [line for line in self.lines() if SLOW_ADDRESS not in line]

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """The attack in the block costs no pad byte, and next to nothing in the log; carol is served on."""
        before, log = self.pools(), self._lines_but_of_the_slow()
        yield
        assert self.spent_since(before) == [0, 0]
        assert len(self._lines_but_of_the_slow()) - len(log) <= 1
        pending = self.pending()
        get_keys(self.lab, "sam", "sunny")
        wait_until(lambda: self.pending() == pending + 1, "hank has carol's share")


def in_step(hub: Pool, client: Pool) -> bool:
    """Both have used the same bytes of a pool.

    The hub may hold more blocks at its end: one that was on its way when a connection was cut. The client
    asks for it again once its pool is low.
    """
    blocks, held = list(hub.items()), len(client)
    return blocks[:held] == list(client.items()) and not any(used for _, (used, _) in blocks[held:])


def spent_of(before: list[Pool], after: list[Pool]) -> list[int]:
    """Bytes used of each of the pools."""
    return [spent(*pools) for pools in zip(before, after, strict=True)]


def dial(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), LIMIT_S, source_address=(source, 0))


def receive_exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        assert more, "the connection was closed"
        data += more
    return data


def receive_piece(connection: socket.socket) -> bytes:
    """A message with its length prefix."""
    prefix = receive_exactly(connection, LENGTH_BYTES)
    return prefix + receive_exactly(connection, int.from_bytes(prefix, "big"))


def all_until_closed(connection: socket.socket) -> bytes:
    """All that still comes, up to the end of the connection. Fails if that does not come."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65_536):
            data += more
    return data


def hello(
    greeting: bytes, gate_key: bytes, *, client: str = "carol", hub: str = VICTIM, simulated: bool = True
) -> bytes:
    """M1 of a client that has just started."""
    pair = Pair(client, hub, Side.CLIENT, gate_key, simulated)
    return ClientHandshake(pair, random.randbytes(16), random.randbytes(NONCE_BYTES)).greet(greeting)


def hello_of_version(greeting: bytes, gate_key: bytes, version: int) -> bytes:
    m1 = msgspec.structs.replace(decode_part(M1, hello(greeting, gate_key)), version=version)
    raw = encode_part(m1)[:-GATE_MAC_BYTES]
    return raw + gate_mac(gate_key, b"M1", greeting + raw)


def with_length(body: bytes) -> bytes:
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def reconnected(scene: Scene, before: int) -> None:
    """Wait until carol has another session with hank than before."""
    wait_until(lambda: scene.proxy.nr_connections > before, "carol has connected again")
    wait_for_hubs(scene.lab, "carol")
