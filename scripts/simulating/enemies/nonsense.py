"""Messages that make no sense where they are said."""

from __future__ import annotations

from dsked.errors import ErrorCode
from dsked.wire.messages import Error, Located, Message, Ping, PutSharesAck, Register, Shares


class OfNoVersion(Message):
    """A message of a type that no version knows."""

    type = 0x77  # type: ignore[assignment]
    anything: list[int]


def nonsense() -> list[Message]:
    """Messages that are no answer to anything."""
    return [
        Error(int(ErrorCode.INTERNAL), "no"), Ping(True, 0, 0, []), Located([]), Shares([], []),
        PutSharesAck(b""), Register(["evil"]), OfNoVersion([1, 2, 3]),
    ]  # fmt: skip
