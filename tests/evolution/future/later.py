"""What a daemon of another version does that this one does not: features that are patched into its own code.

FUTURE names those that a process has (sitecustomize.py). Of a later one:

    versions     the hub speaks versions 1 and 2 (M0), the client takes the best that both have
    additions    M1 offers additions 4 and 77, M2 names them whatever M1 said
    flags        M1 and M2 have bits that nobody knows
    types        before each message go others of type 0x55: without pads, with pads, as a request
    codes        the hub says a new code in PUT_SHARES_ACK, and in SHARES for every key
    answers      the hub answers PUT_SHARES, GET_SHARES and LOCATE with type 0x55
    registered   the hub answers REGISTER with a new code
    registers    the hub answers REGISTER with type 0x55
    refuses      the hub refuses with a new code in M2, and without words
    only-2       it speaks version 2 alone
    insists      with only-2: a client that says M1 of version 2 to whatever hub

Of an earlier one:

    older        it knows no addition 2 and 3

What a hub answers to a client's type 0x55 stands in the client's log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

import dsked.client.hub_peer
import dsked.wire.connection
import dsked.wire.handshake_client as client_side
import dsked.wire.handshake_hub as hub_side
from dsked.wire.additions import NOTHING
from dsked.wire.handshake import M0, encode_part
from dsked.wire.messages import (
    Error,
    Located,
    Message,
    Missing,
    PutSharesAck,
    Registered,
    Shares,
)
from dsked.wire.session import Session

NEW_TYPE = 0x55
NEW_CODE = 99
NEW_FLAGS = 0x88
NEW_ADDITIONS = {4: b"", 77: b"of a later version"}
#: Request ids of requests of type 0x55: no other request comes as far.
FIRST_ID = 0xFFFF_0000
_log = logging.getLogger("dsked.later")


class Later(Message):
    """A message that this version does not know: words, and a secret bin."""

    type = NEW_TYPE  # type: ignore[assignment]
    words: str
    secret: bytes = b""

    def secrets(self) -> Any:
        yield self.secret

    def replace_secrets(self, bins: Any) -> None:
        self.secret = next(bins)


def _wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put another function in the place of `owner.name`, made of the one that is there."""
    setattr(owner, name, make(getattr(owner, name)))


# --- the handshake ------------------------------------------------------------------------------------------


def _versions(*versions: int) -> Callable[[], None]:
    def begin() -> None:
        def greets(greeting: Any) -> Any:
            def other(self: Any) -> bytes:
                greeting(self)
                self._transcript = encode_part(M0("DSKE", list(versions), self.nonce))
                return bytes(self._transcript)

            return other

        _wrap(hub_side.HubHandshake, "greeting", greets)

    return begin


def _only_2() -> None:
    _versions(2)()
    client_side.PROTOCOL_VERSION = hub_side.PROTOCOL_VERSION = 2  # type: ignore[misc]


def _insists() -> None:
    def believes(decode: Any) -> Any:
        def other(kind: Any, raw: bytes) -> Any:
            part = decode(kind, raw)
            return msgspec.structs.replace(part, versions=[2]) if kind is M0 else part

        return other

    _wrap(client_side, "decode_part", believes)


def _additions() -> None:
    def more(fields: Any) -> Any:
        return lambda *args: {**fields(*args), **NEW_ADDITIONS}

    _wrap(client_side, "offer", more)
    _wrap(hub_side, "fields", more)


def _flags() -> None:
    for side in (client_side, hub_side):
        _wrap(side, "base_flags", lambda flags: lambda pair: flags(pair) | NEW_FLAGS)


def _refuses() -> None:
    def reason(self: Any, pair: Any, m1: Any) -> str:
        self.refusal = NEW_CODE
        return " "

    def without_words(m2: Any) -> Any:
        return lambda *args: msgspec.structs.replace(m2(*args), reason="")

    hub_side.HubHandshake._reason_to_refuse = reason  # type: ignore[method-assign]
    _wrap(hub_side.HubHandshake, "_m2", without_words)


def _older() -> None:
    client_side.offer = lambda wrapping: {}
    hub_side.accept = lambda offered, wrapping: NOTHING


# --- messages -----------------------------------------------------------------------------------------------


def _types() -> None:
    def strange(send: Any) -> Any:
        def other(self: Any, request_id: int, message: Message) -> Any:
            asked = self._nr_sent % 0xFFFF
            for number, later in ((0, Later("")), (0, Later("", b"\x55" * 48)), (asked, Later("?"))):
                send(self, number and FIRST_ID + number, later)
            return send(self, request_id, message)

        return other

    def noting(answer: Any) -> Any:
        def other(self: Any, request_id: int, message: Message, now: float) -> None:
            if isinstance(message, Error):
                of = "a request" if request_id >= FIRST_ID else f"id {request_id}"
                _log.info("hub %s answers %s with error %d: %s", self.name, of, message.code, message.reason)
            answer(self, request_id, message, now)

        return other

    _wrap(Session, "send", strange)
    _wrap(dsked.client.hub_peer.HubPeer, "answer", noting)


def _says(of: Mapping[type[Message], Callable[[Any], Message]]) -> Callable[[], None]:
    """Something else in the place of messages of these types."""

    def changing(send: Any) -> Any:
        def other(self: Any, request_id: int, message: Message) -> Any:
            change = of.get(type(message))
            return send(self, request_id, change(message) if change else message)

        return other

    return lambda: _wrap(Session, "send", changing)


def _nothing_to_give(shares: Shares) -> Message:
    groups = [(group.initiator.client, group.key_ids) for group in shares.groups]
    groups += [(missing.initiator, missing.key_ids) for missing in shares.missing]
    return Shares([], [Missing(initiator, NEW_CODE, key_ids) for initiator, key_ids in groups])


def _new_codes(ack: PutSharesAck) -> Message:
    return PutSharesAck(bytes((NEW_CODE,)) * len(ack.codes))


def _unknown(message: Message) -> Message:
    return Later("an answer", b"\x55" * 16)


FEATURES: Mapping[str, Callable[[], None]] = {
    "versions": _versions(1, 2),
    "additions": _additions,
    "flags": _flags,
    "types": _types,
    "codes": _says({PutSharesAck: _new_codes, Shares: _nothing_to_give}),
    "answers": _says(dict.fromkeys((PutSharesAck, Shares, Located), _unknown)),
    "registered": _says({Registered: lambda message: Registered(NEW_CODE, [], 60_000)}),
    "registers": _says({Registered: _unknown}),
    "refuses": _refuses,
    "only-2": _only_2,
    "insists": _insists,
    "older": _older,
}
