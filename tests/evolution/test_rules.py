"""The rules of specification.md, section 6, one by one: what a connection makes of a peer of another version.

What such a peer may say is made by hand. What engines make of it: test_engines.py; daemons: test_daemons.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from dsked.errors import (
    ErrorCode,
    FrameError,
    HandshakeRefusedError,
    PeerError,
    TagError,
)
from dsked.limits import MASK_BYTES
from dsked.wire import handshake_client
from dsked.wire.additions import Wrapping
from dsked.wire.connection import ClientConnection, Connection, HubConnection
from dsked.wire.frame import Header
from dsked.wire.handshake import M0, M1, M2, Flag, decode_part, encode_part
from dsked.wire.messages import (
    Locate,
    Located,
    MessageType,
    Ping,
    Unknown,
)

from ..wire.handshakes import answered, changed_m1, changed_m2, client_state, greeted, hub_state
from ..wire.sides import Ends, deliver_all

LATER_TYPES = sorted({*range(0x80)} - {int(kind) for kind in MessageType})
JUNK = b"\xc1 this is no msgpack \xff"
NEW_CODE = 99


# --- versions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", [[1], [1, 2], [2, 1], [255, 7, 1, 0], [*range(16)]])
def test_a_hub_of_more_versions_is_greeted_in_this_one(versions: list[int]) -> None:
    parts = Ends().machines()
    m1 = decode_part(M1, parts.near.greet(encode_part(M0("DSKE", versions, bytes(16)))))
    assert m1.version == 1


@pytest.mark.parametrize("versions", [[2], [0], [2, 3], [255] * 16])
def test_a_hub_of_other_versions_alone_is_told_of_by_name_and_costs_nothing(versions: list[int]) -> None:
    ends = Ends()
    before = client_state(ends)
    with pytest.raises(HandshakeRefusedError) as refused:
        ends.machines().near.greet(encode_part(M0("DSKE", versions, bytes(16))))
    assert refused.value.refusal == ErrorCode.VERSION
    assert str(refused.value) == f"the hub speaks versions {versions}, this client 1"
    assert client_state(ends) == before


def test_versions_that_were_changed_on_the_way_fail_at_the_first_mac() -> None:
    """Nobody on the path makes two ends pick an older version: M0 stands under every MAC and tag."""
    ends = Ends()
    parts = ends.machines()
    parts.m0 = parts.far.greeting()
    told = encode_part(msgspec.structs.replace(decode_part(M0, parts.m0), versions=[1, 2]))
    m1 = parts.near.greet(told)
    before = hub_state(ends)
    with pytest.raises(TagError):
        parts.far.answer(m1)
    assert hub_state(ends) == before


@pytest.mark.parametrize("version", [0, 2, 127, 128, 255])
def test_a_client_of_another_version_is_refused_with_words_and_costs_nothing(version: int) -> None:
    ends = Ends()
    parts = greeted(ends)
    before = hub_state(ends)
    m2 = decode_part(M2, parts.far.answer(changed_m1(parts, version=version)))
    assert (m2.version, m2.code) == (1, ErrorCode.VERSION)
    assert m2.reason == f"version {version} is not spoken here, only 1"
    assert hub_state(ends) == before


def test_an_m1_of_another_form_is_no_m1_of_this_version() -> None:
    """What else changes, changes with the version alone: one field more is malformed."""
    parts = greeted(Ends())
    fields = msgspec.msgpack.decode(parts.m1[4:])
    longer = msgspec.msgpack.encode([*fields[:-1], "a field of a later version", fields[-1]])
    with pytest.raises(FrameError, match=r"^M1 is malformed"):
        parts.far.answer(len(longer).to_bytes(4, "big") + longer)
    for version, words in ((2, r"^M1 is of version 2; 1 is spoken here$"), (200, r"^M1 is malformed")):
        longer = msgspec.msgpack.encode([version, *fields[1:-1], "later", fields[-1]])
        with pytest.raises(FrameError, match=words):
            parts.far.answer(len(longer).to_bytes(4, "big") + longer)


@pytest.mark.parametrize("raw", [b"\0\0\0\1\x9b", b"\0\0\0\2\x0b\2", b"\0\0\0\1\2", b"\0\0\0\2\xff\2"])
def test_what_is_no_array_has_no_version(raw: bytes) -> None:
    with pytest.raises(FrameError, match=r"^M1 is malformed"):
        greeted(Ends()).far.answer(raw)


@pytest.mark.parametrize(("reason", "words"), [
    ("come back with version 3", "come back with version 3"),
    ("", "the hub refuses the handshake with code 99, without words"),
    ("two\nlines\x1b[2J", "two?lines?[2J"),
])  # fmt: skip
def test_a_refusal_of_a_later_version_is_a_refusal_with_words(reason: str, words: str) -> None:
    ends = Ends()
    parts = answered(ends)
    before = client_state(ends)
    with pytest.raises(HandshakeRefusedError) as refused:
        parts.near.answer(changed_m2(parts, code=NEW_CODE, reason=reason))
    assert (refused.value.refusal, str(refused.value)) == (NEW_CODE, words)
    assert client_state(ends) == before


# --- flags and additions ------------------------------------------------------------------------------------

LATER_FLAGS = 0xFF & ~int(Flag.JUST_STARTED | Flag.SIMULATED | Flag.BEGIN_ANEW)
LATER_ADDITIONS = {4: b"", 5: bytes(64), 77: b"x", 2**31: b"", 2**32 - 1: b""}


def test_unknown_flags_and_additions_change_nothing_at_a_hub() -> None:
    parts, plain = greeted(Ends()), greeted(Ends())
    m1 = decode_part(M1, parts.m1)
    later = changed_m1(parts, flags=m1.flags | LATER_FLAGS, optional={**m1.optional, **LATER_ADDITIONS})
    told = [decode_part(M2, parts.far.answer(later)), decode_part(M2, plain.far.answer(plain.m1))]
    assert parts.far.additions == plain.far.additions
    assert told[0].flags == told[1].flags and told[0].optional == told[1].optional == {3: b""}


def test_unknown_flags_and_additions_change_nothing_at_a_client() -> None:
    parts, plain = answered(Ends()), answered(Ends())
    m2 = decode_part(M2, parts.m2)
    later = changed_m2(parts, flags=m2.flags | LATER_FLAGS, optional={**m2.optional, **LATER_ADDITIONS})
    parts.near.answer(later)
    plain.near.answer(plain.m2)
    assert parts.near.additions == plain.near.additions
    assert parts.near.prove()[:40] == plain.near.prove()[:40]


def test_eight_optional_fields_are_taken_and_nine_are_malformed() -> None:
    for number in (8, 9):
        parts = greeted(Ends())
        m1 = changed_m1(parts, optional={3: b"", **{1000 + i: b"" for i in range(number - 1)}})
        if number == 8:
            assert decode_part(M2, parts.far.answer(m1)).code == ErrorCode.OK
        else:
            with pytest.raises(FrameError):
                parts.far.answer(m1)


@pytest.mark.parametrize("wrapping", [Wrapping.OFF, Wrapping.ON])
@pytest.mark.parametrize("who", ["client", "hub"])
def test_an_earlier_peer_gets_neither_addition(
    who: str, wrapping: Wrapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that knows neither 2 nor 3: no field that it has not named, no identifiers, nothing wrapped."""
    ends = Ends()
    ends.wrapping = wrapping, wrapping
    if who == "client":
        monkeypatch.setattr(handshake_client, "offer", lambda wrapping: {})
        parts = greeted(ends)
        assert decode_part(M2, parts.far.answer(parts.m1)).optional == {}
        additions = parts.far.additions
    else:
        parts = answered(ends)
        parts.near.answer(changed_m2(parts, optional={}))
        additions = parts.near.additions
    assert (additions.wrapped, additions.local_identifiers) == (False, False)


@pytest.mark.parametrize("who", ["client", "hub"])
def test_an_earlier_peer_is_refused_where_wrapping_is_required(who: str) -> None:
    ends = Ends()
    ends.wrapping = Wrapping.REQUIRED, Wrapping.REQUIRED
    parts = greeted(ends)
    if who == "client":
        m2 = decode_part(M2, parts.far.answer(changed_m1(parts, optional={})))
        assert m2.code == ErrorCode.WRAPPING and m2.reason.startswith("message wrapping is required here")
        return
    parts.m2 = parts.far.answer(parts.m1)
    with pytest.raises(HandshakeRefusedError, match="wrapping is required here, and the hub does not take"):
        parts.near.answer(changed_m2(parts, optional={}))


# --- message types ------------------------------------------------------------------------------------------


def later_frame(end: Connection, kind: int, request_id: int, pads: int, body: bytes = JUNK) -> bytes:
    """A frame of this type as a peer may send it, wrapped where that is in force."""
    session = end.session
    assert session is not None
    taken = session.streams.local.allocate(MASK_BYTES + pads)
    assert taken is not None
    position, pad = taken
    header = Header(kind, request_id, position, pads, session.streams.peer.tell())
    frame = session._tagged(header, body, session._send_hash_key + pad[:MASK_BYTES])
    return end._wrapper.seal(frame) if end._wrapper is not None else frame


Both = tuple[ClientConnection, HubConnection]


@pytest.fixture(params=["plain", "wrapped"])
def both(request: pytest.FixtureRequest) -> Both:
    ends = Ends()
    if request.param == "wrapped":
        ends.wrapping = Wrapping.ON, Wrapping.ON
    near, far = ends.open_connections()
    near.send(1, Locate(["a"]))
    deliver_all(near, far)
    far.send(1, Located([None]))
    deliver_all(far, near)
    return near, far


def directions(both: Both) -> Iterator[tuple[Connection, Connection]]:
    yield both
    yield both[1], both[0]


@pytest.mark.parametrize("pads", [0, 1, 48, 4096])
def test_a_later_type_burns_its_pads_and_is_not_read(both: Both, pads: int) -> None:
    for sender, receiver in directions(both):
        assert receiver.session is not None
        peer = receiver.session.streams.peer
        before = peer.mark
        frame = later_frame(sender, 0x55, 7, pads)
        assert list(receiver.receive_data(frame)) == [(7, Unknown(0x55))]
        assert peer.mark == before + MASK_BYTES + pads
        sender.send(8, Ping(False, 0, 0, []))  # the session goes on
        assert [type(said) for _, said in receiver.receive_data(sender.data_to_send())] == [Ping]


def test_every_type_that_is_not_known_is_one_of_a_later_version(both: Both) -> None:
    for sender, receiver in directions(both):
        for kind in LATER_TYPES:
            assert list(receiver.receive_data(later_frame(sender, kind, 0, 0))) == [(0, Unknown(kind))]


@pytest.mark.parametrize("body", [b"", b"\x90", b"\xc0", bytes(300), JUNK * 1000])
def test_whatever_body_it_has(both: Both, body: bytes) -> None:
    for sender, receiver in directions(both):
        assert list(receiver.receive_data(later_frame(sender, 0x7F, 1, 0, body))) == [(1, Unknown(0x7F))]


@pytest.mark.parametrize("kind", [0x80, 0xCC, 0xFF])
def test_a_type_that_takes_more_than_seven_bits_closes(both: Both, kind: int) -> None:
    near, far = both
    assert near.session is not None
    before = near.session.streams.local.next
    with pytest.raises(FrameError):
        list(far.receive_data(later_frame(near, kind, 1, 0)))
    assert far.session is not None and far.session.streams.peer.mark == before


@pytest.mark.parametrize("kind", [MessageType.PSRD_REQUEST, MessageType.PSRD_BLOCK, MessageType.WRAP])
def test_known_types_out_of_place_are_not_of_a_later_version(both: Both, kind: MessageType) -> None:
    for sender, receiver in directions(both):
        with pytest.raises(PeerError):
            list(receiver.receive_data(later_frame(sender, kind, 1, 32, b"\x90")))


def test_a_later_type_whose_tag_is_wrong_closes(both: Both) -> None:
    near, far = both
    frame = bytearray(later_frame(near, 0x55, 1, 16))
    frame[-1] ^= 1
    with pytest.raises(TagError):
        list(far.receive_data(bytes(frame)))
