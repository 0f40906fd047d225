"""Those who do not hold the gate key, and those on the path: a closed connection, silence, one log line.

Three hubs, any two of them. The client carol reaches hub hank through a proxy; who attacks, attacks
hank. Nobody fetches keys at carol, so that her pools change by her own requests only.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec
import pytest

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac
from dsked.errors import ErrorCode
from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    MASK_BYTES,
    MAX_HANDSHAKE_BYTES,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
    NONCE_BYTES,
)
from dsked.psrd.pair import Pair, Side
from dsked.wire.frame import ARRAY_OF_7, LENGTH_BYTES
from dsked.wire.handshake import M0, M1, M2, Flag, decode_part, encode_part
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.messages import MessageType
from scripts.laboratory import LIMIT_S, Laboratory, wait_until

from .daemon import Daemon
from .proxy import Proxy, To
from .support import Pool, assert_no_fault, fetch, get_keys, pool_of, small, spent, started, wait_for_hubs

HUBS = ["hank", "helen", "hugo"]
VICTIM = "hank"
SLOW_ADDRESS = "127.0.0.3"  # its strangers are not evicted by a crowd elsewhere
OTHER_ADDRESS = "127.0.0.2"
CONNECTIONS = 300


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

        def settled() -> list[Pool] | None:
            hank, carol = self.at_hank(), self.at_carol()
            pools = [pool_of(hank[which]) for which in ("peer_pool", "local_pool")]
            same = [pool_of(carol[which]) for which in ("local_pool", "peer_pool")]
            return pools if carol["registered"] and spent_of(pools, same) == [0, 0] else None

        return wait_until(settled, "carol and hank agree on the pads used")

    def spent_since(self, before: list[Pool]) -> list[int]:
        """Bytes used of the client's and the hub's pool."""
        return spent_of(before, self.pools())

    def pending(self) -> int:
        """Carol's shares at hank."""
        return int(self.at_hank()["nr_pending_shares"])

    def lines(self) -> list[str]:
        """The lines that strangers and faults have caused in hank's log."""
        return [line for line in self.lab.log(VICTIM).splitlines() if " WARNING " in line]

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """The attack in the block costs no pad byte, and next to nothing in the log; carol is served on."""
        before, log = self.pools(), self.lines()
        yield
        assert self.spent_since(before) == [0, 0]
        assert len(self.lines()) - len(log) <= 1
        pending = self.pending()
        get_keys(self.lab, "sam", "sunny")
        wait_until(lambda: self.pending() == pending + 1, "hank has carol's share")


def spent_of(before: list[Pool], after: list[Pool]) -> list[int]:
    """Bytes used of each of the pools."""
    return [spent(*pools) for pools in zip(before, after, strict=True)]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with ExitStack() as stack:
        lab = stack.enter_context(started(small(HUBS, k=2), nodes=[*HUBS, "curtis"]))
        proxy = Proxy(lab.port(VICTIM))
        stack.callback(proxy.close)
        ports = {name: lab.port(name) for name in HUBS} | {VICTIM: proxy.port}
        hubs = [f"{name}=127.0.0.1:{port}" for name, port in ports.items()]
        arguments = ["--role", "client", "carol", "--config", str(lab.config), *lab.places, "--hubs", *hubs]
        log = lab.path / "client-carol.out"
        carol = stack.enter_context(Daemon(arguments, log))
        carol.wait_ready()
        wait_for_hubs(lab, "carol")
        yield Scene(lab, proxy)
        keys = get_keys(lab, "sam", "sunny")
        assert fetch(lab, "sunny", "sam", keys) == keys
        for name in HUBS:
            assert_no_fault(lab.log(name), name)
        assert carol.end() == 0


@pytest.fixture(scope="module", autouse=True)
def slow(scene: Scene) -> Iterator[list[socket.socket]]:
    """Two that connect at the beginning and then say too little: nothing whole, and nothing after M1."""
    silent, half = dial(scene.port, SLOW_ADDRESS), dial(scene.port, SLOW_ADDRESS)
    receive_piece(silent)
    silent.sendall(b"\0")
    half.sendall(hello(receive_piece(half), scene.gate_key()))
    with silent, half:
        yield [silent, half]


# --- a stranger's tools ---


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


# --- before the handshake ---

STRANGE: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda m0: random.Random(7).randbytes(4096),
    "HTTP": lambda m0: b"GET / HTTP/1.1\r\nHost: hank\r\n\r\n",
    "TLS": lambda m0: bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "4 GiB": lambda m0: b"\xff\xff\xff\xff" + bytes(64),
    "one byte too long": lambda m0: with_length(bytes(MAX_HANDSHAKE_BYTES + 1)),
    "no byte": lambda m0: bytes(LENGTH_BYTES),
    "no message": lambda m0: with_length(b"\x93\x01\x02\x03"),
    "deeply nested": lambda m0: with_length(b"\x91" * MAX_HANDSHAKE_BYTES),
    "a frame": lambda m0: with_length(bytes([ARRAY_OF_7]) + bytes(100)),
    "its own greeting": lambda m0: m0,
    "no gate key": lambda m0: hello(m0, random.randbytes(32)),
    "a gate key of zeros": lambda m0: hello(m0, bytes(32)),
    "an unknown client": lambda m0: hello(m0, random.randbytes(32), client="mallory"),
    "a client that is not served": lambda m0: hello(m0, random.randbytes(32), client="c" * 64),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_stranger_meets_silence(scene: Scene, what: str) -> None:
    with scene.unharmed(), dial(scene.port) as connection:
        connection.sendall(STRANGE[what](receive_piece(connection)))
        assert all_until_closed(connection) == b""


@pytest.mark.parametrize("what", ["the name of carol", "the gate key of carol"])
def test_name_and_gate_key_belong_together(scene: Scene, what: str) -> None:
    (path,) = scene.lab.path.rglob("gate-keys.json")
    of_curtis = bytes.fromhex(json.loads(path.read_text())["pairs"][f"curtis/{VICTIM}"])
    with scene.unharmed(), dial(scene.port) as connection:
        m0 = receive_piece(connection)
        mine = what == "the name of carol"
        connection.sendall(
            hello(m0, of_curtis if mine else scene.gate_key(), client="carol" if mine else "curtis")
        )
        assert all_until_closed(connection) == b""


def test_many_strangers_fill_no_log(scene: Scene) -> None:
    with scene.unharmed():
        for _ in range(50):
            with dial(scene.port) as connection:
                receive_piece(connection)
                connection.sendall(b"\xff" * 64)
                assert all_until_closed(connection) == b""
    assert any(re.search("closing the connection of .*127.0.0.1: ", line) for line in scene.lines())


REFUSED: dict[str, tuple[Callable[[bytes, bytes], bytes], ErrorCode, str]] = {
    "another version": (lambda m0, key: hello_of_version(m0, key, 99), ErrorCode.VERSION, "only 1"),
    "another hub": (lambda m0, key: hello(m0, key, hub="helen"), ErrorCode.WRONG_HUB, "hub is hank"),
    "no simulation": (lambda m0, key: hello(m0, key, simulated=False), ErrorCode.PSRD_MODE, "simulates"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_who_holds_the_gate_key_is_told_the_reason(scene: Scene, what: str) -> None:
    make, code, text = REFUSED[what]
    with scene.unharmed(), dial(scene.port) as connection:
        connection.sendall(make(receive_piece(connection), scene.gate_key()))
        m2 = decode_part(M2, receive_piece(connection))
        assert m2.code == code
        assert text in m2.reason
        assert all_until_closed(connection) == b""


def test_the_gate_key_alone_opens_no_session(scene: Scene) -> None:
    """Pads do: M3 under a guess is refused, and whoever is connected stays so."""
    with scene.unharmed(), dial(scene.port) as connection:
        connection.sendall(hello(receive_piece(connection), scene.gate_key()))
        m2 = decode_part(M2, receive_piece(connection))
        assert m2.flags & Flag.BEGIN_ANEW
        connection.sendall(with_length(b"\x96" + bytes(5) + b"\xc4\x10" + bytes(16)))
        assert all_until_closed(connection) == b""


def test_those_that_say_too_little_are_cut_off(scene: Scene, slow: list[socket.socket]) -> None:
    with scene.unharmed():
        silent, half = slow
        assert all_until_closed(silent) == b""
        assert decode_part(M2, all_until_closed(half)).code == ErrorCode.OK
    assert any("did not authenticate in" in line for line in scene.lines())


@pytest.mark.parametrize("source", ["127.0.0.1", OTHER_ADDRESS])
def test_many_connections(scene: Scene, source: str) -> None:
    """An address may hold a number of unauthenticated connections: others are closed, old ones or the newest.

    Sessions are not touched, and clients get in past the crowd.
    """
    with ExitStack() as stack:
        with scene.unharmed():
            crowd = [stack.enter_context(dial(scene.port, source)) for _ in range(CONNECTIONS)]
            too_many = CONNECTIONS - MAX_UNAUTHENTICATED_PER_ADDRESS
            wait_until(lambda: nr_closed(crowd) >= too_many, "those beyond the limit are closed")
        before = scene.proxy.nr_connections
        scene.proxy.drop()
        reconnected(scene, before)


def nr_closed(connections: list[socket.socket]) -> int:
    """How many of them the other side has closed."""
    with select.epoll() as ended:
        for one in connections:
            ended.register(one, select.EPOLLRDHUP)
        return len(ended.poll(0, len(connections)))


# --- on the path ---


def is_frame(piece: bytes, kind: MessageType) -> bool:
    return piece[LENGTH_BYTES] == ARRAY_OF_7 and piece[LENGTH_BYTES + 1] == kind


def flipped(piece: bytes, place: int) -> bytes:
    data = bytearray(piece)
    data[place] ^= 1
    return bytes(data)


def reconnected(scene: Scene, before: int) -> None:
    """Wait until carol has another session with hank than before."""
    wait_until(lambda: scene.proxy.nr_connections > before, "carol has connected again")
    wait_for_hubs(scene.lab, "carol")


#: A byte of each field of a frame.
PLACES = {
    "type": 5, "request id": 10, "position": 19, "pads": 24, "ack": 33, "body length": 38, "body": 41,
    "tag": -1,
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_frame_altered_on_its_way_to_the_hub(scene: Scene, place: str) -> None:
    """It is not acted upon; the session is closed, and the share goes out again on the next one."""

    def alter(piece: bytes) -> bytes | None:
        return flipped(piece, PLACES[place]) if is_frame(piece, MessageType.PUT_SHARES) else None

    scene.pools()
    pending, before, log = scene.pending(), scene.proxy.nr_connections, scene.lines()
    done = scene.proxy.change_next(To.HUB, alter)
    get_keys(scene.lab, "sam", "sunny")  # two other hubs are enough
    assert done.wait(LIMIT_S)
    reconnected(scene, before)
    wait_until(lambda: scene.pending() == pending + 1, "the share is at hank")
    assert len(scene.lines()) - len(log) <= 1


@pytest.mark.parametrize("place", ["type", "position", "body", "tag"])
def test_a_frame_altered_on_its_way_to_the_client(scene: Scene, place: str) -> None:
    def alter(piece: bytes) -> bytes | None:
        return flipped(piece, PLACES[place]) if is_frame(piece, MessageType.PUT_SHARES_ACK) else None

    scene.pools()
    pending, before = scene.pending(), scene.proxy.nr_connections
    done = scene.proxy.change_next(To.CLIENT, alter)
    get_keys(scene.lab, "sam", "sunny")
    assert done.wait(LIMIT_S)
    reconnected(scene, before)
    scene.pools()
    assert scene.pending() == pending + 1  # the same share came twice, and is there once


def test_a_block_of_random_data_altered_on_its_way(scene: Scene) -> None:
    def alter(piece: bytes) -> bytes | None:
        return flipped(piece, 60) if is_frame(piece, MessageType.PSRD_BLOCK) else None

    scene.pools()
    pending, before = scene.pending(), scene.proxy.nr_connections
    done = scene.proxy.change_next(To.CLIENT, alter)
    get_keys(scene.lab, "sam", "sunny", size=65_536)  # more than the pools hold
    assert done.wait(LIMIT_S)
    reconnected(scene, before)
    get_keys(scene.lab, "sam", "sunny", size=65_536)
    wait_until(lambda: scene.pending() == pending + 2, "both shares are at hank")


def test_a_frame_sent_twice(scene: Scene) -> None:
    def double(piece: bytes) -> bytes | None:
        return 2 * piece if is_frame(piece, MessageType.PUT_SHARES) else None

    scene.pools()
    pending, before = scene.pending(), scene.proxy.nr_connections
    done = scene.proxy.change_next(To.HUB, double)
    get_keys(scene.lab, "sam", "sunny")
    assert done.wait(LIMIT_S)
    reconnected(scene, before)
    scene.pools()
    assert scene.pending() == pending + 1


def test_a_frame_of_an_earlier_session(scene: Scene) -> None:
    get_keys(scene.lab, "sam", "sunny")
    scene.pools()
    old = next(piece for piece in scene.proxy.passed[To.HUB] if is_frame(piece, MessageType.PUT_SHARES))
    before = scene.proxy.nr_connections
    scene.proxy.drop()
    reconnected(scene, before)
    scene.pools()

    pending = scene.pending()
    done = scene.proxy.change_next(
        To.HUB, lambda piece: old + piece if is_frame(piece, MessageType.PUT_SHARES) else None
    )
    get_keys(scene.lab, "sam", "sunny")
    assert done.wait(LIMIT_S)
    reconnected(scene, before + 1)
    wait_until(lambda: scene.pending() == pending + 1, "the new share is at hank")


def test_a_frame_reflected_to_its_sender(scene: Scene) -> None:
    scene.pools()
    before = scene.proxy.nr_connections
    sent = list(scene.proxy.passed[To.HUB])
    done = scene.proxy.change_next(
        To.CLIENT, lambda piece: sent[-1] if is_frame(piece, MessageType.PUT_SHARES_ACK) else None
    )
    get_keys(scene.lab, "sam", "sunny")
    assert done.wait(LIMIT_S)
    reconnected(scene, before)
    scene.pools()


def test_a_handshake_replayed_to_the_hub(scene: Scene) -> None:
    """All that carol sent, byte for byte, by somebody who has recorded it."""
    get_keys(scene.lab, "sam", "sunny")
    scene.pools()
    recorded = b"".join(scene.proxy.passed[To.HUB])
    with scene.unharmed(), dial(scene.port) as connection:
        receive_piece(connection)
        with contextlib.suppress(ConnectionError):
            connection.sendall(recorded)
        assert all_until_closed(connection) == b""


@pytest.mark.parametrize("part", ["M0", "M2", "M4"])
def test_a_hub_played_from_a_recording(scene: Scene, part: str) -> None:
    """Carol believes none of it; an attempt that comes as far as M3 costs 48 bytes a direction at most."""
    number = ["M0", "M2", "M4"].index(part)
    pools = scene.pools()
    recorded = handshake_parts(scene)[number]
    before = scene.proxy.nr_connections
    count = -1

    def play(piece: bytes) -> bytes | None:
        nonlocal count
        if piece[LENGTH_BYTES] != ARRAY_OF_7:
            count += 1
        return recorded if count == number else None

    done = scene.proxy.change_next(To.CLIENT, play)
    scene.proxy.drop()
    assert done.wait(LIMIT_S)
    reconnected(scene, before)
    handshakes = 2 if part == "M4" else 1
    assert scene.spent_since(pools) == [handshakes * HANDSHAKE_PAD_BYTES + MASK_BYTES] * 2  # + registration


def handshake_parts(scene: Scene) -> list[bytes]:
    """M0, M2 and M4 of the session that runs now."""
    return [piece for piece in scene.proxy.passed[To.CLIENT] if piece[LENGTH_BYTES] != ARRAY_OF_7]


def test_a_hub_that_speaks_only_later_versions(scene: Scene) -> None:
    before = scene.proxy.nr_connections
    pools = scene.pools()
    later = encode_part(M0("DSKE", [7], bytes(NONCE_BYTES)))
    told: list[str] = []

    def instead(piece: bytes) -> bytes | None:
        return later if piece[LENGTH_BYTES] != ARRAY_OF_7 else None

    done = scene.proxy.change_next(To.CLIENT, instead)
    scene.proxy.drop()
    assert done.wait(LIMIT_S)
    reconnected(scene, before)
    told = [line for line in scene.lab.log("carol").splitlines() if "versions [7]" in line]
    assert len(told) == 1
    assert f"hub {VICTIM}: the hub speaks versions [7], this client 1" in told[0]
    assert scene.spent_since(pools) == [HANDSHAKE_PAD_BYTES + MASK_BYTES] * 2
