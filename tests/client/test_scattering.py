"""What becomes of shares that have not left when the requests for their keys are answered."""

from __future__ import annotations

import pytest

from dsked.errors import ErrorCode, TooFewHubsError
from dsked.keys import Outcome
from dsked.limits import ACK_GRACE_S, ACK_LIMIT_S
from dsked.wire.messages import PutShares, PutSharesAck, cut_key_ids
from tests.client.fakes import FakeHub
from tests.client.test_initiator import CONFLICT, OK, SUNNY, Setting, error_of


@pytest.fixture
def setting() -> Setting:
    return Setting()


def all_wait(hub: FakeHub) -> None:
    """Nothing that was asked of this hub has left."""
    hub.waiting = {request_id for request_id, _ in hub.asked}


def two_in_a_frame(setting: Setting) -> tuple[list[Outcome], list[Outcome]]:
    """Two requests of one turn: two dealings, since the sizes of their keys differ."""
    outcomes: tuple[list[Outcome], list[Outcome]] = [], []
    for size, outcome in zip((16, 32), outcomes, strict=True):
        setting.initiator.get_keys("sam", SUNNY, 1, size, outcome.append)
    setting.initiator.turn_ends(setting.now)
    return outcomes


def first_fails(setting: Setting) -> tuple[list[Outcome], list[Outcome]]:
    """Three hubs refuse the first key, and take the other one; nothing has left for the other hubs."""
    outcomes = two_in_a_frame(setting)
    for hub in setting.hubs[3:]:
        all_wait(hub)
    for hub in setting.hubs[:3]:
        hub.answer(PutSharesAck(bytes([CONFLICT, OK])), setting.now)
    return outcomes


def test_what_has_not_left_when_the_time_is_up_is_taken_back(setting: Setting) -> None:
    outcome = setting.ask()
    for hub in setting.hubs:
        all_wait(hub)
    setting.at(ACK_LIMIT_S - 0.001)
    assert not any(hub.exchanged for hub in setting.hubs)
    setting.at(ACK_LIMIT_S)
    assert isinstance(error_of(outcome), TooFewHubsError)
    assert [hub.exchanged for hub in setting.hubs] == [[(1, None)]] * 5
    assert not any(hub.nr_requests for hub in setting.hubs)


def test_what_has_left_is_left_alone(setting: Setting) -> None:
    setting.ask()
    all_wait(setting.hubs[4])
    setting.at(ACK_LIMIT_S)
    assert [len(hub.exchanged) for hub in setting.hubs] == [0, 0, 0, 0, 1]
    setting.ack(1, 2, 3, 4)


def test_the_shares_of_a_key_that_is_there_go_to_the_other_hubs_whatever_they_wait_for(
    setting: Setting,
) -> None:
    outcome = setting.ask()
    all_wait(setting.hubs[4])
    setting.ack(1, 2, 3, 4)
    assert isinstance(outcome[0], list)
    setting.at(ACK_LIMIT_S + 1)
    assert setting.hubs[4].exchanged == [] and setting.hubs[4].nr_requests == 1


def test_a_refused_request_is_taken_out_of_a_frame_that_another_one_needs(setting: Setting) -> None:
    refused, other = first_fails(setting)
    error_of(refused)
    hub = setting.hubs[3]
    [(request_id, message)] = hub.exchanged
    assert request_id == 1 and isinstance(message, PutShares)
    [kept] = message.groups
    [_, sent] = hub.asked[0][1].groups  # type: ignore[attr-defined]
    assert (kept.key_ids, kept.shares, kept.codes) == (sent.key_ids, sent.shares, sent.codes)
    hub.waiting.clear()  # it leaves
    hub.answer(PutSharesAck(bytes([OK])), setting.now)
    assert isinstance(other[0], list)
    assert other[0][0].key_id == kept.key_ids


def test_what_is_left_of_a_frame_is_what_the_next_session_sends(setting: Setting) -> None:
    _, other = first_fails(setting)
    setting.hubs[3].lose_session(setting.now)
    setting.hubs[4].lose_session(setting.now)
    setting.at(ACK_GRACE_S)
    assert isinstance(other[0], list), "three hubs have it"
    for hub in setting.hubs[3:]:
        hub.registered = True
        setting.initiator.hub_ready(hub, setting.now)
        [group] = hub.asked[-1][1].groups  # type: ignore[attr-defined]
        assert cut_key_ids(group.key_ids) == [key.key_id for key in other[0]]


def test_nothing_is_remembered_of_dealings_that_are_decided(setting: Setting) -> None:
    setting.ask()
    setting.ack(1, 2, 3, 4, 5)
    first_fails(setting)
    setting.ask()
    setting.at(ACK_LIMIT_S)
    assert not setting.initiator._scattering._undecided


@pytest.mark.parametrize("code", [ErrorCode.LIMIT, ErrorCode.NOT_OWNER])
def test_a_request_that_too_many_refuse_leaves_for_nobody_any_more(setting: Setting, code: ErrorCode) -> None:
    setting.ask()
    all_wait(setting.hubs[4])
    setting.ack(1, 2, 3, code=int(code))
    assert setting.hubs[4].exchanged == [(1, None)]
