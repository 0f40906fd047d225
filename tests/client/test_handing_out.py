"""To whom the responder hands out keys: the named, once, all of a request or none."""

from __future__ import annotations

import pytest

from dsked.client import delivered as delivered_module
from dsked.client import fetches as fetches_module
from dsked.errors import (
    AlreadyDeliveredError,
    LimitError,
    NotNamedError,
    UnknownKeyError,
)
from dsked.keys import Key, Outcome
from dsked.limits import FETCH_DEADLINE_S
from dsked.sharing.terms import Party
from tests.client.responding import (
    NOW,
    SAM,
    Dealing,
    Setting,
    error_of,
    keys_of,
)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_key_goes_out_once(setting: Setting) -> None:
    dealing = Dealing()
    setting.ask(dealing)
    setting.say((1, 2, 3, 4, 5), dealing)
    assert isinstance(error_of(setting.ask(dealing)), AlreadyDeliveredError)
    assert setting.nr_asked == [1] * 5


def test_every_key_of_a_request_goes_out_once(setting: Setting) -> None:
    dealings = [Dealing() for _ in range(3)]
    setting.ask(*dealings)
    setting.say((1, 2, 3, 4, 5), *dealings)
    for dealing in dealings:
        assert isinstance(error_of(setting.ask(Dealing(), dealing)), AlreadyDeliveredError)
    assert setting.nr_asked == [1] * 5


def test_an_encryptor_that_was_not_named_is_refused_and_the_named_gets_it(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing, caller="susan")
    setting.say((1, 2, 3, 4, 5), dealing)
    assert isinstance(error_of(outcome), NotNamedError)
    assert setting.ask(dealing) == [[Key(dealing.key_id, dealing.key)]]
    assert setting.nr_asked == [1] * 5, "the rebuilt key was kept for it"


@pytest.mark.parametrize("together", [True, False], ids=["one request", "two requests of one turn"])
def test_who_is_named_for_one_key_gets_no_other(setting: Setting, together: bool) -> None:
    hers, not_hers = dealings = Dealing(("curtis", "sunny"), ("curtis", "susan")), Dealing()
    outcomes: list[list[Outcome]] = [[], []]
    for outcome, asked in zip(outcomes, [dealings, ()] if together else [(hers,), (not_hers,)], strict=True):
        if asked:
            ids = [dealing.key_id for dealing in asked]
            setting.responder.get_keys_by_id("susan", SAM, ids, outcome.append, NOW)
    setting.responder.turn_ends(NOW)
    setting.say((1, 2, 3, 4, 5), *dealings)
    assert isinstance(error_of(outcomes[not together]), NotNamedError)
    assert together or outcomes[0] == [keys_of(hers)]
    assert setting.ask(*dealings) == [keys_of(*dealings)], "sunny is named for both"


def test_a_key_of_another_encryptor_of_the_initiators_client_is_not_found(setting: Setting) -> None:
    dealing = Dealing()
    outcome = setting.ask(dealing, initiator=Party("carol", "sue"))
    setting.say((1, 2, 3, 4, 5), dealing)
    assert isinstance(error_of(outcome), UnknownKeyError)
    assert isinstance(setting.ask(dealing)[0], list)


def test_all_keys_or_none(setting: Setting) -> None:
    here, missing = Dealing(), Dealing()
    outcome = setting.ask(here, missing)
    setting.say((1, 2, 3, 4, 5), here)
    setting.at(FETCH_DEADLINE_S)
    assert isinstance(error_of(outcome), UnknownKeyError)
    assert setting.ask(here) == [[Key(here.key_id, here.key)]]


def test_the_key_is_kept_for_encryptors_that_have_not_asked_and_then_forgotten(setting: Setting) -> None:
    dealing = Dealing(("curtis", "sunny"), ("curtis", "susan"), ("celia", "serena"))
    setting.ask(dealing)
    setting.say((1, 2, 3, 4, 5), dealing)
    assert len(setting.responder._fetches) == 1
    assert isinstance(setting.ask(dealing, caller="susan")[0], list)
    assert len(setting.responder._fetches) == 0


def test_a_key_that_nobody_fetches_is_forgotten_when_its_time_is_out(setting: Setting) -> None:
    dealing = Dealing(("curtis", "sunny"), ("curtis", "susan"))
    setting.ask(dealing)
    setting.say((1, 2, 3, 4, 5), dealing)
    setting.at(60 + FETCH_DEADLINE_S - 0.001)
    assert len(setting.responder._fetches) == 1
    setting.at(60 + FETCH_DEADLINE_S)
    assert len(setting.responder._fetches) == 0


def test_it_refuses_new_keys_rather_than_forget_what_it_handed_out(setting: Setting, monkeypatch) -> None:
    monkeypatch.setattr(delivered_module, "MAX_REMEMBERED_DELIVERIES", 1)
    dealing = Dealing()
    setting.ask(dealing)
    setting.say((1, 2, 3, 4, 5), dealing)
    assert isinstance(error_of(setting.ask(Dealing())), LimitError)
    assert isinstance(error_of(setting.ask(dealing)), AlreadyDeliveredError)


def test_keys_under_way_are_limited(setting: Setting, monkeypatch) -> None:
    monkeypatch.setattr(fetches_module, "MAX_FETCHES", 2)
    assert isinstance(error_of(setting.ask(*(Dealing() for _ in range(3)))), LimitError)
    assert setting.ask(*(Dealing() for _ in range(2))) == []
