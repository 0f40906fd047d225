"""Hubs that answer for the keys of a turn in other orders, in parts, or with columns that do not fit."""

from __future__ import annotations

from uuid import UUID

import pytest

from dsked.client import fetches as fetches_module
from dsked.errors import UnknownKeyError
from dsked.keys import Outcome
from dsked.limits import FETCH_DEADLINE_S
from dsked.wire.messages import ShareGroup, Shares
from tests.client.responding import NOW, SAM, Dealing, Setting, error_of, gets, keys_of, mismatches


@pytest.fixture
def setting() -> Setting:
    return Setting()


def column(x: int, *dealings: Dealing, lied_about: Dealing | None = None) -> ShareGroup:
    """What hub x says of these, which are for the same encryptors, in one group."""
    groups = [dealing.group(x, flip=int(dealing is lied_about)) for dealing in dealings]
    return ShareGroup(
        groups[0].initiator, groups[0].responders, 5, 3, groups[0].key_bytes,
        b"".join([group.key_ids for group in groups]), 0, b"".join([group.shares for group in groups]),
        b"".join([group.codes for group in groups]),
    )  # fmt: skip


def answer(setting: Setting, x: int, *groups: ShareGroup) -> None:
    setting.hubs[x - 1].answer(Shares(list(groups), []), setting.now)
    setting.responder.turn_ends(setting.now)


def test_hubs_that_give_the_same_keys_in_other_orders_and_other_parts(setting: Setting) -> None:
    first, second, third, fourth = dealings = [Dealing() for _ in range(4)]
    outcome = setting.ask(*dealings)
    answer(setting, 4, column(4, *reversed(dealings)))
    answer(setting, 2, column(2, third, first))
    answer(setting, 5, column(5, *dealings))
    assert outcome == []
    answer(setting, 2, column(2, second), column(2, fourth))
    assert outcome == [keys_of(*dealings)]
    for x in (1, 3):
        answer(setting, x, column(x, *dealings))
    assert mismatches(setting) == {}
    assert len(setting.responder._fetches) == 0


def test_keys_of_many_requests_come_as_soon_as_they_are_there(setting: Setting) -> None:
    dealings = [Dealing() for _ in range(3)]
    outcomes: list[list[Outcome]] = [[] for _ in dealings]
    for dealing, outcome in zip(dealings, outcomes, strict=True):
        setting.responder.get_keys_by_id("sunny", SAM, [dealing.key_id], outcome.append, NOW)
    setting.responder.turn_ends(NOW)
    answer(setting, 1, column(1, *dealings))
    answer(setting, 2, column(2, *dealings))
    answer(setting, 3, column(3, *dealings[1:]))
    assert outcomes == [[], [keys_of(dealings[1])], [keys_of(dealings[2])]]
    answer(setting, 4, column(4, *dealings))
    assert outcomes[0] == [keys_of(dealings[0])]


@pytest.mark.parametrize("field", ["shares", "codes"])
def test_columns_that_do_not_fit_are_not_tried_and_count_against_their_hub(
    setting: Setting, field: str
) -> None:
    dealings = [Dealing() for _ in range(3)]
    outcome = setting.ask(*dealings)
    group = column(1, *dealings)
    setattr(group, field, getattr(group, field)[:-1])
    answer(setting, 1, group)
    for x in (2, 3, 4):
        answer(setting, x, column(x, *dealings))
    assert outcome == [keys_of(*dealings)]
    answer(setting, 5, column(5, *dealings))
    assert mismatches(setting) == {"hub1": {"carol": 3}}


def test_one_key_of_a_batch_that_a_hub_lies_about_does_not_hold_up_the_others(setting: Setting) -> None:
    dealings = [Dealing() for _ in range(4)]
    outcomes: list[list[Outcome]] = [[], [], []]
    for asked, outcome in zip((dealings[:1], dealings[1:2], dealings[2:]), outcomes, strict=True):
        ids = [dealing.key_id for dealing in asked]
        setting.responder.get_keys_by_id("sunny", SAM, ids, outcome.append, NOW)
    setting.responder.turn_ends(NOW)
    for x in (1, 2, 3):
        answer(setting, x, column(x, *dealings, lied_about=dealings[3] if x == 2 else None))
    assert outcomes == [[keys_of(dealings[0])], [keys_of(dealings[1])], []]
    for x in (4, 5):
        answer(setting, x, column(x, *dealings))
    assert outcomes[2] == [keys_of(*dealings[2:])]
    assert mismatches(setting) == {"hub2": {"carol": 1}}
    assert f"differs from the key {UUID(bytes=dealings[3].key_id)}" in setting.notices[0]


def test_a_key_that_two_encryptors_ask_for_in_different_turns_is_asked_for_once(setting: Setting) -> None:
    both, other = Dealing(("curtis", "sunny"), ("curtis", "susan")), Dealing()
    outcome = setting.ask(both, other)
    susans = setting.ask(both, caller="susan")
    assert setting.nr_asked == [1] * 5
    setting.say((1, 2, 3, 4, 5), both, other)
    assert outcome == [keys_of(both, other)]
    assert susans == [keys_of(both)]
    assert len(setting.responder._fetches) == 0


def test_a_key_whose_time_is_out_while_hubs_still_answer(setting: Setting) -> None:
    """It is dropped; what comes of it later is not listened to, and the other key of the batch goes on."""
    gone, kept = Dealing(), Dealing()
    setting.ask(gone, kept)
    setting.say((1,), gone, kept)
    setting.at(FETCH_DEADLINE_S)
    setting.at(60.5)
    outcome = setting.ask(kept)
    [message] = gets(setting.hubs[1])[1:]
    assert message.groups[0].key_ids == kept.key_id
    setting.at(61)
    assert [fetch.id[1] for fetch in setting.responder._fetches] == [kept.key_id]
    setting.say((2, 3), gone, kept)
    assert outcome == [keys_of(kept)]


def test_a_full_hub_gives_what_fits(setting: Setting, monkeypatch) -> None:
    monkeypatch.setattr(fetches_module, "MAX_HELD_SHARE_BYTES_PER_HUB", 2 * (32 + 32))
    dealings = [Dealing() for _ in range(3)]
    outcome = setting.ask(*dealings)
    for x in (1, 2, 3):
        answer(setting, x, column(x, *dealings))
    assert outcome == []
    assert len(setting.responder._fetches) == 3
    setting.at(FETCH_DEADLINE_S)
    assert isinstance(error_of(outcome), UnknownKeyError)
    assert setting.ask(*dealings[:2]) == [keys_of(*dealings[:2])]


def test_what_a_hub_says_again_of_a_key_is_not_listened_to(setting: Setting) -> None:
    first, second = Dealing(), Dealing()
    outcome = setting.ask(first, second)
    answer(setting, 1, column(1, first))
    answer(setting, 1, column(1, first, second, lied_about=first))
    for x in (2, 3, 4, 5):
        answer(setting, x, column(x, first, second))
    assert outcome == [keys_of(first, second)]
    assert mismatches(setting) == {}
