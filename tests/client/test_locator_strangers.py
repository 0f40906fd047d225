"""Hubs that do not know an encryptor: proto/keys.md, section 1."""

from __future__ import annotations

import itertools

import pytest

from dsked.errors import TooFewHubsError
from dsked.limits import (
    DIRECTORY_GRACE_S,
    DIRECTORY_STRANGER_RETRY_S,
    DIRECTORY_TTL_S,
    RETRY_MAX_S,
)
from dsked.wire.messages import Error, Located
from tests.client.locating import HALF, NOW, Setting, known_to_be_at_curtis, questions


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_whoever_says_something_else_than_k_hubs_is_a_stranger(setting: Setting) -> None:
    setting.ask()
    setting.say(None, "curtis", "celia", "curtis", "curtis")
    assert setting.answers == ["curtis"]
    assert setting.strangers() == {"hub1", "hub3"}
    assert setting.strangers("sam") == set(), "its own"
    assert setting.strangers("susan") == set(), "nobody has been asked"


def test_answers_after_k_are_taken_as_well(setting: Setting) -> None:
    setting.ask()
    setting.say("curtis", "curtis", "curtis")
    assert setting.strangers() == set(), "a hub that has not answered may be down"
    setting.hubs[3].answer(Located([None]), NOW + 3)
    setting.hubs[4].answer(Located(["celia"]), NOW + 3)
    assert setting.strangers() == {"hub4", "hub5"}


def test_of_several_encryptors_the_strangers_to_one_are_strangers_to_all(setting: Setting) -> None:
    for name, said in {"sunny": (None, *["curtis"] * 4), "serena": (*["celia"] * 4, None)}.items():
        setting.ask(name)
        setting.say(*said)
    found = setting.locator.strangers(["sunny", "serena", "sam"])
    assert found == {0, 4}


def test_the_patient_wait_until_all_have_answered(setting: Setting) -> None:
    setting.ask(patient=True)
    setting.say("curtis", "curtis", "curtis", None)
    assert setting.answers == []
    setting.hubs[4].answer(Located(["curtis"]), NOW)
    assert setting.answers == ["curtis"]
    assert setting.timers.next_deadline() in (None, NOW + RETRY_MAX_S), "the grace is cancelled"


def test_the_patient_wait_one_grace_and_no_more(setting: Setting) -> None:
    setting.ask(patient=True)
    setting.ask()
    setting.say("curtis", "curtis", "curtis")
    assert setting.answers == ["curtis"], "who does not deal need not wait"
    setting.timers.run_due(NOW + DIRECTORY_GRACE_S - 0.001)
    assert setting.answers == ["curtis"]
    setting.timers.run_due(NOW + DIRECTORY_GRACE_S)
    assert setting.answers == ["curtis"] * 2
    for hub in setting.hubs[3:]:
        hub.answer(Located([None]), NOW + 1)
    assert setting.answers == ["curtis"] * 2


def test_the_patient_do_not_wait_for_a_hub_that_is_late_or_that_has_gone(setting: Setting) -> None:
    setting.hubs[3].late = True
    setting.ask(patient=True)
    setting.say("curtis", "curtis", "curtis")
    assert setting.answers == []
    setting.hubs[4].lose_session(NOW)
    assert setting.answers == ["curtis"]


def test_too_few_in_common_is_an_error_that_names_them(setting: Setting) -> None:
    setting.ask()
    setting.say("celia", None, "celia", None, None)
    assert isinstance(setting.error, TooFewHubsError)
    assert str(setting.error) == "2 hubs in common (hub1, hub3) with the client of sunny, 3 are needed"


def test_too_few_in_common_tells_of_hubs_that_have_not_answered(setting: Setting) -> None:
    for hub in setting.hubs[3:]:
        hub.registered = False
    setting.ask()
    setting.say("celia", None, "celia")
    assert str(setting.error) == (
        "2 hubs in common (hub1, hub3) with the client of sunny, 3 are needed; no answer from hub4, hub5"
    )


def known_with_a_stranger(setting: Setting) -> None:
    setting.ask()
    setting.say(None, *["curtis"] * 4)
    setting.answers.clear()
    assert setting.strangers() == {"hub1"}


def nr_questions(setting: Setting, now: float) -> int:
    setting.ask(now=now)
    return len(questions(setting.hubs[0]))


def test_a_stranger_is_asked_anew_before_long_and_less_often_each_time(setting: Setting) -> None:
    known_with_a_stranger(setting)
    now, delay_s = NOW, DIRECTORY_STRANGER_RETRY_S
    for number in range(2, 8):
        assert nr_questions(setting, now + delay_s - 0.001) == number - 1
        now += delay_s
        assert nr_questions(setting, now) == number
        setting.say(None, *["curtis"] * 4, now=now)
        delay_s = min(2 * delay_s, DIRECTORY_TTL_S / 2)
    assert set(setting.answers) == {"curtis"}, "nobody waits for it"


def test_a_stranger_that_was_heard_late_is_asked_anew_as_soon(setting: Setting) -> None:
    setting.ask()
    for hub in setting.hubs[1:]:
        hub.answer(Located(["curtis"]), NOW)
    setting.say(None, now=NOW + 0.2)
    assert setting.strangers() == {"hub1"}
    assert nr_questions(setting, NOW + 0.2 + DIRECTORY_STRANGER_RETRY_S - 0.001) == 1
    assert nr_questions(setting, NOW + 0.2 + DIRECTORY_STRANGER_RETRY_S) == 2


def test_a_client_that_registers_later_makes_a_stranger_common(setting: Setting) -> None:
    known_with_a_stranger(setting)
    setting.ask(now=NOW + DIRECTORY_STRANGER_RETRY_S)
    setting.say("curtis", now=NOW + DIRECTORY_STRANGER_RETRY_S)
    assert setting.strangers() == {"hub1"}, "until k hubs agree again"
    setting.hubs[1].answer(Located(["curtis"]), NOW + DIRECTORY_STRANGER_RETRY_S)
    setting.hubs[2].answer(Located(["curtis"]), NOW + DIRECTORY_STRANGER_RETRY_S)
    assert setting.strangers() == set()


def test_a_request_after_a_pause_does_not_rely_on_strangers_of_long_ago(setting: Setting) -> None:
    known_with_a_stranger(setting)
    now = NOW + 2 * DIRECTORY_STRANGER_RETRY_S
    setting.ask(now=now - 0.001, patient=True)
    assert setting.answers == ["curtis"], "the answer is on its way"
    setting.say(None, *["curtis"] * 4, now=now)
    setting.answers.clear()
    now += 4 * DIRECTORY_STRANGER_RETRY_S
    assert now < NOW + DIRECTORY_TTL_S
    setting.ask(now=now, patient=True)
    setting.say("curtis", now=now)
    for hub in setting.hubs[1:4]:
        assert setting.answers == []
        hub.answer(Located(["curtis"]), now)
    setting.hubs[4].answer(Located([None]), now)
    assert setting.answers == ["curtis"]
    assert setting.strangers() == {"hub5"}, "hub1 is none any more"


def test_a_request_relies_on_a_stranger_that_was_heard_just_before_the_others_are_asked_anew(
    setting: Setting,
) -> None:
    """What it said is no older for what others had said before."""
    known_with_a_stranger(setting)
    setting.ask(now=NOW + DIRECTORY_STRANGER_RETRY_S)
    setting.say(None, *["curtis"] * 3, now=NOW + DIRECTORY_STRANGER_RETRY_S)
    anew = NOW + 3 * DIRECTORY_STRANGER_RETRY_S
    setting.hubs[4].answer(Located([None]), anew - 0.1)
    assert setting.strangers() == {"hub1", "hub5"}
    setting.answers.clear()
    setting.ask(now=anew + 1.2 * DIRECTORY_STRANGER_RETRY_S, patient=True)
    assert setting.answers == ["curtis"]


def test_strangers_of_long_ago_that_do_not_answer_in_time_are_none(setting: Setting) -> None:
    known_with_a_stranger(setting)
    now = NOW + 2 * DIRECTORY_STRANGER_RETRY_S
    setting.ask(now=now, patient=True)
    for hub in setting.hubs[1:]:
        hub.answer(Located(["curtis"]), now)
    assert setting.answers == [], "hub1 may say something else now"
    setting.timers.run_due(now + DIRECTORY_GRACE_S)
    assert setting.answers == ["curtis"]
    assert setting.strangers() == set()
    assert setting.locator.unsure("sunny") == {0}
    setting.say(None, now=now + 1)
    assert setting.strangers() == {"hub1"}


def test_a_stranger_that_goes_down_is_none_the_less_one(setting: Setting) -> None:
    known_with_a_stranger(setting)
    setting.hubs[0].lose_session(NOW)
    for now in (NOW + DIRECTORY_STRANGER_RETRY_S, NOW + 2 * DIRECTORY_TTL_S):
        setting.ask(now=now)
        for hub in setting.hubs[1:]:
            hub.answer(Located(["curtis"]), now)
        assert setting.strangers() == {"hub1"}


def test_a_hub_that_never_answered_is_asked_as_soon_as_it_is_there(setting: Setting) -> None:
    setting.hubs[4].registered = False
    setting.ask()
    setting.say("curtis", "curtis", "curtis", "curtis")
    assert setting.locator.unsure("sunny") == {4}
    setting.locator.hub_ready(setting.hubs[0], NOW + 1)
    assert len(setting.hubs[0].asked) == 1, "this one has answered"
    setting.hubs[4].registered = True
    setting.locator.hub_ready(setting.hubs[4], NOW + 1)
    assert questions(setting.hubs[4]) == [["sunny"]]
    setting.hubs[4].answer(Located([None]), NOW + 1)
    assert setting.strangers() == {"hub5"}
    setting.locator.hub_ready(setting.hubs[4], NOW + 2)
    assert len(setting.hubs[4].asked) == 1


@pytest.mark.parametrize("nonsense", [None, Located([]), Located(["curtis"] * 2), Error(48, "")])
def test_nonsense_of_a_hub_that_is_there_again_counts_for_nothing(setting: Setting, nonsense) -> None:
    setting.hubs[4].registered = False
    setting.ask()
    setting.say("curtis", "curtis", "curtis", "curtis")
    setting.hubs[4].registered = True
    setting.locator.hub_ready(setting.hubs[4], NOW + 1)
    setting.hubs[4].answer(nonsense, NOW + 1)
    assert setting.strangers() == set()
    assert setting.locator.unsure("sunny") == {4}


def test_nobody_is_asked_of_what_has_expired(setting: Setting) -> None:
    setting.hubs[4].registered = False
    setting.ask()
    setting.say("curtis", "curtis", "curtis", "curtis")
    setting.locator.hub_ready(setting.hubs[4], NOW + DIRECTORY_TTL_S)
    assert not setting.hubs[4].asked


def test_what_was_said_of_another_client_is_given_up(setting: Setting) -> None:
    known_with_a_stranger(setting)
    setting.hubs[0].lose_session(NOW)
    setting.ask(now=NOW + DIRECTORY_STRANGER_RETRY_S)
    for hub in setting.hubs[1:]:
        hub.answer(Located(["celia"]), NOW + DIRECTORY_STRANGER_RETRY_S)
    assert setting.strangers() == set()


def test_answers_of_which_no_k_agree_change_nothing(setting: Setting) -> None:
    known_to_be_at_curtis(setting)
    setting.ask(now=HALF)
    setting.say(None, None, None, "curtis", "curtis", now=HALF)
    assert setting.strangers() == set(), "hubs that were restarted together are no strangers yet"
    assert setting.locator.known("sunny", HALF + 1) == "curtis"


def test_k_hubs_are_never_strangers_together(setting: Setting) -> None:
    """Whatever fewer than k liars say."""
    for said in itertools.product([None, "celia", "curtis"], repeat=2):
        setting.ask(now=NOW + 100 * len(setting.answers))
        setting.say(*said, *["curtis"] * 3, now=NOW + 100 * len(setting.answers))
        assert setting.strangers() <= {"hub1", "hub2"}
        assert setting.answers[-1] == "curtis"


def test_nothing_is_kept_of_a_question_that_all_have_answered(setting: Setting) -> None:
    setting.ask()
    setting.say(None, "curtis", "curtis", "curtis")
    assert setting.locator._known["sunny"].question is not None
    setting.hubs[4].answer(None, NOW)
    assert setting.locator._known["sunny"].question is None
