"""The desk between connections and the store: whole columns in, whole columns out, in few messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dsked.chosen_limits import with_values
from dsked.errors import ErrorCode, LimitError
from dsked.hub import share_desk
from dsked.hub.encryptors import EncryptorDirectory
from dsked.hub.share_desk import ShareDesk
from dsked.hub.share_store import ShareStore
from dsked.limits import MAX_FRAME_PAD_BYTES, WINDOW_PATIENCE
from dsked.timers import Timers
from dsked.wire.connection import Stage
from dsked.wire.messages import (
    Confirmed,
    GetGroup,
    GetShares,
    Message,
    PartyBody,
    PutGroup,
    PutShares,
    PutSharesAck,
    Shares,
)

NOW = 1000.0
KEY_BYTES = 16
IDS = [number.to_bytes(16, "big") for number in range(128)]
COLUMN = b"".join(IDS)


class FakeSession:
    """A session whose window has `available` bytes of pads; the first `nr_left` messages have left."""

    max_pads, outbox_bytes, pads_left, available = MAX_FRAME_PAD_BYTES, 0, 10**6, 10**6

    def __init__(self) -> None:
        self.said: list[tuple[int, Message]] = []
        self.nr_left = 0
        self.streams = SimpleNamespace(local=SimpleNamespace(available=lambda: self.available))

    @property
    def pads_wanted(self) -> int:
        return sum(len(secret) for _, message in self.said for secret in message.secrets())

    def send(self, request_id: int, message: Message) -> int:
        self.said.append((request_id, message))
        return len(self.said) - 1

    def exchange(self, number: int, message: Message) -> bool:
        if number < self.nr_left:
            return False
        self.said[number] = self.said[number][0], message
        return True


class FakeConnection:
    """A client's session, and what it was told."""

    def __init__(self, client: str) -> None:
        self.client, self.boot_id, self.stage = client, client[:1].encode() * 16, Stage.OPEN
        self.session, self.delivers_blocks = FakeSession(), False

    def send(self, request_id: int, message: Message) -> None:
        self.session.send(request_id, message)

    def told(self) -> list[tuple[int, Message]]:
        said, self.session.said = self.session.said, []
        return said


class Hub:
    """A desk with carol, who deals keys of sam, and curtis and celia, who ask."""

    def __init__(self) -> None:
        owners = {"carol": ("sam",), "curtis": ("sunny",), "celia": ("serena",)}
        directory, self.timers, self.store = EncryptorDirectory(owners), Timers(), ShareStore(60.0)
        for client, names in owners.items():
            directory.register(client, list(names))
        self.answered: list[Any] = []
        self.stuck: list[Any] = []
        self.desk = ShareDesk(
            self.store, directory, self.timers, self.answered.append,
            lambda connection, error: self.stuck.append(connection),
        )  # fmt: skip
        self.carol, self.curtis, self.celia = map(FakeConnection, ("carol", "curtis", "celia"))

    def put(self, *groups: PutGroup, who: FakeConnection | None = None) -> bytes:
        """The codes of the acknowledgement."""
        who = who or self.carol
        self.desk.put_shares(who, 3, PutShares(list(groups)), NOW)  # type: ignore[arg-type]
        [(request_id, ack)] = who.told()
        assert request_id == 3 and isinstance(ack, PutSharesAck)
        return ack.codes

    def ask(
        self, key_ids: bytes, who: FakeConnection | None = None, request_id: int = 7, wait_ms: int = 1000
    ) -> None:
        message = GetShares([GetGroup("carol", key_ids, 0)], wait_ms, [])
        self.desk.get_shares(who or self.curtis, request_id, message, NOW)  # type: ignore[arg-type]


def group(key_ids: bytes = COLUMN, initiator: str = "sam", **changes: Any) -> PutGroup:
    number = len(key_ids) // 16
    shares = b"".join(key_ids[at : at + 16] for at in range(0, len(key_ids), 16))
    fields = {"key_bytes": KEY_BYTES, "offset": 0, "shares": shares, "codes": bytes(32 * number)} | changes
    return PutGroup(
        initiator, [PartyBody("curtis", "sunny")], 5, 3, 60_000, fields["key_bytes"], key_ids,
        fields["offset"], fields["shares"], fields["codes"],
    )  # fmt: skip


def share_group(told: list[tuple[int, Message]], request_id: int = 7) -> tuple[bytes, bytes]:
    """Key IDs and shares of the only group of the only message."""
    [(answered, message)] = told
    assert answered == request_id and isinstance(message, Shares) and not message.missing
    [found] = message.groups
    return found.key_ids, found.shares


@pytest.fixture
def hub() -> Hub:
    return Hub()


def test_a_batch_is_answered_by_one_message_as_it_was_put(hub: Hub) -> None:
    assert hub.put(group()) == bytes([ErrorCode.OK]) * 128
    hub.ask(COLUMN)
    assert share_group(hub.curtis.told()) == (COLUMN, COLUMN)
    hub.desk.confirm("curtis", [Confirmed("carol", COLUMN)], NOW)
    assert len(hub.store) == 0


def test_a_batch_that_was_asked_for_before_it_came_is_answered_at_once_and_whole(hub: Hub) -> None:
    hub.ask(COLUMN)
    assert hub.curtis.told() == []
    hub.put(group())
    assert hub.curtis.told() == [], "not before the turn ends"
    hub.desk.turn_ends()
    assert share_group(hub.curtis.told()) == (COLUMN, COLUMN)
    hub.desk.turn_ends()
    hub.timers.run_due(NOW + 2)
    assert hub.curtis.told() == [], "nothing waits any more"


def test_what_comes_in_two_turns_is_answered_in_two_messages(hub: Hub) -> None:
    hub.ask(COLUMN)
    for part in (COLUMN[: 16 * 100], COLUMN[16 * 100 :]):
        hub.put(group(part))
        hub.desk.turn_ends()
        assert share_group(hub.curtis.told()) == (part, part)


def test_groups_that_come_in_one_turn_are_answered_in_one_message(hub: Hub) -> None:
    hub.ask(COLUMN)
    hub.put(*(group(key_id) for key_id in IDS))
    hub.desk.turn_ends()
    assert share_group(hub.curtis.told()) == (COLUMN, COLUMN)


def test_everyone_who_waits_is_answered_for_himself(hub: Hub) -> None:
    hub.ask(COLUMN, hub.celia, 8)
    hub.ask(COLUMN[:16], request_id=9)
    hub.ask(COLUMN[16:48], request_id=10)
    hub.put(group())
    hub.desk.turn_ends()
    told = hub.curtis.told()
    assert share_group(told[:1], 9) == (COLUMN[:16], COLUMN[:16])
    assert share_group(told[1:], 10) == (COLUMN[16:48], COLUMN[16:48])
    [(request_id, message)] = hub.celia.told()
    assert request_id == 8 and isinstance(message, Shares) and not message.groups
    assert [(one.code, one.key_ids) for one in message.missing] == [(ErrorCode.NOT_NAMED, COLUMN)]


def test_what_does_not_come_in_time_is_told_by_one_column(hub: Hub) -> None:
    hub.ask(COLUMN)
    hub.put(group(COLUMN[:16]))
    hub.desk.turn_ends()
    hub.curtis.told()
    hub.timers.run_due(NOW + 1.0)
    [(request_id, message)] = hub.curtis.told()
    assert request_id == 7 and isinstance(message, Shares) and not message.groups
    assert [(one.code, one.key_ids) for one in message.missing] == [(ErrorCode.UNKNOWN_KEY, COLUMN[16:])]


def test_what_is_refused_or_partial_wakes_nobody(hub: Hub) -> None:
    hub.ask(COLUMN[:16])
    assert hub.put(group(COLUMN[:16], shares=b"")) == bytes([ErrorCode.BAD_REQUEST])
    assert hub.put(group(COLUMN[:16], shares=b"half")) == bytes([ErrorCode.PARTIAL])
    hub.desk.turn_ends()
    assert hub.curtis.told() == []
    assert hub.put(group(COLUMN[:16], shares=b"half" + bytes(12))) == bytes([ErrorCode.OK])
    hub.desk.turn_ends()
    assert share_group(hub.curtis.told()) == (COLUMN[:16], b"half" + bytes(12))


def test_only_the_keys_that_are_stored_wake_who_waits_for_them(hub: Hub) -> None:
    hub.put(group(COLUMN[:16]))
    hub.ask(COLUMN[16:])
    answer = hub.put(group(shares=b"?" * 2048))
    assert answer == bytes([ErrorCode.CONFLICT]) + bytes([ErrorCode.OK]) * 127
    hub.desk.turn_ends()
    assert share_group(hub.curtis.told()) == (COLUMN[16:], b"?" * (2048 - 16))


def test_keys_beyond_a_limit_go_on_being_waited_for(hub: Hub) -> None:
    hub.store.limits = with_values({"max_pending_shares_per_client": 100})
    hub.ask(COLUMN)
    assert hub.put(group()) == bytes([ErrorCode.OK]) * 100 + bytes([ErrorCode.LIMIT]) * 28
    hub.desk.turn_ends()
    assert share_group(hub.curtis.told()) == (COLUMN[:1600], COLUMN[:1600])
    hub.desk.confirm("curtis", [Confirmed("carol", COLUMN[:1600])], NOW)
    hub.put(group(COLUMN[1600:]))
    hub.desk.turn_ends()
    assert share_group(hub.curtis.told()) == (COLUMN[1600:], COLUMN[1600:])


@pytest.mark.parametrize(
    "changes",
    [
        {"shares": bytes(128 * 16 - 1)}, {"shares": bytes(128 * 16 + 16)}, {"shares": b""},
        {"codes": bytes(128 * 32 - 32)}, {"codes": b""}, {"codes": bytes(128 * 64)}, {"offset": 1},
        {"key_bytes": 17}, {"shares": bytes(16)},
    ],
)  # fmt: skip
def test_columns_of_other_lengths_are_refused_as_a_whole(hub: Hub, changes: dict[str, Any]) -> None:
    assert hub.put(group(COLUMN, **changes)) == bytes([ErrorCode.BAD_REQUEST]) * 128
    assert len(hub.store) == 0


def test_codes_stand_in_the_order_of_the_groups_and_their_keys(hub: Hub) -> None:
    hub.put(group(IDS[5]))
    groups = [
        group(IDS[0] + IDS[1], initiator="mallory"), group(IDS[2], shares=b""),
        group(IDS[3] + IDS[5], shares=b"?" * 32), group(IDS[6]),
    ]  # fmt: skip
    assert list(hub.put(*groups)) == [
        ErrorCode.NOT_OWNER, ErrorCode.NOT_OWNER, ErrorCode.BAD_REQUEST, ErrorCode.OK, ErrorCode.CONFLICT,
        ErrorCode.OK,
    ]  # fmt: skip


def test_the_initiator_client_is_that_of_the_session(hub: Hub) -> None:
    assert hub.put(group(), who=hub.celia) == bytes([ErrorCode.NOT_OWNER]) * 128
    assert hub.put(group(initiator="serena"), who=hub.celia) == bytes([ErrorCode.OK]) * 128
    hub.ask(COLUMN, wait_ms=0)
    [(_, message)] = hub.curtis.told()
    assert isinstance(message, Shares) and [one.code for one in message.missing] == [ErrorCode.UNKNOWN_KEY]


def test_without_pads_for_all_the_first_are_given_and_the_others_asked_for_again(hub: Hub) -> None:
    hub.put(group())
    hub.curtis.session.pads_left = 100 * (16 + 32)
    hub.ask(COLUMN)
    [(_, message)] = hub.curtis.told()
    assert isinstance(message, Shares)
    assert [one.key_ids for one in message.groups] == [COLUMN[: 16 * 100]]
    assert [(one.code, one.key_ids) for one in message.missing] == [(ErrorCode.LIMIT, COLUMN[16 * 100 :])]


def test_who_does_not_read_is_given_no_more_than_its_outbox_takes(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_desk, "MAX_OUTBOX_BYTES", 1000)
    hub.put(group())
    hub.curtis.session.outbox_bytes = 2000
    hub.ask(COLUMN)
    [(_, message)] = hub.curtis.told()
    assert isinstance(message, Shares) and not message.groups
    assert [(one.code, one.key_ids) for one in message.missing] == [(ErrorCode.LIMIT, COLUMN)]


def test_an_outbox_that_takes_nothing_more_ends_its_session(hub: Hub) -> None:
    hub.put(group())

    def full(request_id: int, message: Message) -> None:
        raise LimitError("full")

    hub.curtis.session.send = full  # type: ignore[method-assign]
    hub.ask(COLUMN)
    assert hub.stuck == [hub.curtis]


def test_a_connection_that_is_closing_is_told_nothing(hub: Hub) -> None:
    hub.put(group())
    hub.curtis.stage = Stage.CLOSING
    hub.ask(COLUMN)
    assert hub.curtis.told() == [] and hub.answered == []


# --- a window that is full ---


def answers(told: list[tuple[int, Message]]) -> list[tuple[list[bytes], list[tuple[int, bytes]]]]:
    """Key IDs given, and (code, key IDs) refused, of each SHARES."""
    found = []
    for request_id, message in told:
        assert request_id == 7 and isinstance(message, Shares)
        refused = [(one.code, one.key_ids) for one in message.missing]
        found.append(([one.key_ids for one in message.groups], refused))
    return found


def in_two_frames(hub: Hub, **asked: Any) -> None:
    """The answer to curtis takes two frames, and his window has no room for both."""
    hub.put(group())
    hub.curtis.session.max_pads = 100 * (16 + 32)
    hub.curtis.session.available = 128 * (16 + 32) - 1
    hub.ask(COLUMN, **asked)
    assert len(hub.curtis.session.said) == 2


GIVEN = [([COLUMN[:1600]], []), ([COLUMN[1600:]], [])]
REFUSED = [([], [(ErrorCode.LIMIT, COLUMN[:1600])]), ([], [(ErrorCode.LIMIT, COLUMN[1600:])])]


@pytest.mark.parametrize("wait_s", [1.0, 0.2])
def test_shares_that_wait_for_the_window_for_too_long_are_asked_for_again(hub: Hub, wait_s: float) -> None:
    in_two_frames(hub, wait_ms=round(1000 * wait_s))
    hub.answered.clear()
    hub.timers.run_due(NOW + WINDOW_PATIENCE * wait_s - 0.01)
    assert answers(hub.curtis.session.said) == GIVEN and not hub.answered
    hub.timers.run_due(NOW + WINDOW_PATIENCE * wait_s + 0.01)
    assert answers(hub.curtis.told()) == REFUSED and hub.answered == [hub.curtis]


def test_shares_that_have_left_stay_given(hub: Hub) -> None:
    in_two_frames(hub)
    hub.curtis.session.nr_left = 1
    hub.timers.run_due(NOW + 1)
    assert answers(hub.curtis.told()) == [GIVEN[0], REFUSED[1]]


def test_the_window_keeps_parked_answers_no_longer_either(hub: Hub) -> None:
    hub.ask(COLUMN)
    hub.curtis.session.available = 1
    hub.put(group())
    hub.desk.turn_ends()
    assert answers(hub.curtis.session.said) == [([COLUMN], [])]
    hub.timers.run_due(NOW + WINDOW_PATIENCE + 0.01)
    assert answers(hub.curtis.told()) == [([], [(ErrorCode.LIMIT, COLUMN)])]
    hub.curtis.session.available = 10**6
    hub.ask(COLUMN)
    assert answers(hub.curtis.told()) == [([COLUMN], [])], "the same process gets them when it asks again"


def test_what_can_leave_is_not_looked_at_again(hub: Hub) -> None:
    hub.put(group())
    hub.ask(COLUMN)
    assert hub.timers.next_deadline() is None
    hub.curtis.delivers_blocks, hub.curtis.session.available = True, 0  # blocks come along with the answer
    hub.ask(COLUMN)
    assert hub.timers.next_deadline() is None


def test_a_connection_that_is_closing_keeps_what_waits(hub: Hub) -> None:
    in_two_frames(hub)
    hub.curtis.stage = Stage.CLOSING
    hub.timers.run_due(NOW + 1)
    assert answers(hub.curtis.told()) == GIVEN
