from __future__ import annotations

import itertools

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked import errors
from dsked.delivery.control_protocol import FrameBuffer, Op, encode_frame, encode_request, error_from_reply
from dsked.errors import ErrorCode, FrameError
from dsked.keys import Key
from dsked.limits import MAX_CONTROL_FRAME_BYTES


def test_a_request_byte_by_byte():
    frame = encode_request(Op.GET_KEYS, 7, [["sunny"], 1, None, "sam"])
    assert frame == bytes.fromhex("00000011 93 01 07 94 91a573756e6e79 01 c0 a373616d")


def test_a_key_in_a_reply_is_an_array_of_two():
    frame = encode_frame([7, 0, [Key(b"i" * 16, b"secret")]])
    assert msgpack.unpackb(frame[4:]) == [7, 0, [[b"i" * 16, b"secret"]]]


def test_a_message_over_the_limit():
    with pytest.raises(FrameError, match=f"the limit is {MAX_CONTROL_FRAME_BYTES}"):
        encode_frame([bytes(MAX_CONTROL_FRAME_BYTES)])


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_frames_come_out_whole_however_the_stream_is_cut(bodies, data):
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    buffer = FrameBuffer()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += buffer.feed(stream[start:end])
    assert got == bodies


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8), st.data())
def test_whoever_stops_in_between_finds_the_rest_later(bodies, data):
    """A connection whose replies are not read takes no further request until they are."""
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies) + b"\0"
    cut = data.draw(st.integers(0, len(stream)))
    buffer = FrameBuffer()
    got = list(itertools.islice(buffer.feed(stream[:cut]), 1))
    got += buffer.feed(stream[cut:])
    assert got == bodies
    assert buffer.nr_pending == 1


def test_a_length_over_the_limit_is_refused_before_its_body_comes():
    buffer = FrameBuffer(max_frame_bytes=10)
    assert list(buffer.feed(b"\0\0\0\x0a0123456789")) == [b"0123456789"]
    with pytest.raises(FrameError, match="frame of 11 bytes; the limit is 10"):
        list(buffer.feed(b"\0\0\0\x0b"))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (ErrorCode.UNKNOWN_KEY, errors.UnknownKeyError),
        (ErrorCode.DELIVERED, errors.AlreadyDeliveredError),
        (ErrorCode.BAD_REQUEST, errors.RequestError),
        (ErrorCode.PROTOCOL, errors.PeerError),
        (ErrorCode.INTERNAL, errors.DskedError),
        (ErrorCode.REWIND, errors.DskedError),
        (9999, errors.DskedError),
    ],
)
def test_the_error_that_a_reply_tells(code, error):
    told = error_from_reply(code, "what went wrong")
    assert type(told) is error
    assert str(told) == "what went wrong"
