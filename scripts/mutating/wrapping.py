"""Message wrapping: what is wrapped, what is taken, and who agrees to it."""

from __future__ import annotations

from mutating.mutant import Mutant

WRAPPING = ("tests/wire/test_wrapping.py",)
ADDITIONS = ("tests/wire/test_additions.py",)
FILE, CONNECTION, SESSION = "dsked/wire/wrapping.py", "dsked/wire/connection.py", "dsked/wire/session.py"

MUTANTS = (
    Mutant(
        "a wrapped piece need not verify",
        FILE,
        '            raise TagError("a wrapped piece does not verify") from None\n',
        "            inner = piece[_HEAD_BYTES:-_TAG_BYTES]\n",
        WRAPPING,
    ),
    Mutant(
        "every piece is wrapped under the same nonce",
        FILE,
        "        self._number += 1\n        return head + ",
        "        return head + ",
        WRAPPING,
    ),
    Mutant(
        "a wrapped piece may come again",
        FILE,
        "        self._number += 1\n        return len(inner)",
        "        return len(inner)",
        WRAPPING,
    ),
    Mutant(
        "a refused piece uses a number up",
        FILE,
        "        try:\n            inner = self._aead",
        "        self._number += 1\n        try:\n            inner = self._aead",
        WRAPPING,
    ),
    Mutant(
        "the head of a wrapped piece is not looked at",
        FILE,
        " or head != _head(len(piece) - _HEAD_BYTES):",
        ":",
        WRAPPING,
    ),
    Mutant(
        "frames leave before WRAP",
        FILE,
        "            if sealed is None:\n                return\n",
        "            if sealed is None:\n                yield from frames\n                return\n",
        WRAPPING,
    ),
    Mutant(
        "sealed frames stay in clear behind WRAP",
        FILE,
        "return frame if self._outward is None else self._outward.seal(frame)",
        "return frame",
        WRAPPING,
    ),
    Mutant(
        "frames in clear are taken behind WRAP",
        CONNECTION,
        "        if wrapper.opens:\n",
        "        if wrapper.opens and piece[LENGTH_BYTES] != ARRAY_OF_7:\n",
        WRAPPING,
    ),
    Mutant(
        "wrapped pieces may be no longer than frames",
        CONNECTION,
        "self._buffer.max_bytes = MAX_WRAPPED_BYTES",
        "self._buffer.max_bytes = MAX_FRAME_BYTES",
        WRAPPING,
    ),
    Mutant(
        "another frame than WRAP may come first",
        SESSION,
        "        if (header.type, header.request_id, header.pads) != _WRAP_HEADER",
        "        if (_WRAP_HEADER[0], header.request_id, header.pads) != _WRAP_HEADER",
        WRAPPING,
    ),
    Mutant("WRAP may have a body", SESSION, " or body_of(frame) != _WRAP_BODY:", ":", WRAPPING),
    Mutant(
        "the wrapping key is the frame's mask",
        SESSION,
        "return self._frame(0, Wrap(), position, WRAP_KEY_BYTES, pad), pad[MASK_BYTES:]",
        "return self._frame(0, Wrap(), position, WRAP_KEY_BYTES, pad), pad[:MASK_BYTES] * 2",
        WRAPPING,
    ),
    Mutant(
        "WRAP waits for the part of the window that is not kept for PING",
        SESSION,
        "self._take(WRAP_PAD_BYTES, urgent=True)",
        "self._take(WRAP_PAD_BYTES, urgent=False)",
        WRAPPING,
    ),
    Mutant(
        "WRAP where it has no place is a message of a later version",
        "dsked/wire/messages.py",
        "    if decoder is None and kind == MessageType.WRAP:\n",
        "    if decoder is None and kind == -1:\n",
        WRAPPING,
    ),
    Mutant(
        "the client takes any cipher",
        "dsked/wire/additions.py",
        "(len(choice) != 1 or choice not in offered[WRAPPING])",
        "not choice",
        ADDITIONS,
    ),
    Mutant(
        "a hub may take what was not offered",
        "dsked/wire/additions.py",
        "        if number in named and number not in offered:\n",
        "        if number in named and not named:\n",
        ADDITIONS,
    ),
    Mutant(
        "a client that requires wrapping goes on without it",
        "dsked/wire/handshake_client.py",
        "        if self.wrapping is Wrapping.REQUIRED and",
        "        if self.wrapping is Wrapping.OFF and",
        ADDITIONS,
    ),
    Mutant(
        "a hub that requires wrapping goes on without it",
        "dsked/wire/handshake_hub.py",
        "        if self.wrapping is Wrapping.REQUIRED and",
        "        if self.wrapping is Wrapping.OFF and",
        ADDITIONS,
    ),
    Mutant(
        "a hub begins a session without room for WRAP",
        "dsked/wire/handshake_hub.py",
        "position + start_bytes(self.additions.wrapped) >",
        "position + start_bytes(False) >",
        WRAPPING,
    ),
    Mutant(
        "a client begins a session without room for WRAP",
        "dsked/wire/handshake_client.py",
        "pool.check_room(position, start_bytes(self.additions.wrapped))",
        "pool.check_room(position, start_bytes(False))",
        WRAPPING,
    ),
    Mutant(
        "what waits does not count WRAP",
        SESSION,
        "self.pads_wanted = WRAP_PAD_BYTES if additions.wrapped else 0",
        "self.pads_wanted = 0",
        WRAPPING,
    ),
)
