"""Local identifiers: what a hub says of its clients, frame after frame."""

from __future__ import annotations

from functools import cache

import msgspec

from dsked.errors import FrameError
from dsked.wire import messages
from dsked.wire.local_identifiers import LocalIdentifiers
from dsked.wire.messages import Located, MessageType, Names

from . import examples
from .target import Target

_split = msgspec.msgpack.Decoder(list[bytes]).decode
_join = msgspec.msgpack.encode


@cache
def defined() -> LocalIdentifiers:
    """Those of the vectors."""
    return _table([body for kind, body in examples.bodies() if kind == MessageType.NAMES])


def _table(bodies: list[bytes]) -> LocalIdentifiers:
    """What bodies of NAMES define, in their order. Raises FrameError."""
    table = LocalIdentifiers()
    for body in bodies:
        names = messages.decode_body(MessageType.NAMES, body)
        assert isinstance(names, Names)
        table.define(names)
    return table


def _define(data: bytes) -> object:
    """One name for a number, one number for a name: what is shortened comes out again as it was."""
    bodies = _split(data)
    table = _table(bodies)
    said = {name for body in bodies for _, name in msgspec.msgpack.decode(body)[0]}
    located = Located([*sorted(said), None, "nobody's name"])
    short = table.shorten(located)
    assert isinstance(short, Located)
    assert len(set(short.clients)) == len(short.clients)
    assert not said & set(short.clients)
    received = messages.decode_body(MessageType.LOCATED, messages.encode_body(short))
    table.resolve(received)
    assert received == located
    return bodies


def _seeds() -> list[bytes]:
    names = messages.encode_body(Names([(7, "connie"), (300, "celia"), (2**32 - 1, "carol")]))
    again = messages.encode_body(Names([(7, "connie"), (8, "cindy")]))
    other = messages.encode_body(Names([(7, "cindy")]))
    return [_join([names]), _join([names, again]), _join([names, other]), _join([])]


TARGETS = (
    Target(
        name="local-identifiers",
        what="NAMES after NAMES of one session",
        declared=(FrameError, msgspec.MsgspecError),
        seeds=_seeds,
        decode=_define,
        encode=_join,
        exact=False,
        msgpack_at=0,
    ),
)
