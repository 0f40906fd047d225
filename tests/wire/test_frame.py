"""Frames: fixed offsets, odd bytes refused, a byte stream cut whatever its boundaries."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.errors import FrameError
from dsked.limits import MAX_TURN_BYTES
from dsked.wire.frame import (
    HEADER_BYTES,
    OVERHEAD_BYTES,
    FrameBuffer,
    Header,
    body_of,
    decode_header,
    encode_untagged,
)

from .sides import flips

TAG = bytes(range(16))
HEADER = Header(0x10, 7, 2**40, 300, 2**33)
FRAME = encode_untagged(HEADER, b"\x93\1\2\3") + TAG


@given(
    st.builds(
        Header,
        st.integers(0, 0x7F),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**64 - 1),
    ),
    st.binary(max_size=300),
)
def test_a_frame_is_one_msgpack_array_at_fixed_offsets(header: Header, body: bytes) -> None:
    frame = encode_untagged(header, body) + TAG
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert msgpack.unpackb(frame[4:]) == [*header, body, TAG]
    assert decode_header(frame) == header
    assert body_of(frame) == body == frame[HEADER_BYTES : -(OVERHEAD_BYTES - HEADER_BYTES)]


def test_every_truncation_is_refused() -> None:
    for length in range(len(FRAME)):
        with pytest.raises(FrameError):
            decode_header(FRAME[:length])
    with pytest.raises(FrameError):
        decode_header(FRAME + b"\0")


#: Offsets of the bytes that are the same in every frame, and of the lengths.
FIXED = [4, 6, 11, 20, 25, 34, len(FRAME) - 18, len(FRAME) - 17]
LENGTHS = [*range(4), *range(35, 39)]


@pytest.mark.parametrize("offset", FIXED + LENGTHS)
def test_every_odd_byte_of_the_header_is_refused(offset: int) -> None:
    for value in set(range(256)) - {FRAME[offset]}:
        frame = bytearray(FRAME)
        frame[offset] = value
        with pytest.raises(FrameError):
            decode_header(bytes(frame))


@pytest.mark.parametrize("kind", range(0x80, 0x100))
def test_a_type_is_a_fixint(kind: int) -> None:
    with pytest.raises(FrameError):
        decode_header(FRAME[:5] + bytes((kind,)) + FRAME[6:])


def test_no_flipped_bit_outside_the_fields_values_passes() -> None:
    """What is left for the tag to find are values alone."""
    values = {5, *range(7, 11), *range(12, 20), *range(21, 25), *range(26, 34)}
    values |= {*range(HEADER_BYTES, len(FRAME) - 18), *range(len(FRAME) - 16, len(FRAME))}
    for bit, frame in enumerate(flips(FRAME)):
        if bit // 8 in values and frame[5] < 0x80:
            decode_header(frame)
        else:
            with pytest.raises(FrameError):
                decode_header(frame)


# --- cutting a byte stream ---

pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=12)


def _stream(bodies: list[bytes]) -> tuple[list[bytes], bytes]:
    whole = [len(body).to_bytes(4, "big") + body for body in bodies]
    return whole, b"".join(whole)


@given(pieces, st.lists(st.integers(1, 60)))
def test_pieces_come_out_the_same_whatever_the_boundaries(bodies: list[bytes], cuts: list[int]) -> None:
    whole, stream = _stream(bodies)
    buffer, found, start = FrameBuffer(40), [], 0
    for length in [*cuts, len(stream)]:
        found += buffer.feed(stream[start : start + length])
        start += length
    assert found == whole
    assert buffer.partial_bytes == 0


@given(pieces)
def test_pieces_come_out_the_same_byte_by_byte(bodies: list[bytes]) -> None:
    whole, stream = _stream(bodies)
    buffer = FrameBuffer(40)
    assert [piece for byte in stream for piece in buffer.feed(bytes((byte,)))] == whole


def test_a_partial_piece_is_kept_and_counted() -> None:
    buffer = FrameBuffer(40)
    assert list(buffer.feed(b"\0\0\0\5ab")) == []
    assert buffer.partial_bytes == 6
    assert list(buffer.feed(b"cde\0\0")) == [b"\0\0\0\5abcde"]
    assert buffer.partial_bytes == 2


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 50)), max_size=60))
def test_partial_pieces_of_several_connections_never_mix(arrivals: list[tuple[int, int]]) -> None:
    """Each is fed in turn, as from one receive buffer that all connections of a loop share."""
    streams = [_stream([bytes((number,)) * size for size in range(1, 41)]) for number in range(3)]
    buffers, found, at = [FrameBuffer(40) for _ in streams], [[] for _ in streams], [0, 0, 0]
    for number, length in [*arrivals, *((number, 10_000) for number in range(3))]:
        received = memoryview(bytearray(streams[number][1][at[number] : at[number] + length]))
        found[number] += buffers[number].feed(bytes(received))
        at[number] += length
        received[:] = bytes(len(received))  # the next connection's bytes will stand here
    assert found == [whole for whole, _ in streams]


def test_only_who_has_a_partial_piece_owns_a_buffer() -> None:
    buffer = FrameBuffer(40)
    for data, owns in ((b"\0\0\0\1a", False), (b"\0\0\0\1a\0", True), (b"\0\0\1", True), (b"b", False)):
        list(buffer.feed(data))
        assert (buffer._partial is not None) is owns


LONG = MAX_TURN_BYTES + 1


def _piece(number: int, length: int) -> bytes:
    return (length - 4).to_bytes(4, "big") + bytes((number,)) * (length - 4)


def _received(buffer: FrameBuffer, stream: bytes, at_once: int) -> list[bytes]:
    """As a connection receives: into `rest` where there is one."""
    found, start = [], 0
    while start < len(stream):
        rest = buffer.rest
        part = stream[start : start + (at_once if rest is None else min(at_once, len(rest)))]
        start += len(part)
        if rest is None:
            found += buffer.feed(part)
            continue
        rest[: len(part)] = part
        if buffer.filled(len(part)):
            found += buffer.feed(b"")
    return found


def _fed(buffer: FrameBuffer, stream: bytes, at_once: int) -> list[bytes]:
    starts = range(0, len(stream), at_once)
    return [piece for start in starts for piece in buffer.feed(stream[start : start + at_once])]


@pytest.mark.parametrize("receive", [_received, _fed])
@pytest.mark.parametrize("at_once", [1000, 4096, MAX_TURN_BYTES - 1, MAX_TURN_BYTES, LONG, 3 * LONG])
def test_long_pieces_come_out_the_same_whatever_the_boundaries(receive, at_once: int) -> None:
    lengths = (LONG, 5, LONG - 1, LONG, 3 * LONG, LONG + 1, LONG + 2, LONG + 3, LONG + 4, 1000, 2 * LONG)
    whole = [_piece(number, length) for number, length in enumerate(lengths)]
    buffer = FrameBuffer(4 * LONG)
    assert receive(buffer, b"".join(whole), at_once) == whole
    assert (buffer.partial_bytes, buffer.rest, buffer.nr_pieces) == (0, None, len(whole))


@pytest.mark.parametrize("beginning", [4, 5, 1000, LONG - 1])
def test_the_rest_of_a_long_piece_is_received_where_it_stays(beginning: int) -> None:
    piece, buffer = _piece(7, LONG), FrameBuffer(LONG)
    assert list(buffer.feed(piece[:beginning])) == []
    assert buffer.partial_bytes == beginning
    assert buffer.rest is not None
    assert len(buffer.rest) == LONG - beginning
    buffer.rest[:] = piece[beginning:]
    assert buffer.filled(LONG - beginning)
    assert list(buffer.feed(b"\0\0\0\1a")) == [piece, b"\0\0\0\1a"]


def test_what_is_not_long_has_no_place_of_its_own() -> None:
    for data in (b"\0\0\1", _piece(1, MAX_TURN_BYTES)[:-1]):
        buffer = FrameBuffer(LONG)
        assert list(buffer.feed(data)) == []
        assert buffer.rest is None


@pytest.mark.parametrize("length", [0, 41, 2**31, 2**32 - 1])
@pytest.mark.parametrize("split", [0, 1, 3, 4])
def test_an_oversized_length_is_refused_before_its_bytes_come(length: int, split: int) -> None:
    buffer = FrameBuffer(40)
    data = length.to_bytes(4, "big")
    with pytest.raises(FrameError):
        list(buffer.feed(data[:split]))
        list(buffer.feed(data[split:]))


def test_good_pieces_before_an_oversized_one_come_out() -> None:
    found = []
    with pytest.raises(FrameError):
        for piece in FrameBuffer(40).feed(b"\0\0\0\1a\0\0\0\x29"):
            found.append(piece)
    assert found == [b"\0\0\0\1a"]


def test_the_limit_may_be_raised_while_pieces_come_out() -> None:
    buffer = FrameBuffer(1)
    found = []
    for piece in buffer.feed(b"\0\0\0\1a\0\0\0\2bc"):
        found.append(piece)
        buffer.max_bytes = 2
    assert found == [b"\0\0\0\1a", b"\0\0\0\2bc"]
