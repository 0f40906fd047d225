"""Additions to version 1: numbered fields of M1 and M2, in force where both sides have named them.

    client  `offer` goes into M1
    hub     `accept` chooses of what M1 names; `fields` of that goes into M2
    client  `accepted` takes what M2 names

All of it stands under the tags of M3 and M4: nobody between the two can turn an addition off unseen.
proto/specification.md, section 6, says which there are.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from dsked.errors import FrameError
from dsked.limits import HANDSHAKE_PAD_BYTES, MAX_OFFERED_CIPHERS, WRAP_PAD_BYTES

#: M1: one byte for each cipher that the client takes, the one it likes best first. M2: the one that is used.
WRAPPING = 2
#: Numbers in place of clients' names. Its value is empty.
LOCAL_IDENTIFIERS = 3


class Cipher(enum.IntEnum):
    """What frames are wrapped with."""

    CHACHA20_POLY1305 = 1


#: Those that this implementation has.
_CIPHERS = bytes((Cipher.CHACHA20_POLY1305,))


class Wrapping(enum.Enum):
    """What a node's configuration says of message wrapping."""

    OFF = "off"
    ON = "on"  # offered and taken; a peer without it is served as well
    REQUIRED = "required"  # no session without it


class Additions(NamedTuple):
    """What is in force on a connection."""

    cipher: Cipher | None = None  # None: frames are not wrapped
    local_identifiers: bool = False

    @property
    def wrapped(self) -> bool:
        """Whether frames are wrapped."""
        return self.cipher is not None


NOTHING = Additions()


def start_bytes(wrapped: bool) -> int:
    """Bytes that each pool needs for a session to begin: for the proof, and for WRAP."""
    return HANDSHAKE_PAD_BYTES + WRAP_PAD_BYTES if wrapped else HANDSHAKE_PAD_BYTES


def offer(wrapping: Wrapping) -> dict[int, bytes]:
    """What a client names in M1."""
    ciphers = {} if wrapping is Wrapping.OFF else {WRAPPING: _CIPHERS}
    return {**ciphers, LOCAL_IDENTIFIERS: b""}


def accept(offered: Mapping[int, bytes], wrapping: Wrapping) -> Additions:
    """What the hub takes of that. Raises FrameError where a known field is malformed."""
    ciphers = offered.get(WRAPPING)
    if ciphers is not None and not 1 <= len(ciphers) <= MAX_OFFERED_CIPHERS:
        raise FrameError(f"{len(ciphers)} ciphers are offered; 1 to {MAX_OFFERED_CIPHERS} are allowed")
    if wrapping is Wrapping.OFF:
        ciphers = None
    cipher = next((Cipher(number) for number in ciphers or b"" if number in _CIPHERS), None)
    return Additions(cipher, _names_identifiers(offered))


def fields(additions: Additions) -> dict[int, bytes]:
    """What the hub names in M2."""
    named = {} if additions.cipher is None else {WRAPPING: bytes((additions.cipher,))}
    return {**named, LOCAL_IDENTIFIERS: b""} if additions.local_identifiers else named


def accepted(named: Mapping[int, bytes], offered: Mapping[int, bytes]) -> Additions:
    """What M2 puts in force. Raises FrameError where a known field is malformed, or was not offered."""
    for number in (WRAPPING, LOCAL_IDENTIFIERS):
        if number in named and number not in offered:
            raise FrameError(f"the hub takes addition {number}, which was not offered")
    choice = named.get(WRAPPING)
    if choice is not None and (len(choice) != 1 or choice not in offered[WRAPPING]):
        raise FrameError("the hub chose a cipher that was not offered")
    return Additions(None if choice is None else Cipher(choice[0]), _names_identifiers(named))


def _names_identifiers(optional: Mapping[int, bytes]) -> bool:
    if optional.get(LOCAL_IDENTIFIERS):
        raise FrameError("the field of local identifiers is empty")
    return LOCAL_IDENTIFIERS in optional
