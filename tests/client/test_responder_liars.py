"""What the responder does about hubs that lie, and what it says of them."""

from __future__ import annotations

from uuid import UUID

import pytest

from dsked.errors import (
    ReconstructionError,
)
from dsked.keys import Key
from dsked.limits import FETCH_DEADLINE_S, RETRY_FIRST_S, SET_ASIDE_FIRST_S
from dsked.wire.messages import (
    Shares,
)
from tests.client.responding import (
    NOW,
    Dealing,
    Setting,
    error_of,
    mismatches,
)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_liar_among_the_first_k_is_found_with_two_more_shares_and_named(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    setting.say((1,), dealing, flip=0x80)
    setting.say((2, 3), dealing)
    assert outcome == []
    setting.say((4,), dealing)
    assert outcome == [[Key(dealing.key_id, dealing.key)]]
    setting.say((5,), dealing)
    assert mismatches(setting) == {"hub1": {"carol": 1}}
    assert setting.notices == [
        f"hub hub1 gave a share that differs from the key {UUID(bytes=dealing.key_id)} of initiator carol "
        "(1 of its keys so far): set aside"
    ]


def test_a_liar_is_told_once_for_many_keys_and_not_again_while_it_is_set_aside(setting: Setting) -> None:
    def lie_about(number: int) -> list[Dealing]:
        dealings = [Dealing() for _ in range(number)]
        setting.ask(*dealings)
        setting.at(setting.now - NOW + RETRY_FIRST_S)  # it is asked although it is set aside
        setting.say((2, 3), *dealings)
        setting.say((1,), *dealings, flip=1)
        setting.say((4, 5), *dealings)
        return dealings

    first = str(UUID(bytes=lie_about(7)[0].key_id))
    about = "hub hub1 gave a share that differs from the key"
    assert setting.notices == [f"{about} {first} of initiator carol (7 of its keys so far): set aside"]
    lie_about(3)
    lie_about(3)
    assert len(setting.notices) == 1
    setting.at(SET_ASIDE_FIRST_S + 1)
    lie_about(2)
    assert len(setting.notices) == 2
    assert "(15 of its keys so far)" in setting.notices[1]


def test_a_late_liar_is_named_when_all_have_answered(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    setting.say((1, 2, 3), dealing)
    assert len(outcome) == 1
    setting.say((4,), dealing, flip=1)
    assert mismatches(setting) == {}
    setting.say((5,), dealing)
    assert mismatches(setting) == {"hub4": {"carol": 1}}


def test_four_shares_prove_nothing_against_one_of_them(setting: Setting) -> None:
    """The three that passed may hold two liars who shifted nothing: 2k - 1 shares are needed."""
    dealing = Dealing()
    setting.ask(dealing)
    setting.say((1, 2, 3), dealing)
    setting.say((4,), dealing, flip=1)
    setting.deny((5,), dealing)
    assert mismatches(setting) == {}


def test_nobody_is_named_before_a_key_has_passed(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing)
    for x, flip in ((1, 1), (2, 2), (3, 4)):
        setting.say((x,), dealing, flip=flip)
    setting.say((4, 5), dealing)
    setting.at(FETCH_DEADLINE_S)
    assert isinstance(error_of(outcome), ReconstructionError)
    assert mismatches(setting) == {}
    assert setting.notices == []


def test_shares_that_nobody_asked_for_are_dropped(setting: Setting) -> None:
    wanted, other = Dealing(), Dealing()
    outcome = setting.ask(wanted)
    for x in (1, 2, 3):
        setting.hubs[x - 1].answer(Shares([other.group(x)], []), NOW)
    setting.say((1, 2, 3), wanted)
    assert outcome == [[Key(wanted.key_id, wanted.key)]]


def test_a_hub_set_aside_is_spared_until_shares_are_lacking(setting: Setting) -> None:
    dealing = Dealing()
    setting.evidence.mismatch("carol", "hub1", NOW)
    setting.ask(dealing)
    assert setting.nr_asked == [0, 1, 1, 1, 1]
    setting.at(RETRY_FIRST_S)
    assert setting.nr_asked == [1, 1, 1, 1, 1]
