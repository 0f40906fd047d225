"""A hub of dsked, asked what the clients of the recorded sessions ask, answers what the file says."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dsked.hub.encryptors import EncryptorDirectory
from dsked.hub.registration import RegistrationDesk
from dsked.hub.share_desk import ShareDesk
from dsked.hub.share_store import ShareStore
from dsked.limits import MAX_FRAME_PAD_BYTES
from dsked.timers import Timers
from dsked.wire.connection import Stage
from dsked.wire.messages import (
    GetShares,
    Locate,
    Message,
    MessageType,
    Ping,
    PutShares,
    Register,
    Unregister,
    decode_body,
    encode_body,
)
from tests.proto.files import load

NOW, TIMEOUT_S = 1000.0, 60.0
OWNERS = {"carol": ["sam", "sue"], "celia": ["serena", "bob"]}
#: Sessions of one hub, in the order in which they took place.
TOGETHER = [
    ["carol puts shares at hank", "celia fetches shares from hank"],
    ["carol puts shares at helen", "celia fetches shares from helen"],
    ["a hub says no: every code that one client can get"],
]


class Connection:
    """What the desks see of a session, and what they have said."""

    def __init__(self, client: str) -> None:
        self.client, self.boot_id, self.stage = client, client.encode().ljust(16), Stage.OPEN
        self.delivers_blocks = False
        self.said: list[tuple[int, Message]] = []
        local = SimpleNamespace(available=lambda: 1 << 20)
        self.session = SimpleNamespace(
            max_pads=MAX_FRAME_PAD_BYTES, outbox_bytes=0, pads_left=1 << 20, pads_wanted=0,
            streams=SimpleNamespace(local=local), send=self.send,
        )  # fmt: skip

    def send(self, request_id: int, message: Message) -> int:
        self.said.append((request_id, message))
        return len(self.said)


class Hub:
    """The desks of one hub."""

    def __init__(self) -> None:
        directory = EncryptorDirectory(OWNERS)
        notices: Any = SimpleNamespace(once=lambda *_: None)
        self._shares = ShareDesk(
            ShareStore(TIMEOUT_S), directory, Timers(), lambda _: None, lambda *_: pytest.fail("stuck")
        )
        registration = RegistrationDesk(directory, TIMEOUT_S, notices)
        self._handlers: dict[type[Message], Any] = {
            Register: registration.register, Unregister: registration.unregister, Locate: registration.locate,
            PutShares: self._shares.put_shares, GetShares: self._shares.get_shares, Ping: self._ping,
        }  # fmt: skip

    def _ping(self, connection: Any, request_id: int, message: Ping, now: float) -> None:
        """The engine answers with the ends of its pools; here they are those that were told."""
        self._shares.confirm(connection.client, message.done, now)
        connection.send(request_id, Ping(True, message.client_end, message.hub_end, []))

    def asked(self, connection: Connection, piece: dict[str, Any]) -> None:
        message = decode_body(piece["type"], bytes.fromhex(piece["plain_body"]))
        self._handlers[type(message)](connection, piece["request_id"], message, NOW)
        self._shares.turn_ends()


def frames(session: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (piece for piece in session["pieces"] if "type" in piece)


@pytest.mark.parametrize("names", TOGETHER, ids=lambda names: names[0])
def test_every_answer(names: list[str]) -> None:
    sessions = {session["name"]: session for session in load("sessions")["sessions"]}
    hub = Hub()
    for name in names:
        connection = Connection(sessions[name]["client"])
        for piece in frames(sessions[name]):
            if piece["direction"] == "C":
                assert connection.said == []
                hub.asked(connection, piece)
                continue
            request_id, answer = connection.said.pop(0)
            told = (request_id, int(answer.type), encode_body(answer).hex())
            assert told == (piece["request_id"], piece["type"], piece["plain_body"])


def test_every_code_of_a_desk_is_there() -> None:
    [session] = [one for one in load("sessions")["sessions"] if one["name"] == TOGETHER[-1][0]]
    said = [(piece["type"], piece["fields"]) for piece in frames(session)]
    acks = [fields[0]["hex"] for kind, fields in said if kind == MessageType.PUT_SHARES_ACK]
    assert {int(ack[:2], 16) for ack in acks} == {0, 1, 2, 3, 4, 9}
    answers = [fields[1] for kind, fields in said if kind == MessageType.SHARES]
    assert {code for missing in answers for _, code, _ in missing} == {2, 6, 7, 9}
