"""Frames, bodies of messages and messages of the handshake: what the wire's decoders are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from dsked.errors import FrameError
from dsked.limits import KEY_ID_BYTES, MAX_HANDSHAKE_BYTES, TAG_BYTES
from dsked.sharing.terms import Terms, responder_clients
from dsked.wire import handshake, messages, terms
from dsked.wire.frame import (
    LENGTH_BYTES,
    FrameBuffer,
    Header,
    body_of,
    decode_header,
    encode_untagged,
)
from dsked.wire.handshake import M0, M1, M2, M3, M4, Part
from dsked.wire.messages import Message, MessageType, PutGroup, PutShares, ShareGroup, Shares, Unknown

from . import examples, targets_identifiers
from .target import Given, Target

_LATER_TYPE = 0x7F


def _cut_stream(pieces: Sequence[bytes], given: Given) -> None:
    buffer = FrameBuffer(MAX_HANDSHAKE_BYTES)
    for piece in pieces:
        given.extend(buffer.feed(piece))
        assert buffer.partial_bytes <= LENGTH_BYTES + MAX_HANDSHAKE_BYTES
    given.append(buffer.partial_bytes)


def _streams() -> list[bytes]:
    frames = [frame for frame in examples.frames() if len(frame) <= MAX_HANDSHAKE_BYTES]
    return [*frames[:6], b"".join(frames[:3]), bytes(4), b"GET / HTTP/1.1\r\n\r\n"]


def _decode_frame(data: bytes) -> object:
    return decode_header(data), body_of(data), data[-TAG_BYTES:]


def _encode_frame(frame: object) -> bytes:
    assert isinstance(frame, tuple)
    header, body, tag = frame
    assert isinstance(header, Header)
    return encode_untagged(header, body) + bytes(tag)


def _decode_body(kind: int, body: bytes) -> Message:
    """A body as a session takes it, and as the engines look at it: with names in place of identifiers."""
    message, named = messages.decode_body(kind, body), messages.decode_body(kind, body)
    secrets = list(message.secrets())
    message.replace_secrets(iter(secrets))
    targets_identifiers.defined().resolve(named)
    if isinstance(named, PutShares):
        for group in named.groups:
            found = terms.put_terms("carol", group)
            _look_at(group, found, len(responder_clients(found)) if found is not None else 0)
    elif isinstance(named, Shares):
        for shared in named.groups:
            _look_at(shared, terms.share_terms(shared), 1)
    return message


def _look_at(group: PutGroup | ShareGroup, found: Terms | None, codes_per_key: int) -> None:
    """Columns that fit can be cut into their keys, and nothing is left over."""
    ids = messages.cut_key_ids(group.key_ids)
    assert {len(key_id) for key_id in ids} == {KEY_ID_BYTES}
    assert len(ids) == group.number
    if found is None or not terms.columns_fit(found, group, codes_per_key):
        return
    if group.number > 1:
        assert not group.offset
        assert len(group.shares) == group.number * found.key_bytes
    assert group.offset + len(group.shares) <= group.number * found.key_bytes
    assert not len(group.codes) % group.number
    assert not (group.offset and group.codes)


def _encode_body(value: object) -> bytes:
    assert isinstance(value, Message)
    return messages.encode_body(value)


def _bodies(kind: int) -> list[bytes]:
    return [body for found, body in examples.bodies() if found == kind] or [
        body for one in sealed_messages() for body in [messages.encode_body(one)] if one.type == kind
    ]


def sealed_messages() -> list[Message]:
    """One of each message of simulated delivery."""
    stream, uuid = b"s" * 16, b"u" * 16
    return [messages.PsrdRequest(1, stream, 7, 4096), messages.PsrdBlock(0, stream, 3, uuid, b"block bytes")]


def _message_target(kind: MessageType) -> Target:
    return Target(
        name=f"message-{kind.name.lower().replace('_', '-')}",
        what=f"the body of {kind.name}",
        declared=(FrameError,),
        seeds=partial(_bodies, kind),
        decode=partial(_decode_body, kind),
        encode=_encode_body,
        msgpack_at=0,
    )


def _decode_later(body: bytes) -> object:
    message = messages.decode_body(_LATER_TYPE, body)
    assert isinstance(message, Unknown)
    return message.kind


def _decode_part(kind: type[Part], raw: bytes) -> Part:
    part = handshake.decode_part(kind, raw)
    if isinstance(part, M1 | M2):
        handshake.next_told(part.optional)
    return part


def _encode_part(value: object) -> bytes:
    assert isinstance(value, Part)
    return handshake.encode_part(value)


def _part_target(kind: type[Part], seeds: Callable[[], Sequence[bytes]]) -> Target:
    return Target(
        name=f"handshake-{kind.__name__.lower()}",
        what=f"{kind.__name__} of the handshake",
        declared=(FrameError,),
        seeds=seeds,
        decode=partial(_decode_part, kind),
        encode=_encode_part,
        msgpack_at=LENGTH_BYTES,
        max_bytes=LENGTH_BYTES + MAX_HANDSHAKE_BYTES,
    )


TARGETS = (
    Target(
        name="frame-buffer",
        what="pieces cut out of the stream of bytes",
        declared=(FrameError,),
        seeds=_streams,
        stream=_cut_stream,
    ),
    Target(
        name="frame",
        what="the header and the fields of a frame",
        declared=(FrameError,),
        seeds=lambda: [frame for frame in examples.frames() if len(frame) < 2048],
        decode=_decode_frame,
        encode=_encode_frame,
        msgpack_at=LENGTH_BYTES,
    ),
    *map(_message_target, [kind for kind in MessageType if kind != MessageType.WRAP]),  # which has no body
    Target(
        name="message-later",
        what="the body of a type of a later version",
        declared=(),
        seeds=lambda: [b"\x91\xc0"],
        decode=_decode_later,
        msgpack_at=0,
    ),
    *(
        _part_target(kind, lambda kind=kind: list(examples.handshake(kind.__name__)))  # type: ignore[misc]
        for kind in (M0, M1, M2, M3, M4)
    ),
)
