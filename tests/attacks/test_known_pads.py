"""Proofs under pads that are known: who is on the path, and knows what stood in a frame that he kept.

A responder knows, from the shares of k hubs, the share that was on its way to another one; an initiator knows
all that hubs send a responder. Such a frame gives away pool bytes that the other end still takes for unused,
and M3 and M4 say themselves where they stand. M1 and M2 may be true, or made by who has the gate key.
"""

from __future__ import annotations

import pytest

from dsked.auth.pads import apply_pad
from dsked.errors import HandshakeRefusedError, TagError
from dsked.limits import (
    BOOT_ID_BYTES,
    HANDSHAKE_PAD_BYTES,
    HASH_KEY_BYTES,
    MASK_BYTES,
    MAX_UNANSWERED_PROOFS,
    ONE_TIME_KEY_BYTES,
    TAG_BYTES,
)
from dsked.psrd.pair import Pair, Side, Streams
from dsked.psrd.proofs import OwnProofs
from dsked.wire.frame import body_of, decode_header
from dsked.wire.handshake import M2, M3, M4, decode_part, with_tag
from dsked.wire.messages import Ping, Register, decode_body
from dsked.wire.session import Session
from tests.wire.handshakes import client_state, hub_state
from tests.wire.sides import (
    CLIENT_STREAM,
    GATE,
    HUB_STREAM,
    SIZE,
    WIN,
    Ends,
    Parts,
    frames,
    media_streams,
    put,
)

SHARE = bytes(range(256))
SIMULATED = pytest.mark.parametrize("simulated", [False, True])


def known_pads(ends: Ends, side: Side) -> tuple[int, bytes]:
    """A frame of this side is kept: where its pads stand, and what they are."""
    client, hub = ends.sessions()
    for frame in frames(client, Ping(False, 0, 0, [])):  # M4 is acknowledged: the hub may send
        hub.open(frame)
    [frame] = frames(client if side is Side.CLIENT else hub, put(SHARE, b"c" * 32))
    header, message = decode_header(frame), decode_body(decode_header(frame).type, body_of(frame))
    return header.position + MASK_BYTES, apply_pad(next(message.secrets()), SHARE)


def received(streams: Streams | None) -> int:
    assert streams is not None
    return streams.peer.mark


def keys_of(pads: bytes, start: int) -> list[bytes]:
    """What he can put in the place of r | s for a proof at this place in the pads."""
    mask = pads[start + MASK_BYTES : start + ONE_TIME_KEY_BYTES]
    hash_keys = [pads[at : at + MASK_BYTES] for at in range(0, len(pads) - MASK_BYTES, MASK_BYTES)]
    return [hash_key + mask for hash_key in [pads[start : start + MASK_BYTES], bytes(16), *hash_keys]]


@SIMULATED
@pytest.mark.parametrize("start", [0, 7, 64])
def test_m3_under_known_pads_is_refused(simulated: bool, start: int) -> None:
    ends = Ends(simulated=simulated)
    position, pads = known_pads(ends, Side.CLIENT)
    parts = ends.proof()
    true = decode_part(M3, parts.m3)
    transcript = parts.m0 + parts.m1 + parts.m2
    assert received(ends.hub.streams) <= position, "the hub takes them for unused"
    fields = [getattr(true, name) for name in M3.__struct_fields__[1:-1]]
    before = hub_state(ends)
    for key in keys_of(pads, start):
        forged = M3(position + start, *fields, bytes(TAG_BYTES))
        with pytest.raises(TagError):
            parts.far.verify(with_tag(forged, key, Side.CLIENT, transcript))
    assert hub_state(ends) == before
    parts.far.verify(parts.m3)


@SIMULATED
@pytest.mark.parametrize("start", [0, 7, 64])
def test_m4_under_known_pads_is_refused(simulated: bool, start: int) -> None:
    ends = Ends(simulated=simulated)
    position, pads = known_pads(ends, Side.HUB)
    parts = ends.proof()
    m4, _ = parts.far.verify(parts.m3)
    transcript = parts.m0 + parts.m1 + parts.m2 + parts.m3
    assert received(ends.client.streams) <= position, "the client takes them for unused"
    before = client_state(ends)
    for key in keys_of(pads, start):
        forged = M4(position + start, decode_part(M4, m4).ack, bytes(TAG_BYTES))
        with pytest.raises(TagError):
            parts.near.finish(with_tag(forged, key, Side.HUB, transcript))
    assert client_state(ends) == before
    parts.near.finish(m4)


def test_without_a_hash_key_that_it_knows_a_hub_takes_a_proof_at_d_and_win_alone() -> None:
    """A hub that has just started: whatever M1 says of the client, who has the gate key or not."""
    ends = Ends()
    position, pads = known_pads(ends, Side.CLIENT)
    ends.hub.streams.peer.proved = b""  # type: ignore[union-attr]
    ends.hub_boot_id = bytes(16)
    parts = ends.proof()
    true = decode_part(M3, parts.m3)
    fields = [getattr(true, name) for name in M3.__struct_fields__[1:-1]]
    forged = with_tag(
        M3(position, *fields, bytes(TAG_BYTES)), pads[:ONE_TIME_KEY_BYTES], Side.CLIENT,
        parts.m0 + parts.m1 + parts.m2,
    )  # fmt: skip
    with pytest.raises(TagError, match="no hash key is known"):
        parts.far.verify(forged)


# --- what living processes find their way by ---


def in_session(ends: Ends, parts: Parts) -> bool:
    m4, hub_keys = parts.far.verify(parts.m3)
    client_keys = parts.near.finish(m4)
    assert ends.client.streams is not None and ends.hub.streams is not None
    client = Session(Side.CLIENT, ends.client.streams, client_keys, parts.near.max_pads)
    hub = Session(Side.HUB, ends.hub.streams, hub_keys, parts.far.max_pads, parts.far.proof_end)
    [frame] = frames(client, Register(["sam"]))
    return hub.open(frame)[1] == Register(["sam"])


@SIMULATED
@pytest.mark.parametrize("lost", ["M3", "M4"])
@pytest.mark.parametrize("times", [1, 2, 20])
def test_proofs_that_were_lost_change_nothing(simulated: bool, lost: str, times: int) -> None:
    """M3 was not verified, or was verified and not answered: the next proof stands under the right key."""
    ends = Ends(simulated=simulated)
    assert in_session(ends, ends.proof())
    for _ in range(times):
        parts = ends.proof()
        if lost == "M4":
            parts.far.verify(parts.m3)
    assert in_session(ends, ends.proof())
    assert in_session(ends, ends.proof())


@SIMULATED
def test_a_side_that_knows_no_hash_key_of_its_own_begins_where_the_pool_has_one(simulated: bool) -> None:
    ends = Ends(simulated=simulated)
    assert in_session(ends, ends.proof())
    assert ends.client.streams is not None
    ends.client.streams.local.proofs._made.clear()
    parts = ends.hello()
    if simulated:
        with pytest.raises(HandshakeRefusedError):
            parts.near.prove()
    else:
        parts.m3 = parts.near.prove()
        assert in_session(ends, parts)
    assert in_session(ends, ends.proof())


@SIMULATED
def test_a_client_that_has_met_another_process_of_the_hub_comes_back_to_the_first(simulated: bool) -> None:
    """It has sent that one M3, and knows no hash key of the first one's proof any more."""
    ends = Ends(simulated=simulated)
    assert in_session(ends, ends.proof())
    first, ends.hub_boot_id = ends.hub_boot_id, b"o" * 16
    ends.proof()  # M3 is lost
    ends.hub_boot_id = first
    assert in_session(ends, ends.proof())


@pytest.mark.parametrize("side", Side)
def test_a_session_s_hash_key_is_kept_for_the_next_proof_alone(side: Side) -> None:
    """A proof takes 48 bytes as ever, and every session brings another key."""
    ends = Ends()
    keys = set()
    for _ in range(4):
        parts = ends.proof()
        position = decode_part(M3, parts.m3).position
        assert in_session(ends, parts)
        assert ends.client.streams is not None and ends.hub.streams is not None
        assert ends.client.streams.local.next >= position + HANDSHAKE_PAD_BYTES
        keys.add((ends.hub if side is Side.CLIENT else ends.client).streams.peer.proved)  # type: ignore[union-attr]
    assert len(keys) == 4


def test_m3_at_d_and_win_is_refused_where_a_session_went_on_since_the_mark_was_told() -> None:
    """An M1 that arrives late, from the process whose session is open: that session's acks go on."""
    ends = Ends()
    client, hub = ends.sessions()
    for frame in frames(client, Ping(False, 0, 0, [])):
        hub.open(frame)
    parts = ends.machines()
    parts.m0 = parts.far.greeting()
    parts.m1 = parts.near.greet(parts.m0)  # kept; the client dials again
    client, hub = ends.sessions()
    for frame in frames(client, Ping(False, 0, 0, [])):
        hub.open(frame)
    assert ends.client.streams is not None and ends.hub.streams is not None
    parts.m2 = parts.far.answer(parts.m1)
    mark = decode_part(M2, parts.m2).holdings.durable_mark
    while ends.client.streams.local.acked < mark + 4096:
        for frame in frames(client, put(SHARE)):
            hub.open(frame)
        for frame in frames(hub, Ping(False, 0, 0, [])):
            client.open(frame)
    start, pads = ends.client.streams.local.next, b""
    share = bytes(WIN // 4)
    while start + len(pads) < mark + WIN + HANDSHAKE_PAD_BYTES:  # kept, and known
        start = ends.client.streams.local.next
        size = min(len(share), mark + WIN + 100 - start)
        [frame] = frames(client, put(share[:size]))
        pads = bytes(MASK_BYTES) + next(decode_body(decode_header(frame).type, body_of(frame)).secrets())
    key = pads[mark + WIN - start :][:ONE_TIME_KEY_BYTES]
    forged = M3(mark + WIN, CLIENT_STREAM, HUB_STREAM, SIZE, SIZE, bytes(TAG_BYTES))
    before = hub_state(ends)
    with pytest.raises(TagError, match="may have been"):
        parts.far.verify(with_tag(forged, key, Side.CLIENT, parts.m0 + parts.m1 + parts.m2))
    assert hub_state(ends) == before


@SIMULATED
def test_an_m1_that_arrives_late_leaves_the_newest_hash_key(simulated: bool) -> None:
    """It tells a mark below a proof that has been verified since."""
    ends = Ends(simulated=simulated)
    assert in_session(ends, ends.proof())
    late = ends.machines()
    late.m0 = late.far.greeting()
    late.m1 = late.near.greet(late.m0)
    assert in_session(ends, ends.proof())
    late.far.answer(late.m1)
    assert in_session(ends, ends.proof())


@pytest.mark.parametrize("times", [0, 1, 7, 8, 20])
def test_copies_of_a_hub_that_take_turns_let_the_client_in(times: int) -> None:
    """`times`: proofs that one of them never sees, in between."""
    ends = Ends()
    copies = [
        (Pair("carol", "hank", Side.HUB, GATE, False, media_streams(Side.HUB)), boot * BOOT_ID_BYTES)
        for boot in (b"P", b"Q")
    ]
    for number in (0, 1, 0, 1, 0, 0, 1, 1):
        ends.hub, ends.hub_boot_id = copies[number]
        for _ in range(times):
            ends.proof()
        assert in_session(ends, ends.proof())


def test_a_proof_that_had_to_be_forgotten_is_not_taken_for_the_one_before() -> None:
    proofs = OwnProofs()
    for number in range(20):
        proofs.add(100 * number, bytes([number]) * HANDSHAKE_PAD_BYTES)
    assert len(proofs._made) == MAX_UNANSWERED_PROOFS
    assert proofs.last_verified(47) is None
    assert proofs.last_verified(48) == proofs.last_verified(147) == bytes(HASH_KEY_BYTES)
    assert proofs.last_verified(148) is None
    assert proofs.last_verified(1347) is None
    assert proofs.last_verified(1948) == bytes([19]) * HASH_KEY_BYTES
    assert proofs.last_verified(1848) is None, "what lies before the last that was told is forgotten"
