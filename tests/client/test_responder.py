from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from dsked.client import delivered as delivered_module
from dsked.client import fetches as fetches_module
from dsked.client.evidence import Evidence
from dsked.client.responder import Responder
from dsked.errors import (
    AlreadyDeliveredError,
    DskedError,
    ErrorCode,
    LimitError,
    NotNamedError,
    ReconstructionError,
    TooFewHubsError,
    UnknownKeyError,
)
from dsked.keys import Key, Outcome
from dsked.limits import DONE_FLUSH_S, FETCH_DEADLINE_S, MAX_KEYS_PER_FRAME, RETRY_FIRST_S, SET_ASIDE_FIRST_S
from dsked.sharing.dealing import HubShare, deal
from dsked.sharing.terms import Party, Terms, responder_clients, sort_parties
from dsked.timers import Timers
from dsked.wire.messages import (
    Confirmed,
    Error,
    GetShares,
    Missing,
    PartyBody,
    ShareGroup,
    Shares,
    cut_key_ids,
)
from tests.client.fakes import FakeHub, fake_hubs

NOW = 1000.0
SAM = Party("carol", "sam")
RANDOM = random.Random(1).randbytes
UNKNOWN = ErrorCode.UNKNOWN_KEY


class Dealing:
    """A key that sam of carol has dealt to five hubs, k = 3."""

    def __init__(self, *responders: tuple[str, str], key_bytes: int = 32) -> None:
        named = sort_parties({Party(*party) for party in responders or (("curtis", "sunny"),)})
        self.terms = Terms(1, 5, 3, SAM, named, key_bytes)
        self.key_id, self.key = RANDOM(16), RANDOM(key_bytes)
        self.shares: list[HubShare] = [
            shares[0] for shares in deal([(self.key_id, self.key)], self.terms, (1, 2, 3, 4, 5), RANDOM)
        ]

    def group(self, x: int, *, start: int = 0, end: int | None = None, flip: int = 0) -> ShareGroup:
        """What hub x says of it; `flip` alters the share."""
        hub_share = self.shares[x - 1]
        code = hub_share.codes[responder_clients(self.terms).index("curtis")] if start == 0 else b""
        share = bytes([hub_share.share[0] ^ flip]) + hub_share.share[1:]
        return ShareGroup(
            PartyBody(*self.terms.initiator), [PartyBody(*party) for party in self.terms.responders],
            5, 3, self.terms.key_bytes, self.key_id, start, share[start:end], code,
        )  # fmt: skip


class Setting:
    """The responder of curtis among five hubs."""

    def __init__(self) -> None:
        self.hubs, hubs = fake_hubs()
        self.timers = Timers()
        self.evidence = Evidence()
        self.notices: list[str] = []
        self.now = NOW
        self.responder = Responder(
            "curtis", hubs, self.evidence, self.timers, 60.0, lambda level, text: self.notices.append(text)
        )

    def ask(self, *dealings: Dealing, caller: str = "sunny", initiator: Party = SAM) -> list[Outcome]:
        outcome: list[Outcome] = []
        ids = [dealing.key_id for dealing in dealings]
        self.responder.get_keys_by_id(caller, initiator, ids, outcome.append, self.now)
        self.responder.turn_ends(self.now)
        return outcome

    def say(self, xs: Iterable[int], *dealings: Dealing, flip: int = 0) -> None:
        """These hubs answer with their shares, each in a turn of its own."""
        for x in xs:
            self.hubs[x - 1].answer(
                Shares([dealing.group(x, flip=flip) for dealing in dealings], []), self.now
            )
            self.responder.turn_ends(self.now)

    def deny(self, xs: Iterable[int], dealing: Dealing, code: int = UNKNOWN) -> None:
        for x in xs:
            missing = [Missing("carol", int(code), dealing.key_id)]
            self.hubs[x - 1].answer(Shares([], missing), self.now)
            self.responder.turn_ends(self.now)

    def at(self, after_s: float) -> None:
        self.now = NOW + after_s
        self.timers.run_due(self.now)
        self.responder.turn_ends(self.now)

    @property
    def nr_asked(self) -> list[int]:
        return [len(hub.asked) for hub in self.hubs]


def gets(hub: FakeHub) -> list[GetShares]:
    return [message for _, message in hub.asked if isinstance(message, GetShares)]


def keys_of(*dealings: Dealing) -> list[Key]:
    return [Key(dealing.key_id, dealing.key) for dealing in dealings]


def error_of(outcome: list[Outcome]) -> DskedError:
    [error] = outcome
    assert isinstance(error, DskedError), error
    return error


@pytest.fixture
def setting() -> Setting:
    return Setting()


# --- asking ---


def mismatches(setting: Setting) -> dict[str, object]:
    """By hub: what status would tell of it, where there is anything."""
    told = {hub.name: setting.evidence.report(hub.name, NOW)["mismatches"] for hub in setting.hubs}
    return {hub: number for hub, number in told.items() if number}


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


# --- liars ---


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
        f"hub hub1 gave a share that differs from the key {dealing.key_id.hex()} of initiator carol "
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

    first = lie_about(7)[0].key_id.hex()
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


# --- handing out ---


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
