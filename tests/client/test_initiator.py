from __future__ import annotations

import random
import uuid

import pytest

from dsked.client import unsent as module
from dsked.client.evidence import Evidence
from dsked.client.initiator import Initiator
from dsked.errors import ConflictError, DskedError, ErrorCode, PoolExhaustedError, TooFewHubsError
from dsked.keys import Outcome
from dsked.limits import ACK_GRACE_S, ACK_LIMIT_S
from dsked.sharing.rebuilding import rebuild_columns
from dsked.sharing.terms import Party, Terms
from dsked.timers import Timers
from dsked.wire.messages import Error, PutShares, PutSharesAck
from tests.client.fakes import FakeHub, fake_hubs

NOW = 1000.0
SUNNY = (Party("curtis", "sunny"),)
OK, PARTIAL, DONE = int(ErrorCode.OK), int(ErrorCode.PARTIAL), int(ErrorCode.DONE)
CONFLICT = int(ErrorCode.CONFLICT)


class Setting:
    """The initiator of carol among five hubs, k = 3."""

    def __init__(self, n: int = 5, k: int = 3) -> None:
        self.hubs, hubs = fake_hubs(n, k)
        self.timers = Timers()
        self.evidence = Evidence()
        self.now = NOW
        self.initiator = Initiator(
            "carol", hubs, self.evidence, self.timers, 60.0, random.Random(1).randbytes
        )
        self.outcomes: list[Outcome] = []

    def ask(self, number: int = 1, key_bytes: int = 32) -> list[Outcome]:
        """Ask, and end the turn; the outcome is appended to what is returned."""
        outcome: list[Outcome] = []
        self.initiator.get_keys("sam", SUNNY, number, key_bytes, outcome.append)
        self.initiator.turn_ends(self.now)
        return outcome

    def at(self, after_s: float) -> None:
        self.now = NOW + after_s
        self.timers.run_due(self.now)

    def ack(self, *xs: int, code: int = OK) -> None:
        for x in xs:
            hub = self.hubs[x - 1]
            hub.answer(PutSharesAck(bytes([code]) * nr_keys(hub)), self.now)

    @property
    def late(self) -> list[int]:
        return [hub.x for hub in self.hubs if hub.late]


def puts(hub: FakeHub) -> list[PutShares]:
    return [message for _, message in hub.asked if isinstance(message, PutShares)]


def nr_keys(hub: FakeHub) -> int:
    return sum(group.number for group in puts(hub)[-1].groups)


def error_of(outcome: list[Outcome]) -> DskedError:
    [error] = outcome
    assert isinstance(error, DskedError)
    return error


@pytest.fixture
def setting() -> Setting:
    return Setting()


# --- dealing and scattering ---


def test_every_hub_gets_its_share_and_any_k_give_the_key(setting: Setting) -> None:
    outcome = setting.ask(2)
    terms = Terms(1, 5, 3, Party("carol", "sam"), SUNNY, 32)
    columns = []
    for hub in setting.hubs:
        [message] = puts(hub)
        [group] = message.groups
        columns.append((hub.x, group.shares, group.codes))
    setting.ack(1, 2, 3, 4)
    [keys] = outcome
    assert isinstance(keys, list)
    assert group.key_ids == b"".join(key.key_id for key in keys)
    for chosen in ((0, 1, 2), (2, 3, 4), (4, 0, 2)):
        found = rebuild_columns(terms, [key.key_id for key in keys], [columns[i] for i in chosen])
        assert found == [key.key for key in keys]


def test_key_ids_are_random_uuids(setting: Setting) -> None:
    outcome = setting.ask(20)
    setting.ack(1, 2, 3, 4)
    [keys] = outcome
    assert isinstance(keys, list)
    ids = {uuid.UUID(bytes=key.key_id) for key in keys}
    assert len(ids) == 20
    assert {(key_id.version, key_id.variant) for key_id in ids} == {(4, uuid.RFC_4122)}


def test_requests_of_one_turn_share_a_frame_and_succeed_apart(setting: Setting) -> None:
    outcomes: list[list[Outcome]] = [[], [], []]
    for outcome, size in zip(outcomes, (32, 16, 32), strict=True):
        setting.initiator.get_keys("sam", SUNNY, 1, size, outcome.append)
    setting.initiator.turn_ends(NOW)
    assert [len(puts(hub)) for hub in setting.hubs] == [1] * 5
    for x in (1, 2, 3, 4):
        # In the order of the frame: both keys of 32 bytes, then the one of 16.
        setting.hubs[x - 1].answer(PutSharesAck(bytes([OK, CONFLICT, OK])), NOW)
    assert isinstance(outcomes[0][0], list)
    assert isinstance(outcomes[1][0], list)
    assert isinstance(outcomes[2][0], ConflictError)


def test_nothing_is_dealt_where_too_few_hubs_are_there(setting: Setting) -> None:
    for hub in setting.hubs[:3]:
        hub.registered = False
    outcome = setting.ask()
    assert isinstance(error_of(outcome), TooFewHubsError)
    assert not any(hub.asked for hub in setting.hubs)


# --- the acknowledgement rule ---


def test_the_comfortable_number_answers_at_once(setting: Setting) -> None:
    outcome = setting.ask()
    setting.ack(1, 2, 3)
    assert outcome == []
    setting.ack(5)
    assert len(outcome) == 1
    setting.at(2)
    assert setting.late == []
    assert len(outcome) == 1


def test_k_acknowledgements_wait_one_grace_and_no_more(setting: Setting) -> None:
    outcome = setting.ask()
    setting.at(0.3)
    setting.ack(1, 2, 3)
    setting.at(0.3 + ACK_GRACE_S - 0.001)
    assert outcome == []
    setting.at(0.3 + ACK_GRACE_S)
    assert isinstance(outcome[0], list)
    assert setting.late == [4, 5]


def test_hubs_that_were_late_are_sent_to_and_not_waited_for(setting: Setting) -> None:
    setting.hubs[3].late = setting.hubs[4].late = True
    outcome = setting.ask()
    assert all(puts(hub) for hub in setting.hubs)
    setting.ack(1, 2, 3)
    assert len(outcome) == 1


def test_a_late_hub_counts_again_once_it_acknowledges_within_a_grace(setting: Setting) -> None:
    setting.hubs[3].late = setting.hubs[4].late = True
    setting.ask()
    setting.ack(1, 2, 3)
    setting.at(ACK_GRACE_S)
    setting.ack(4)
    setting.at(ACK_GRACE_S + 0.001)
    setting.ack(5)
    assert setting.late == [5]


def test_a_hub_set_aside_for_all_is_sent_to_and_not_waited_for(setting: Setting) -> None:
    for initiator in ("celia", "connie"):
        for x in (4, 5):
            setting.evidence.mismatch(initiator, f"hub{x}", NOW)
    outcome = setting.ask()
    setting.ack(1, 2, 3)
    assert len(outcome) == 1
    assert puts(setting.hubs[4])


def test_fewer_than_k_by_the_limit_fail_and_say_so(setting: Setting) -> None:
    outcome = setting.ask()
    setting.ack(1, 2)
    setting.at(ACK_LIMIT_S - 0.001)
    assert outcome == []
    setting.at(ACK_LIMIT_S)
    assert "2 of 5 hubs acknowledged in 0.8 s, 3 are needed" in str(error_of(outcome))
    setting.ack(3, 4, 5)
    assert len(outcome) == 1, "what comes later changes nothing"


def test_k_acknowledgements_within_a_grace_of_the_limit_are_enough_at_the_limit(setting: Setting) -> None:
    outcome = setting.ask()
    setting.at(ACK_LIMIT_S - ACK_GRACE_S / 2)
    setting.ack(1, 2, 3)
    assert outcome == []
    setting.at(ACK_LIMIT_S)
    assert isinstance(outcome[0], list)
    setting.at(ACK_LIMIT_S + ACK_GRACE_S)
    assert len(outcome) == 1
    assert setting.late == [], "they had less than a grace"


def test_refusals_of_too_many_fail_at_once(setting: Setting) -> None:
    outcome = setting.ask()
    setting.ack(1, 2, code=CONFLICT)
    assert outcome == []
    setting.ack(3, code=CONFLICT)
    assert isinstance(error_of(outcome), ConflictError)


def test_two_refusals_leave_k_that_can_answer(setting: Setting) -> None:
    outcome = setting.ask()
    setting.ack(1, 2, code=int(ErrorCode.LIMIT))
    setting.ack(3, 4, 5)
    setting.at(ACK_GRACE_S)
    assert isinstance(outcome[0], list)


@pytest.mark.parametrize("codes", [[], [OK, OK], [PARTIAL], [200]])
def test_a_nonsensical_acknowledgement_is_a_refusal(setting: Setting, codes: list[int]) -> None:
    outcome = setting.ask()
    for hub in setting.hubs[:3]:
        hub.answer(PutSharesAck(bytes(codes)), NOW)
    assert isinstance(error_of(outcome), TooFewHubsError)


def test_an_error_in_place_of_an_acknowledgement_is_a_refusal(setting: Setting) -> None:
    outcome = setting.ask()
    for hub in setting.hubs[:3]:
        hub.answer(Error(int(ErrorCode.INTERNAL), ""), NOW)
    assert isinstance(error_of(outcome), TooFewHubsError)


def test_done_is_as_good_as_stored(setting: Setting) -> None:
    """The responder was faster than this hub's share: it has the key."""
    outcome = setting.ask()
    setting.ack(1, 2, 3, 4, code=DONE)
    assert isinstance(outcome[0], list)


def test_a_large_share_is_acknowledged_with_its_last_piece(setting: Setting) -> None:
    outcome = setting.ask(1, 300_000)
    for hub in setting.hubs[:4]:
        assert len(puts(hub)) == 2
        hub.answer(PutSharesAck(bytes([PARTIAL])), NOW, 1)
    assert outcome == []
    for hub in setting.hubs[:4]:
        hub.answer(PutSharesAck(bytes([OK])), NOW, 2)
    assert isinstance(outcome[0], list)


# --- lost sessions ---


def test_what_a_lost_session_left_unacknowledged_is_sent_again_with_the_same_values(setting: Setting) -> None:
    setting.ask(2)
    hub = setting.hubs[0]
    hub.lose_session(NOW)
    assert len(puts(hub)) == 1
    hub.registered = True
    setting.initiator.hub_ready(hub, NOW + 1)
    first, again = puts(hub)
    assert again.groups[0].ttl_ms == first.groups[0].ttl_ms - 1000
    assert [*again.secrets()] == [*first.secrets()]
    assert again.groups[0].key_ids == first.groups[0].key_ids
    setting.ack(1)
    setting.initiator.hub_ready(hub, NOW + 2)
    assert len(puts(hub)) == 2


def test_shares_for_a_hub_that_is_down_wait_until_they_expire(setting: Setting) -> None:
    hub = setting.hubs[0]
    hub.registered = False
    setting.ask()
    setting.ack(2, 3, 4, 5)
    setting.now = NOW + 30
    setting.ask()
    setting.ack(2, 3, 4, 5)
    hub.registered = True
    setting.initiator.hub_ready(hub, NOW + 61)
    [message] = puts(hub)
    assert [group.ttl_ms for group in message.groups] == [29_000]


def test_shares_of_a_failed_request_are_not_sent_later(setting: Setting) -> None:
    hub = setting.hubs[0]
    hub.registered = False
    setting.ask()
    setting.at(ACK_LIMIT_S)
    hub.registered = True
    setting.initiator.hub_ready(hub, setting.now)
    assert puts(hub) == []


def test_shares_that_wait_are_bounded_and_the_oldest_go_first(setting, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_UNSENT_SHARES_PER_HUB", 3)
    monkeypatch.setattr(module, "MAX_UNSENT_SHARE_BYTES_PER_HUB", 100)
    hub = setting.hubs[0]
    hub.registered = False
    for size in (4, 8, 12, 16):
        setting.ask(1, size)
        setting.ack(2, 3, 4, 5)
    setting.ask(1, 80)  # 12 + 16 + 80 bytes are more than 100
    setting.ack(2, 3, 4, 5)
    hub.registered = True
    setting.initiator.hub_ready(hub, NOW)
    [message] = puts(hub)
    assert [group.key_bytes for group in message.groups] == [16, 80]


def test_a_hub_that_does_not_read_gets_its_shares_on_its_next_session(setting: Setting) -> None:
    hub = setting.hubs[0]
    hub.full = True
    outcome = setting.ask()
    setting.ack(2, 3, 4, 5)
    assert isinstance(outcome[0], list)
    hub.full = False
    setting.initiator.hub_ready(hub, NOW)
    assert len(puts(hub)) == 1


# --- pads ---


def test_a_media_pool_that_is_used_up_refuses_at_once(setting: Setting) -> None:
    for hub in setting.hubs[:3]:
        hub.pair.simulated = False
    outcome = setting.ask()
    assert isinstance(error_of(outcome), PoolExhaustedError)
    assert "3 hubs share no unused PSRD" in str(outcome[0])
    assert not any(puts(hub) for hub in setting.hubs[:3])
