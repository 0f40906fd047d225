"""Those on the path between a client and a hub: a closed connection, silence, one log line.

The client carol reaches hub hank through a proxy. Nobody fetches keys at carol, so that her pools change by
her own requests only.
"""

from __future__ import annotations

import contextlib

import pytest

from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    MASK_BYTES,
    NONCE_BYTES,
)
from dsked.wire.frame import ARRAY_OF_7, LENGTH_BYTES
from dsked.wire.handshake import M0, encode_part
from dsked.wire.messages import MessageType
from scripts.laboratory import LIMIT_S, wait_until

from .outsiders import (
    VICTIM,
    Scene,
    all_until_closed,
    dial,
    receive_piece,
    reconnected,
)
from .proxy import To
from .support import get_keys


def is_frame(piece: bytes, kind: MessageType) -> bool:
    return piece[LENGTH_BYTES] == ARRAY_OF_7 and piece[LENGTH_BYTES + 1] == kind


def flipped(piece: bytes, place: int) -> bytes:
    data = bytearray(piece)
    data[place] ^= 1
    return bytes(data)


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
