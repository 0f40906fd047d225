"""How the responder asks hubs, for how long, and what it confirms."""

from __future__ import annotations

import pytest

from dsked.errors import (
    AlreadyDeliveredError,
    ErrorCode,
    NotNamedError,
    TooFewHubsError,
    UnknownKeyError,
)
from dsked.keys import Key, Outcome
from dsked.limits import DONE_FLUSH_S, FETCH_DEADLINE_S, MAX_KEYS_PER_FRAME, RETRY_FIRST_S
from dsked.wire.messages import (
    Confirmed,
    Error,
    Shares,
    cut_key_ids,
)
from tests.client.responding import (
    NOW,
    SAM,
    Dealing,
    Setting,
    error_of,
    gets,
)


@pytest.fixture
def setting() -> Setting:
    return Setting()


# --- asking ---


def test_all_hubs_are_asked_at_once_and_k_answers_suffice(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    assert setting.nr_asked == [1] * 5
    setting.say((5, 2), dealing)
    assert outcome == []
    setting.say((3,), dealing)
    assert outcome == [[Key(dealing.key_id, dealing.key)]]


def test_requests_of_one_turn_travel_in_one_frame(setting: Setting) -> None:
    dealings = [Dealing() for _ in range(3)]
    outcomes: list[list[Outcome]] = [[], []]
    for outcome, asked in zip(outcomes, (dealings[:2], dealings[1:]), strict=True):
        ids = [dealing.key_id for dealing in asked]
        setting.responder.get_keys_by_id("sunny", SAM, ids, outcome.append, NOW)
    setting.responder.turn_ends(NOW)
    [message] = gets(setting.hubs[0])
    [group] = message.groups
    assert cut_key_ids(group.key_ids) == [dealing.key_id for dealing in dealings]
    setting.say((1, 2, 3), *dealings)
    assert [key.key for key in outcomes[0][0]] == [dealing.key for dealing in dealings[:2]]
    assert isinstance(outcomes[1][0], AlreadyDeliveredError), "the key that both want goes out once"


def test_more_keys_than_a_frame_holds(setting: Setting) -> None:
    ids = [number.to_bytes(16, "big") for number in range(MAX_KEYS_PER_FRAME + 1)]
    setting.responder.get_keys_by_id("sunny", SAM, ids, lambda outcome: None, NOW)
    setting.responder.turn_ends(NOW)
    assert [message.groups[0].number for message in gets(setting.hubs[0])] == [MAX_KEYS_PER_FRAME, 1]


def test_hubs_are_told_how_long_they_may_park(setting: Setting) -> None:
    setting.ask(Dealing())
    [message] = gets(setting.hubs[0])
    assert message.wait_ms == 1000


def test_too_few_hubs_fail_at_once(setting: Setting) -> None:
    for hub in setting.hubs[:3]:
        hub.registered = False
    assert isinstance(error_of(setting.ask(Dealing())), TooFewHubsError)
    assert setting.nr_asked == [0] * 5


def test_unknown_is_final_at_the_deadline_only(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    setting.deny((1, 2, 3, 4, 5), dealing)
    assert outcome == []
    setting.at(RETRY_FIRST_S)
    assert setting.nr_asked == [2] * 5, "asked again"
    setting.say((2, 4, 5), dealing)
    assert isinstance(outcome[0], list)


def test_the_deadline_ends_it(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    setting.say((1, 2), dealing)
    for step in range(100):
        setting.at(step * FETCH_DEADLINE_S / 100)
    assert outcome == []
    setting.at(FETCH_DEADLINE_S)
    assert isinstance(error_of(outcome), UnknownKeyError)
    assert all(hub.nr_requests == 0 for hub in setting.hubs), "nobody waits any longer"


def test_asking_again_backs_off(setting: Setting) -> None:
    dealing = Dealing()
    setting.ask(dealing)
    times = []
    for step in range(1, 1000):
        setting.deny([hub.x for hub in setting.hubs if hub.nr_requests], dealing)
        before = setting.nr_asked[0]
        setting.at(step / 1000)
        if setting.nr_asked[0] > before:
            times.append(step)
    assert times == [20, 60, 140, 300, 550, 800]


def test_what_was_in_hand_at_the_deadline_is_kept_for_the_next_request(setting: Setting) -> None:
    dealing = Dealing()
    setting.ask(dealing)
    setting.say((1, 2), dealing)
    setting.at(FETCH_DEADLINE_S)
    outcome = setting.ask(dealing)
    setting.say((3,), dealing)
    assert isinstance(outcome[0], list)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ErrorCode.DONE, AlreadyDeliveredError),
        (ErrorCode.DELIVERED, AlreadyDeliveredError),
        (ErrorCode.NOT_NAMED, NotNamedError),
    ],
)
def test_refusals_for_good_of_too_many_end_it_at_once(setting: Setting, code: int, kind: type) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    setting.deny((1, 2), dealing, code)
    assert outcome == []
    setting.deny((3,), dealing, code)
    assert type(error_of(outcome)) is kind


def test_two_that_deny_are_outvoted(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    setting.deny((1, 2), dealing, ErrorCode.DONE)
    setting.say((3, 4, 5), dealing)
    assert isinstance(outcome[0], list)


def test_an_answer_lost_with_its_session_is_asked_for_again(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    for hub in setting.hubs:
        hub.lose_session(NOW)
        hub.registered = True
    setting.at(RETRY_FIRST_S)
    assert setting.nr_asked == [2] * 5
    setting.say((1, 2, 3), dealing)
    assert isinstance(outcome[0], list)


def test_an_error_in_place_of_shares_is_asked_for_again(setting: Setting) -> None:
    dealing = Dealing()
    setting.ask(dealing)
    setting.hubs[0].answer(Error(48, ""), NOW)
    setting.at(RETRY_FIRST_S)
    assert setting.nr_asked == [2, 1, 1, 1, 1]


def test_a_share_in_pieces_goes_on_where_it_was_cut(setting: Setting) -> None:
    dealing = Dealing(key_bytes=3000)
    outcome = setting.ask(dealing)
    hub = setting.hubs[0]
    hub.answer(Shares([dealing.group(1, end=1000)], []), NOW)
    hub.lose_session(NOW)
    hub.registered = True
    setting.at(RETRY_FIRST_S)
    assert gets(hub)[-1].groups[0].offset == 1000
    hub.answer(Shares([dealing.group(1, start=1000)], []), setting.now)
    setting.say((2, 3), dealing)
    assert outcome == [[Key(dealing.key_id, dealing.key)]]


# --- confirmations ---


def test_every_hub_is_told_of_a_rebuilt_key_with_the_next_request(setting: Setting) -> None:
    dealing = Dealing()
    setting.ask(dealing)
    setting.say((1, 2, 3), dealing)
    setting.ask(Dealing())
    for hub in setting.hubs:
        done = gets(hub)[-1].done
        assert [(told.initiator, told.key_ids) for told in done] == [("carol", dealing.key_id)]


def test_a_key_that_is_not_rebuilt_is_not_confirmed(setting: Setting) -> None:
    dealing = Dealing()
    setting.ask(dealing)
    setting.say((1, 2), dealing)
    setting.at(DONE_FLUSH_S)
    assert not any(hub.confirmations for hub in setting.hubs)


def test_confirmations_that_travelled_with_a_lost_request_are_told_again(setting: Setting) -> None:
    dealing, later = Dealing(), Dealing()
    setting.ask(dealing)
    setting.say((1, 2, 3), dealing)
    setting.ask(later)
    hub = setting.hubs[0]
    assert not hub.has_confirmations
    hub.lose_session(NOW)
    assert hub.confirmations == [Confirmed("carol", dealing.key_id)]
    setting.hubs[1].forget(2, NOW)
    assert setting.hubs[1].confirmations == [Confirmed("carol", dealing.key_id)], (
        "nor is it known to have arrived"
    )


def test_confirmations_that_travelled_with_a_refused_request_are_told_again(setting: Setting) -> None:
    """ERROR says that nothing of the request was done: the hub has the share until it times out, else."""
    dealing, later = Dealing(), Dealing()
    setting.ask(dealing)
    setting.say((1, 2, 3), dealing)
    setting.ask(later)
    hub = setting.hubs[0]
    hub.answer(Error(ErrorCode.LIMIT, ""), NOW)
    assert hub.confirmations == [Confirmed("carol", dealing.key_id)]
    setting.at(DONE_FLUSH_S)
    assert not hub.has_confirmations, "they travel again, alone or with the next request"
