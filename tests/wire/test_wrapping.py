"""Message wrapping: WRAP comes first, all behind it is in ChaCha20-Poly1305, and nothing else is taken."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dsked.errors import FrameError, PeerError, PoolExhaustedError, ReplayError, TagError
from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    MAX_FRAME_BYTES,
    MAX_WRAPPED_BYTES,
    WINDOW_PING_RESERVE_BYTES,
    WRAP_PAD_BYTES,
    WRAPPED_OVERHEAD_BYTES,
)
from dsked.psrd.pair import Side
from dsked.wire.additions import Wrapping
from dsked.wire.connection import ClientConnection, Connection, HubConnection, Stage
from dsked.wire.frame import HEADER_BYTES, decode_header
from dsked.wire.messages import (
    Error,
    Locate,
    MessageType,
    Ping,
    PsrdBlock,
    PsrdRequest,
    Unknown,
    Unregister,
    Wrap,
    encode_body,
)

from ..psrd.stores import filled
from .sides import CLIENT_BYTES, HUB_BYTES, WIN, Ends, flips, put

ON = (Wrapping.ON, Wrapping.ON)
SECRET = b"a name that nobody sees"


def ends_with(*, simulated: bool = False, slow: bool = False) -> Ends:
    ends = Ends(simulated=simulated, slow=slow)
    ends.wrapping = ON
    return ends


def opened(*, simulated: bool = False) -> tuple[ClientConnection, HubConnection]:
    """Both ends after the handshake; neither WRAP has left."""
    ends = ends_with(simulated=simulated)
    near, far = ends.connections()
    list(near.receive_data(far.data_to_send()))
    list(far.receive_data(near.data_to_send()))
    list(near.receive_data(far.data_to_send()))
    if simulated:
        assert near.streams is not None and far.streams is not None
        for owner in Side:
            ends.deliver(near.streams, far.streams, owner)
    near.prove()
    list(far.receive_data(near.data_to_send()))
    list(near.receive_data(far._out.pop()))  # M4 alone
    return near, far


def wrapped() -> tuple[ClientConnection, HubConnection]:
    """Both ends after both WRAPs."""
    near, far = opened()
    for sender, receiver in ((near, far), (far, near)):
        assert list(receiver.receive_data(sender.data_to_send())) == []
    return near, far


def pieces(data: bytes) -> list[bytes]:
    found = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(data[:end])
        data = data[end:]
    return found


def closes(receiver: Connection, data: bytes, error: type[PeerError] = PeerError) -> None:
    """The receiver refuses `data`, and nothing of its pool has moved."""
    assert receiver.streams is not None
    before = receiver.streams.peer.mark
    with pytest.raises(error):
        list(receiver.receive_data(data))
    assert receiver.streams.peer.mark == before


# --- what goes over the wire ---


def test_the_first_frame_of_each_side_is_wrap_and_its_pads_are_the_key() -> None:
    near, far = opened()
    near.send(1, Locate([SECRET.decode()]))
    wrap, piece = pieces(near.data_to_send())
    header = decode_header(wrap)
    assert (header.type, header.request_id, header.pads) == (0x06, 0, 32)
    assert wrap[HEADER_BYTES:-18] == b"\x90"
    key = CLIENT_BYTES[header.position + 16 : header.position + 48]
    assert piece[4:6] == b"\x91\xc6" and SECRET not in piece
    inner = ChaCha20Poly1305(key).decrypt(bytes(12), piece[10:], piece[:10])
    assert SECRET in inner and len(piece) == 4 + len(inner) + WRAPPED_OVERHEAD_BYTES
    assert decode_header(len(inner).to_bytes(4, "big") + inner).position == header.position + WRAP_PAD_BYTES
    assert list(far.receive_data(wrap + piece)) == [(1, Locate([SECRET.decode()]))]


def test_every_frame_of_a_session_arrives_in_both_directions() -> None:
    near, far = wrapped()
    for number in range(1, 20):
        for sender, receiver in ((near, far), (far, near)):
            sender.send(number, put(bytes([number]) * 40))
            sender.send(0, Ping(False, 5, 6, []))
            data = sender.data_to_send()
            arrived = [found for byte in data for found in receiver.receive_data(bytes([byte]))]
            assert arrived == [(number, put(bytes([number]) * 40)), (0, Ping(False, 5, 6, []))]


def test_keys_and_nonces_differ_by_direction_and_piece() -> None:
    near, far = wrapped()
    sent = set()
    for _ in range(5):
        for sender, receiver in ((near, far), (far, near)):
            sender.send(7, Error(0, "the same again"))
            data = sender.data_to_send()
            list(receiver.receive_data(data))
            sent.add(data[10:40])
    assert len(sent) == 10


def test_the_hub_says_wrap_with_m4_where_its_window_lets_it() -> None:
    ends = ends_with(simulated=True)
    near, far = ends.connections()
    for sender, receiver in ((far, near), (near, far), (far, near)):
        list(receiver.receive_data(sender.data_to_send()))
    assert near.streams is not None and far.streams is not None
    for owner in Side:
        ends.deliver(near.streams, far.streams, owner)
    near.prove()
    list(far.receive_data(near.data_to_send()))
    far.send(1, Error(0, "heard"))
    m4, wrap, piece = pieces(far.data_to_send())
    assert (m4[4], wrap[4:6], piece[4]) == (0x93, b"\x97\x06", 0x91)
    assert list(near.receive_data(m4 + wrap + piece)) == [(1, Error(0, "heard"))]


def test_a_hub_at_the_end_of_its_window_says_wrap_after_the_clients() -> None:
    near, far = opened()  # both just started: M4 stands at the window's end
    far.send(0, Error(39, "drains"))
    assert far.data_to_send() == b"", "M4 is not acknowledged yet"
    list(far.receive_data(near.data_to_send()))
    assert list(near.receive_data(far.data_to_send())) == [(0, Error(39, "drains"))]


def test_what_waits_for_wrap_to_be_durable_leaves_behind_it() -> None:
    ends = ends_with()
    near, far = ends.open_connections()
    assert near.session is not None
    near.send(1, Locate(["b"]))
    streams = near.session.streams
    taken, near.session.streams.local.next = streams.local.next, streams.local.durable  # nothing is reserved
    store = streams.local.store
    reserve, asked = store.reserve, []
    store.reserve = lambda *a: asked.append(a)  # type: ignore[method-assign]
    assert taken <= streams.local.durable
    assert near.data_to_send() == b"" and asked
    reserve(*asked[0])
    wrap, piece = pieces(near.data_to_send())
    assert decode_header(wrap).type == 0x06 and list(far.receive_data(wrap + piece)) == [(1, Locate(["b"]))]


def test_sealed_frames_go_in_clear_before_wrap_and_wrapped_after_it() -> None:
    near, far = opened(simulated=True)
    assert near.streams is not None
    request = PsrdRequest(0, near.streams.local.stream_id, 1, 100)
    near.send_sealed(0, request)
    near.send(1, Locate(["c"]))
    clear, wrap, piece = pieces(near.data_to_send())
    assert (clear[5], wrap[5], piece[4]) == (0x08, 0x06, 0x91)
    assert list(far.receive_data(clear + wrap + piece)) == [(0, request), (1, Locate(["c"]))]
    near.send_sealed(0, request)
    (hidden,) = pieces(near.data_to_send())
    assert hidden[4] == 0x91 and near.streams.local.stream_id not in hidden
    assert list(far.receive_data(hidden)) == [(0, request)]
    block = PsrdBlock(0, near.streams.local.stream_id, 1, bytes(16), b"block")
    far.send_sealed(0, block)
    assert list(near.receive_data(far.data_to_send())) == [(0, block)]


def test_nothing_leaves_before_wrap_even_where_it_would_fit() -> None:
    near, _ = opened()
    assert near.streams is not None
    local = near.streams.local
    local.peer_holds(local.next + WRAP_PAD_BYTES - 1)
    near.send(1, Locate(["a"]))
    near.tell_ends()
    assert near.data_to_send() == b""
    local.peer_holds(local.store.end)
    assert [piece[5] for piece in pieces(near.data_to_send())] == [0x06, 0xC6, 0xC6]


# --- room in pools and windows ---


def test_96_bytes_of_a_simulated_pool_are_enough_to_begin_and_to_ask_for_more() -> None:
    ends = ends_with(simulated=True)
    near, far = ends.connections()
    for sender, receiver in ((far, near), (near, far), (far, near)):
        list(receiver.receive_data(sender.data_to_send()))
    assert near.streams is not None and far.streams is not None
    for owner in Side:
        ends.deliver(near.streams, far.streams, owner, size=96)
    near.prove()
    list(far.receive_data(near.data_to_send()))
    assert near.session is None
    list(near.receive_data(far.data_to_send()))
    near.send(1, Locate(["d"]))
    assert near.session is not None and near.session.pads_wanted == WRAP_PAD_BYTES + 16
    near.send_sealed(0, PsrdRequest(0, near.streams.local.stream_id, 1, 100))
    arrived = list(far.receive_data(near.data_to_send()))
    assert [type(message) for _, message in arrived] == [PsrdRequest]
    assert near.streams.local.unused == 0 and near.session.pads_wanted == 16
    ends.deliver(near.streams, far.streams, Side.CLIENT)
    assert list(far.receive_data(near.data_to_send())) == [(1, Locate(["d"]))]


@pytest.mark.parametrize(("left", "refused"), [(95, True), (96, False), (48, True)])
@pytest.mark.parametrize("short", list(Side))
def test_a_session_does_not_begin_without_room_for_wrap(left: int, refused: bool, short: Side) -> None:
    ends = ends_with()
    parts = ends.machines()
    for pair in (ends.client, ends.hub):
        assert pair.streams is not None
        pair.had_session = True
        pool = pair.streams.by_owner(pair.side, short)
        data = CLIENT_BYTES if short is Side.CLIENT else HUB_BYTES
        pool.store = filled(data[: WIN + HANDSHAKE_PAD_BYTES + left])  # S is the durable mark told, 48, + WIN
        pair.streams.local.peer_holds(pair.streams.local.store.end)
    parts.m1 = parts.near.greet(parts.far.greeting())
    parts.m2 = parts.far.answer(parts.m1)
    if short is Side.HUB:
        assert (parts.far.refusal is not None) is refused
        return
    parts.near.answer(parts.m2)
    if refused:
        with pytest.raises(PoolExhaustedError):
            parts.near.prove()
    else:
        parts.near.prove()


def test_wrap_may_use_what_is_kept_for_ping() -> None:
    near, far = opened()
    assert near.streams is not None
    local = near.streams.local
    local.acked = local.next + WINDOW_PING_RESERVE_BYTES - local.window if local.window else 0
    near.send(1, Locate(["e"]))
    (wrap,) = pieces(near.data_to_send())
    assert decode_header(wrap).type == 0x06 and list(far.receive_data(wrap)) == []


def test_the_longest_frame_fits_and_one_byte_more_does_not() -> None:
    _, far = wrapped()
    far.receive_data(b"")
    assert MAX_WRAPPED_BYTES == MAX_FRAME_BYTES + WRAPPED_OVERHEAD_BYTES
    list(far.receive_data(MAX_WRAPPED_BYTES.to_bytes(4, "big") + b"\x91"))
    assert far.unfinished is not None
    _, far = wrapped()
    closes(far, (MAX_WRAPPED_BYTES + 1).to_bytes(4, "big") + b"\x91", FrameError)
    _, far = opened()
    closes(far, (MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"\x91", FrameError)


# --- what an attacker, or a peer that is wrong, sends ---


def test_any_bit_changed_on_the_way_closes_before_the_pool_is_touched() -> None:
    near, far = wrapped()
    near.send(1, Locate(["f"]))
    (piece,) = pieces(near.data_to_send())
    assert far.streams is not None
    read, reads = far.streams.peer.store.read, []
    far.streams.peer.store.read = lambda *a: reads.append(a) or read(*a)  # type: ignore[method-assign, func-returns-value]
    for bad in flips(piece[4:], step=5):
        _, other = wrapped()
        closes(other, piece[:4] + bad)
    closes(far, piece[:-1] + bytes([piece[-1] ^ 1]), TagError)
    assert reads == []


def test_pieces_that_are_replayed_dropped_or_out_of_order_close() -> None:
    def sent() -> tuple[HubConnection, list[bytes]]:
        near, far = wrapped()
        for number in range(1, 4):
            near.send(number, Locate([str(number)]))
        return far, pieces(near.data_to_send())

    for order in itertools.permutations(range(3)):
        far, three = sent()
        data = b"".join(three[i] for i in order)
        if order == (0, 1, 2):
            assert [number for number, _ in far.receive_data(data)] == [1, 2, 3]
            closes(far, three[2], TagError)
        else:
            with pytest.raises(TagError):
                list(far.receive_data(data))
    far, three = sent()
    closes(far, three[1], TagError)


def test_a_reflected_piece_or_wrap_closes() -> None:
    near, _ = opened()
    wrap = near.data_to_send()
    closes(near, wrap, PeerError)
    near, _ = wrapped()
    near.send(1, Locate(["g"]))
    closes(near, near.data_to_send(), TagError)


def test_a_frame_in_clear_behind_wrap_closes() -> None:
    near, far = wrapped()
    assert near.session is not None
    near.send(1, Locate(["h"]))
    closes(far, next(near.session.seal_ready()), FrameError)


@pytest.mark.parametrize("message", [Locate(["i"]), Ping(False, 1, 2, [])])
def test_another_frame_before_wrap_closes(message: Locate | Ping) -> None:
    near, far = opened()
    assert near.session is not None
    near.send(1, message)
    closes(far, next(near.session.seal_ready()), FrameError)


def test_a_second_wrap_closes_in_clear_and_wrapped() -> None:
    near, far = wrapped()
    assert near.session is not None and near._wrapper is not None
    second = near.session.seal_wrap()
    assert second is not None
    closes(far, second[0], FrameError)
    near, far = wrapped()
    assert near.session is not None and near._wrapper is not None
    second = near.session.seal_wrap()
    assert second is not None
    with pytest.raises(FrameError, match="WRAP"):
        list(far.receive_data(near._wrapper.seal(second[0])))


def test_the_same_wrap_twice_closes() -> None:
    near, far = opened()
    wrap = near.data_to_send()
    assert list(far.receive_data(wrap)) == []
    closes(far, wrap, FrameError)


def test_wrap_of_an_older_session_closes() -> None:
    ends = ends_with()
    near, _ = ends.open_connections()
    old = near.data_to_send()
    again, far = ends.open_connections()
    assert again.session is not None
    closes(far, old, PeerError)
    near, far = ends.open_connections()
    key_before = ChaCha20Poly1305(CLIENT_BYTES[decode_header(old).position + 16 :][:32])
    near.send(1, Locate(["j"]))
    wrap, piece = pieces(near.data_to_send())
    with pytest.raises(Exception):  # noqa: B017, the library's
        key_before.decrypt(bytes(12), piece[10:], piece[:10])
    assert decode_header(wrap).position > decode_header(old).position + 47


@pytest.mark.parametrize("pads", [0, 31, 33])
def test_a_wrap_with_other_pads_closes(pads: int) -> None:
    near, far = opened()
    assert near.session is not None
    taken = near.session.streams.local.allocate(16 + pads)
    assert taken is not None
    position, pad = taken
    closes(far, near.session._frame(0, Wrap(), position, pads, pad), FrameError)


def test_wrap_with_a_request_id_another_body_or_type_closes() -> None:
    class WithBody(Error):
        type = MessageType.WRAP

    for request_id, message in ((1, Wrap()), (0, WithBody(0, "")), (0, Unregister())):
        near, far = opened()
        assert near.session is not None
        taken = near.session.streams.local.allocate(48)
        assert taken is not None
        closes(far, near.session._frame(request_id, message, taken[0], 32, taken[1]), FrameError)


@pytest.mark.parametrize("pads", [0, 32])
def test_wrap_closes_where_wrapping_is_not_in_force(pads: int) -> None:
    near, far = Ends().open_connections()
    assert near.session is not None
    taken = near.session.streams.local.allocate(16 + pads)
    assert taken is not None
    with pytest.raises(FrameError, match="WRAP"):
        list(far.receive_data(near.session._frame(0, Wrap(), taken[0], pads, taken[1])))


def test_a_wrapped_piece_where_wrapping_is_not_in_force_closes() -> None:
    near, _ = wrapped()
    _, plain = Ends().open_connections()
    near.send(1, Locate(["k"]))
    closes(plain, near.data_to_send(), FrameError)


def test_a_frame_inside_is_held_to_all_rules_of_frames() -> None:
    near, far = wrapped()
    assert near.session is not None and near._wrapper is not None
    near.send(1, Locate(["l"]))
    frame = next(near.session.seal_ready())
    for bad, error in (
        (b"", FrameError), (frame[:4], FrameError), (frame[:-1], FrameError), (frame + b"\0", FrameError),
        (frame[:-1] + bytes([frame[-1] ^ 1]), TagError),
    ):  # fmt: skip
        near, far = wrapped()
        assert near._wrapper is not None
        closes(far, near._wrapper.seal(bad), error)
    near, far = wrapped()
    assert near.session is not None and near._wrapper is not None
    near.send(1, Locate(["m"]))
    frame = next(near.session.seal_ready())
    list(far.receive_data(near._wrapper.seal(frame)))
    closes(far, near._wrapper.seal(frame), ReplayError)


def test_no_handshake_message_and_no_wrapped_piece_inside_a_wrapped_one() -> None:
    for inner in (b"\0\0\0\x03\x93\x01\x02", b"\0\0\0\x08\x91\xc6\0\0\0\x02ab"):
        near, far = wrapped()
        assert near._wrapper is not None
        closes(far, near._wrapper.seal(inner), FrameError)


def test_a_type_of_a_later_version_passes_wrapped() -> None:
    near, far = wrapped()
    assert near.session is not None and near._wrapper is not None
    taken = near.session.streams.local.allocate(16)
    assert taken is not None

    class Later(Error):
        type = 0x7F  # type: ignore[assignment]

    frame = near.session._frame(3, Later(1, "x"), taken[0], 0, taken[1])
    assert list(far.receive_data(near._wrapper.seal(frame))) == [(3, Unknown(0x7F))]


def test_a_closing_end_takes_nothing_more() -> None:
    near, far = wrapped()
    near.send(1, Locate(["n"]))
    far.stage = Stage.CLOSING
    assert list(far.receive_data(near.data_to_send())) == []


def test_the_body_of_wrap() -> None:
    assert encode_body(Wrap()) == b"\x90"
