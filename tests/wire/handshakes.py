"""Handshakes step by step, and their messages changed and signed again."""

from __future__ import annotations

from typing import Any

import msgspec

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac
from dsked.psrd.pair import Streams
from dsked.wire.handshake import M1, M2, decode_part, encode_part

from .sides import GATE, Ends, Parts, state

OTHER = b"?" * 16


def both(ends: Ends) -> tuple[Streams, Streams]:
    """(the client's, the hub's) streams."""
    assert ends.client.streams is not None and ends.hub.streams is not None
    return ends.client.streams, ends.hub.streams


def signed(part: M1 | M2, transcript: bytes, **changes: Any) -> bytes:
    """The message with other fields, under a right MAC: as one who knows the gate key can send it."""
    raw = encode_part(msgspec.structs.replace(part, **changes))[:-GATE_MAC_BYTES]
    return raw + gate_mac(GATE, type(part).__name__.encode(), transcript + raw)


def changed_m1(parts: Parts, **changes: Any) -> bytes:
    return signed(decode_part(M1, parts.m1), parts.m0, **changes)


def changed_m2(parts: Parts, **changes: Any) -> bytes:
    return signed(decode_part(M2, parts.m2), parts.m0 + parts.m1, **changes)


def greeted(ends: Ends) -> Parts:
    """M1 is made, and not delivered yet."""
    parts = ends.machines()
    parts.m0 = parts.far.greeting()
    parts.m1 = parts.near.greet(parts.m0)
    return parts


def answered(ends: Ends) -> Parts:
    """M2 is made, and not delivered yet."""
    parts = greeted(ends)
    parts.m2 = parts.far.answer(parts.m1)
    return parts


def hub_state(ends: Ends) -> tuple[object, ...]:
    assert ends.hub.streams is not None
    return (*state(ends.hub.streams), ends.hub.had_session, ends.hub.rewound)


def client_state(ends: Ends) -> tuple[object, ...]:
    assert ends.client.streams is not None
    return (*state(ends.client.streams), ends.client.had_session, ends.client.rewound)
