"""Messages in their order: who says what to whom, and what each does in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from drawing.svg import Page

_STEP, _TOP, _MARGIN = 36, 92, 150


class Message(NamedTuple):
    """From one column to another."""

    source: int
    target: int
    text: str
    dashed: bool = False


class Note(NamedTuple):
    """What somebody does; stands at his line."""

    who: int
    text: str


class Ladder(NamedTuple):
    """`name`: of the file; `apart`: from one line to the next, in pixels."""

    name: str
    title: str
    apart: float
    who: Sequence[str]
    steps: Sequence[Message | Note]


def draw(ladder: Ladder) -> str:
    """The SVG."""
    width = ladder.apart * (len(ladder.who) - 1) + 2 * _MARGIN
    height = _TOP + _STEP * len(ladder.steps) + 20
    page = Page(width, height, ladder.title)
    page.words((14, 24), ladder.title, "strong")
    xs = [_MARGIN + ladder.apart * number for number in range(len(ladder.who))]
    for x, name in zip(xs, ladder.who, strict=True):
        page.life(x, 70, height - 10)
        page.box((x, 54), (max(96, 8.4 * len(name) + 20), 32), [name])
    for row, step in enumerate(ladder.steps):
        y = _TOP + _STEP * row + 14
        if isinstance(step, Note):
            page.label((xs[step.who], y + 4), step.text, "small faint")
            continue
        page.path([(xs[step.source], y + 4), (xs[step.target], y + 4)], dashed=step.dashed)
        page.words(((xs[step.source] + xs[step.target]) / 2, y - 3), step.text, anchor="middle")
    return page.text


HANDSHAKE = Ladder(
    "handshake",
    "A handshake, and what follows (dashed: simulated PSRD, wrapping)",
    400,
    ("client", "hub"),
    (
        Message(1, 0, "M0  versions, Nh"),
        Note(0, "durable mark D on the hub pool"),
        Message(0, 1, "M1  names, Nc, holdings, additions; MAC under G"),
        Note(1, "durable mark D on the client pool"),
        Message(1, 0, "M2  OK, holdings, additions; MAC under G"),
        Message(0, 1, "PSRD_REQUEST (sealed)", dashed=True),
        Message(1, 0, "PSRD_BLOCK (sealed)", dashed=True),
        Note(0, "reserve [S_c, +48)"),
        Message(0, 1, "M3  S_c, streams, ends; tag under client pool"),
        Note(1, "mark = S_c + 48; reserve [S_h, +48)"),
        Message(1, 0, "M4  S_h, ack; tag under hub pool"),
        Message(1, 0, "WRAP", dashed=True),
        Note(0, "mark = S_h + 48; the session is open"),
        Message(0, 1, "WRAP", dashed=True),
        Message(0, 1, "REGISTER [encryptors], ack >= S_h + 48"),
        Message(1, 0, "REGISTERED [OK, [], share time-out]"),
    ),
)
KEY = Ladder(
    "key",
    "A key, seen at one of the n hubs",
    240,
    ("initiator's encryptor", "client carol", "hub hank", "client connie", "responder"),
    (
        Message(0, 1, "a key for the responder"),
        Message(1, 2, "LOCATE [responder]"),
        Message(2, 1, "LOCATED [connie]"),
        Note(1, "k hubs say alike; deal to n hubs"),
        Message(1, 2, "PUT_SHARES (share, code) under pads"),
        Message(2, 1, "PUT_SHARES_ACK [OK]"),
        Note(1, "enough acknowledgements"),
        Message(1, 0, "key ID, key"),
        Message(0, 4, "key ID, by a way of their own", dashed=True),
        Message(4, 3, "the key with this ID, from the initiator"),
        Message(3, 2, "GET_SHARES [carol, key ID]"),
        Note(2, "bound to connie's process"),
        Message(2, 3, "SHARES (share, code) under pads"),
        Note(3, "k shares: rebuild, check the secret tag"),
        Message(3, 4, "key"),
        Message(3, 2, "done, with the next GET_SHARES or PING"),
        Note(2, "share removed, tombstone"),
    ),
)
PARKED = Ladder(
    "parked",
    "The responder asks first: a parked GET_SHARES",
    270,
    ("client carol", "hub hank", "client connie"),
    (
        Message(2, 1, "GET_SHARES id 7, wait 1000 ms"),
        Note(1, "unknown: parked"),
        Message(0, 1, "PUT_SHARES"),
        Message(1, 0, "PUT_SHARES_ACK [OK]"),
        Message(1, 2, "SHARES id 7, in the same turn"),
        Message(2, 1, "GET_SHARES id 8, wait 400 ms"),
        Note(1, "400 ms pass"),
        Message(1, 2, "SHARES id 8: missing, UNKNOWN_KEY"),
    ),
)
LADDERS = (HANDSHAKE, KEY, PARKED)
