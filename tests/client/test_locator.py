from __future__ import annotations

import pytest

from dsked.client import locator as module
from dsked.errors import TooFewHubsError, UnknownEncryptorError
from dsked.limits import (
    ACK_LIMIT_S,
    DIRECTORY_GRACE_S,
    DIRECTORY_RETRY_S,
    DIRECTORY_TTL_S,
    MAX_KEYS_PER_FRAME,
    RETRY_MAX_S,
)
from dsked.wire.messages import Error, Located
from tests.client.locating import HALF, NOW, Setting, known_to_be_at_curtis, questions


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_its_own_encryptors_need_no_hub(setting: Setting) -> None:
    setting.locate("sam")
    assert setting.answers == ["carol"]


def test_what_k_hubs_say_alike_is_so(setting: Setting) -> None:
    setting.ask()
    setting.say("curtis", "curtis")
    assert setting.answers == []
    setting.hubs[2].answer(Located(["curtis"]), NOW)
    assert setting.answers == ["curtis"]
    setting.hubs[3].answer(Located(["mallory"]), NOW)
    assert setting.answers == ["curtis"]


@pytest.mark.parametrize(
    "said",
    [
        ("celia", "celia", "curtis", "curtis", "curtis"),
        (None, None, "curtis", "curtis", "curtis"),
        ("curtis", "celia", "curtis", None, "curtis"),
    ],
)
def test_two_liars_or_hubs_that_do_not_know_are_outvoted(
    setting: Setting, said: tuple[str | None, ...]
) -> None:
    setting.ask()
    setting.say(*said)
    assert setting.answers == ["curtis"]


@pytest.mark.parametrize(
    "said", [(None,) * 5, ("celia", "celia", "curtis", "curtis", None), ("celia", "curtis", None, None, None)]
)
def test_without_k_alike_it_is_unknown_once_all_have_answered(setting: Setting, said) -> None:
    setting.ask()
    setting.say(*said)
    assert isinstance(setting.error, UnknownEncryptorError)
    assert "no 3 hubs name the same client" in str(setting.error)


def test_a_turn_asks_each_hub_once_for_all_its_encryptors(setting: Setting) -> None:
    for name in ("sunny", "susan", "sunny", "serena"):
        setting.locate(name)
    setting.locator.turn_ends(NOW)
    assert [questions(hub) for hub in setting.hubs] == [[["sunny", "susan", "serena"]]] * 5
    for hub in setting.hubs[:3]:
        hub.answer(Located(["curtis", "curtis", "celia"]), NOW)
    assert setting.answers == ["curtis", "curtis", "curtis", "celia"]


@pytest.mark.parametrize(
    ("said", "enough"),
    [
        ((None,) * 3, 3),
        (("celia", None, None, None), 4),
        (("celia", "curtis", None, None), 4),
        (("celia",) * 2, 9),
    ],
)
def test_a_hub_that_hangs_is_waited_for_a_moment_where_it_can_change_nothing_but_the_error(
    setting: Setting, said, enough: int
) -> None:
    setting.ask()
    for number, (hub, client) in enumerate(zip(setting.hubs, said, strict=False), 1):
        hub.answer(Located([client]), NOW)
        assert not setting.answers
        assert (setting.timers.next_deadline() == NOW + DIRECTORY_GRACE_S) is (number >= enough)
    setting.timers.run_due(NOW + DIRECTORY_GRACE_S)
    assert bool(setting.answers) is (len(said) >= enough)


def test_late_hubs_are_not_waited_for_where_they_can_change_nothing(setting: Setting) -> None:
    for hub in setting.hubs[3:]:
        hub.late = True
    setting.ask()
    setting.say(None, None, None)
    assert str(setting.error).endswith("for it; no answer from hub4, hub5")


@pytest.mark.parametrize(
    "said", [(None, None, None, "curtis", "curtis"), ("curtis", "curtis", None, None, None)]
)
def test_in_whatever_order_hubs_answer_too_few_in_common_are_told(setting: Setting, said) -> None:
    setting.ask()
    setting.say(*said)
    assert isinstance(setting.error, TooFewHubsError)
    assert str(setting.error).startswith("2 hubs in common")
    setting.timers.run_due(NOW + DIRECTORY_GRACE_S)
    assert len(setting.answers) == 1, "the moment that was waited for is over"


def test_hubs_that_could_not_be_asked_are_told(setting: Setting) -> None:
    """They may know the encryptor."""
    setting.hubs[3].registered = False
    setting.ask()
    for hub in (*setting.hubs[:3], setting.hubs[4]):
        hub.answer(Located([None]), NOW)
    assert str(setting.error).endswith("for it; no answer from hub4")


def test_questions_in_later_turns_join_the_one_under_way(setting: Setting) -> None:
    setting.ask()
    setting.ask()
    assert [len(hub.asked) for hub in setting.hubs] == [1] * 5
    setting.say(*["curtis"] * 3)
    assert setting.answers == ["curtis", "curtis"]


def test_more_names_than_a_frame_holds(setting: Setting) -> None:
    for number in range(MAX_KEYS_PER_FRAME + 1):
        setting.locate(f"sae{number}")
    setting.locator.turn_ends(NOW)
    assert [len(names) for names in questions(setting.hubs[0])] == [MAX_KEYS_PER_FRAME, 1]


def test_too_few_hubs_fail_at_once_and_say_so(setting: Setting) -> None:
    for hub in setting.hubs[:3]:
        hub.registered = False
    setting.ask()
    assert isinstance(setting.error, TooFewHubsError)
    assert "2 of 5 hubs are connected, 3 are needed (hub1: down; hub2: down; hub3: down)" in str(
        setting.error
    )


def test_hubs_that_do_not_answer_end_it_at_the_limit(setting: Setting) -> None:
    setting.ask()
    setting.say("curtis", "curtis")
    setting.timers.run_due(NOW + ACK_LIMIT_S - 0.001)
    assert setting.answers == []
    setting.timers.run_due(NOW + ACK_LIMIT_S)
    assert isinstance(setting.error, TooFewHubsError)
    assert "2 of 5 hubs answered where sunny is, 3 are needed" in str(setting.error)


def test_a_question_lost_with_its_session_is_asked_again(setting: Setting) -> None:
    setting.ask()
    hub = setting.hubs[0]
    hub.lose_session(NOW)
    hub.registered = True
    setting.timers.run_due(NOW + RETRY_MAX_S)
    assert [len(hub.asked) for hub in setting.hubs] == [2, 1, 1, 1, 1]
    setting.say(*["curtis"] * 3)
    assert setting.answers == ["curtis"]


def test_a_hub_that_answered_is_not_asked_again_and_counts_once(setting: Setting) -> None:
    setting.ask()
    setting.say("curtis", "curtis")
    setting.hubs[0].lose_session(NOW)
    setting.hubs[0].registered = True
    setting.timers.run_due(NOW + RETRY_MAX_S)
    assert len(setting.hubs[0].asked) == 1
    assert setting.answers == []


@pytest.mark.parametrize("nonsense", [Located([]), Located(["curtis", "curtis"]), Error(48, "")])
def test_a_nonsensical_answer_counts_for_nothing(setting: Setting, nonsense) -> None:
    setting.ask()
    for hub in setting.hubs[:2]:
        hub.answer(nonsense, NOW)
    for hub in setting.hubs[2:]:
        hub.answer(Located(["curtis"]), NOW)
    assert setting.answers == ["curtis"]


def test_a_hub_that_does_not_read_is_asked_later(setting: Setting) -> None:
    setting.hubs[0].full = True
    setting.ask()
    setting.hubs[0].full = False
    setting.timers.run_due(NOW + RETRY_MAX_S)
    assert len(setting.hubs[0].asked) == 1


def test_an_answer_is_kept_for_a_while(setting: Setting) -> None:
    setting.ask()
    setting.say(*["curtis"] * 3)
    setting.locate(now=NOW + DIRECTORY_TTL_S - 0.001)
    assert setting.answers == ["curtis", "curtis"]
    setting.ask(now=NOW + DIRECTORY_TTL_S)
    assert len(setting.hubs[0].asked) == 2


def test_failures_are_not_kept(setting: Setting) -> None:
    setting.ask()
    setting.say(*[None] * 5)
    setting.ask()
    setting.say(*["curtis"] * 3)
    assert setting.answers[1:] == ["curtis"]


def test_what_is_kept_is_bounded(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED_ENCRYPTORS", 2)
    for name in ("one", "two", "three"):
        setting.ask(name)
        setting.say(*["curtis"] * 3)
        for hub in setting.hubs[3:]:
            hub.answer(Located(["curtis"]), NOW)
    assert [setting.locator.known(name, NOW) for name in ("one", "two", "three")] == [
        None,
        "curtis",
        "curtis",
    ]


def test_nothing_is_left_of_answered_questions(setting: Setting) -> None:
    setting.ask()
    setting.say(*["curtis"] * 5)
    setting.timers.run_due(NOW + 10)
    assert setting.timers.next_deadline() is None
    assert not setting.locator._questions
    assert all(hub.nr_requests == 0 for hub in setting.hubs)


# --- asked for anew before it expires ---


def test_what_is_in_use_is_asked_anew_and_nobody_waits_for_it(setting: Setting) -> None:
    known_to_be_at_curtis(setting)
    setting.ask(now=HALF - 0.001)
    assert len(questions(setting.hubs[0])) == 1
    setting.ask(now=HALF)
    setting.ask(now=HALF)
    assert setting.answers == ["curtis"] * 3
    assert questions(setting.hubs[0]) == [["sunny"]] * 2, "once"
    for hub in setting.hubs:
        hub.answer(Located(["curtis"]), HALF)
    setting.ask(now=HALF + DIRECTORY_TTL_S - 0.001)
    assert setting.answers == ["curtis"] * 4


def test_what_nobody_uses_is_not_asked_anew(setting: Setting) -> None:
    known_to_be_at_curtis(setting)
    setting.locator.turn_ends(HALF)
    assert len(questions(setting.hubs[0])) == 1


def test_an_entry_ends_in_time_where_the_hubs_do_not_answer(setting: Setting) -> None:
    known_to_be_at_curtis(setting)
    setting.ask(now=HALF)
    setting.timers.run_due(HALF + ACK_LIMIT_S)
    setting.ask(now=NOW + DIRECTORY_TTL_S)
    assert setting.answers == ["curtis"], "the second has to wait for the hubs"


def test_hubs_that_do_not_agree_are_asked_seldom(setting: Setting) -> None:
    known_to_be_at_curtis(setting)
    setting.ask(now=HALF)
    for hub in setting.hubs:
        hub.answer(Located([None]), HALF)
    setting.ask(now=HALF + DIRECTORY_RETRY_S - 0.001)
    assert len(questions(setting.hubs[0])) == 2
    setting.ask(now=HALF + DIRECTORY_RETRY_S)
    assert len(questions(setting.hubs[0])) == 3
    assert setting.answers == ["curtis"] * 3


def test_an_encryptor_that_moved_is_found_where_it_is(setting: Setting) -> None:
    known_to_be_at_curtis(setting)
    setting.ask(now=HALF)
    for hub in setting.hubs:
        hub.answer(Located(["celia"]), HALF)
    setting.locate(now=HALF + 1)
    assert setting.answers == ["curtis", "celia"]
