"""Clients that have other hubs than each other: keys over those that they have in common."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from simulating.enemies.liars import LIARS

from dsked.client.stored_place import StoredPair
from dsked.errors import ReconstructionError, TooFewHubsError, UnknownKeyError
from dsked.keys import Key
from dsked.limits import DIRECTORY_STRANGER_RETRY_S
from dsked.wire.messages import GetShares, PutShares
from tests.engines.world import DELAY_S, World

CAROL, CURTIS = ("hub1", "hub2", "hub3", "hub4"), ("hub2", "hub3", "hub4", "hub5")
COMMON = {"hub2", "hub3", "hub4"}
HUBS_OF = {"carol": CAROL, "curtis": CURTIS}


def hubs(first: int, last: int) -> list[str]:
    return [f"hub{number}" for number in range(first, last + 1)]


def world(**settings: Any) -> World:
    return World(**{"hubs_of": HUBS_OF, **settings}).start()


def held(w: World) -> dict[str, int]:
    """How many shares each hub holds."""
    return {name: len(hub.shares) for name, hub in w.hubs.items()}


def heard(w: World, kind: type) -> dict[str, list[Any]]:
    """What each hub hears of this kind from now on."""
    found: dict[str, list[Any]] = {name: [] for name in w.hubs}
    for name, hub in w.hubs.items():
        handler = hub._handlers[kind]

        def hear(
            connection: Any, request_id: int, message: Any, now: float, *, name=name, handler=handler
        ) -> None:
            found[name].append(message)
            handler(connection, request_id, message, now)

        hub._handlers[kind] = hear
    return found


def test_a_key_goes_over_the_common_hubs_alone() -> None:
    w = world()
    puts = heard(w, PutShares)
    keys = w.get_keys("carol", "sam", ["sunny"])
    w.run_for(0.2)
    assert held(w) == {"hub1": 0, "hub2": 1, "hub3": 1, "hub4": 1, "hub5": 0}
    assert {name for name, messages in puts.items() if messages} == COMMON
    assert {(group.n, group.k) for messages in puts.values() for put in messages for group in put.groups} == {
        (3, 3)
    }
    assert w.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_the_first_key_knows_them_already() -> None:
    """It waits for what hub1 says: an acknowledgement of a stranger would count for nothing."""
    w = world(n=7, hubs_of={"carol": hubs(1, 7), "curtis": ["hub5", "hub6", "hub7"]})
    w.delays["hub7"] = 20 * DELAY_S
    keys = w.get_keys("carol", "sam", ["sunny"])
    assert list(held(w).values()) == [0, 0, 0, 0, 1, 1, 1]
    assert w.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_both_ways_and_between_clients_of_all_hubs() -> None:
    w = world()
    back = w.get_keys("curtis", "sunny", ["sam"], 3)
    assert w.get_by_id("carol", "sam", "sunny", back) == back
    for caller, responder, client, other in (
        ("serena", "sunny", "celia", "curtis"),
        ("sam", "serena", "carol", "celia"),
    ):
        keys = w.get_keys(client, caller, [responder])
        assert w.get_by_id(other, responder, caller, keys) == keys


def test_where_all_hubs_are_common_nothing_is_left_out() -> None:
    w = World().start()
    w.get_keys("carol", "sam", ["sunny"])
    w.run_for(0.2)
    assert set(held(w).values()) == {1}


def test_large_keys_and_many_at_once() -> None:
    w = world()
    assert len(w.pair(40)) == 40
    assert len(w.pair(2, 8 * 100_000)) == 2


# --- hubs that are down, or slow ---


def spare() -> World:
    """Four common hubs of seven, k = 3."""
    return world(n=7, hubs_of={"carol": hubs(1, 5), "curtis": hubs(2, 7)})


@pytest.mark.parametrize("down", ["hub1", "hub2", "hub5", "hub7"])
def test_one_hub_down_is_no_matter(down: str) -> None:
    w = spare()
    w.stop_hub(down)
    for _ in range(3):
        w.pair()


@pytest.mark.parametrize("down", ["hub2", "hub4"])
def test_a_common_hub_that_was_down_gets_its_shares_later(down: str) -> None:
    w = spare()
    w.pair()
    w.stop_hub(down)
    keys = w.get_keys("carol", "sam", ["sunny"])
    w.start_hub(down)
    w.run_until(lambda: held(w)[down] == 1)
    w.stop_hub("hub3")
    assert w.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_too_few_common_hubs_that_are_up_fail_at_once_and_are_named() -> None:
    w = world()
    w.pair()
    w.stop_hub("hub3")
    w.run_for(0.1)
    asked_at = w.now
    expected = r"2 of 3 hubs in common \(hub2, hub3, hub4\) are connected, 3 are needed \(hub3: "
    with pytest.raises(TooFewHubsError, match=expected):
        w.get_keys("carol", "sam", ["sunny"])
    assert w.now - asked_at <= 10 * DELAY_S


def test_a_common_hub_that_hangs_ends_in_an_error_that_names_the_common_ones() -> None:
    w = world()
    w.pair()
    w.freeze("hub3")
    with pytest.raises(
        TooFewHubsError, match=r"2 of 3 hubs in common \(hub2, hub3, hub4\) acknowledged in 0.8 s"
    ):
        w.get_keys("carol", "sam", ["sunny"])


def test_a_stranger_that_hangs_delays_nothing_but_the_first_question() -> None:
    w = spare()
    w.freeze("hub1")
    asked_at = w.now
    w.pair()
    assert w.now - asked_at < 0.1
    asked_at = w.now
    w.pair()
    assert w.now - asked_at < 0.1


def test_the_acknowledgement_rule_counts_common_hubs_only() -> None:
    """Of four common hubs three suffice; five, a stranger among them, would wait for four."""
    w = spare()
    w.pair()
    w.delays["hub5"] = 0.2  # one way
    asked_at = w.now
    w.get_keys("carol", "sam", ["sunny"])
    assert w.now - asked_at < 0.04, "not even the grace is waited for"


def test_a_stranger_that_was_down_is_no_help_once_it_is_back() -> None:
    """It is asked at once: its acknowledgement would make a key of what nobody can fetch."""
    w = World(hubs_of=HUBS_OF)
    w.down.add("hub1")
    w.start()
    w.pair()
    w.down.discard("hub1")
    w.run_until(lambda: len(w.clients["carol"].hubs.usable()) == 4, limit_s=60)
    w.run_for(5 * DELAY_S)
    w.stop_hub("hub3")
    with pytest.raises(TooFewHubsError, match=r"2 of 3 hubs in common \(hub2, hub3, hub4\)"):
        w.get_keys("carol", "sam", ["sunny"])


def test_strangers_do_not_count_where_common_hubs_are_late() -> None:
    """Of five common hubs two hang: three are left to wait for, be there ever so many strangers."""
    w = world(n=7, hubs_of={"carol": hubs(1, 7), "curtis": hubs(3, 7)})
    w.pair()
    w.freeze("hub6")
    w.freeze("hub7")
    w.get_keys("carol", "sam", ["sunny"])  # waits one grace for them
    late = {hub.name for hub in w.clients["carol"].hubs if hub.late}
    assert late == {"hub6", "hub7"}, "strangers were not waited for"
    asked_at = w.now
    w.get_keys("carol", "sam", ["sunny"])
    assert w.now - asked_at < 0.02


# --- too few in common ---


def test_too_few_in_common_is_an_error_at_once_that_names_them() -> None:
    w = world(hubs_of={"carol": ["hub1", "hub2", "hub3"], "curtis": ["hub2", "hub3", "hub4", "hub5"]})
    asked_at = w.now
    with pytest.raises(TooFewHubsError) as raised:
        w.get_keys("carol", "sam", ["sunny"])
    assert str(raised.value) == "2 hubs in common (hub2, hub3) with the client of sunny, 3 are needed"
    assert w.now - asked_at <= 10 * DELAY_S
    assert not any(held(w).values())


def test_a_responder_with_too_few_in_common_is_told_so_as_well() -> None:
    w = world(hubs_of={"carol": ["hub1", "hub2", "hub3"], "curtis": ["hub2", "hub3", "hub4", "hub5"]})
    with pytest.raises(TooFewHubsError, match=r"2 hubs in common \(hub2, hub3\) with the client of sam"):
        w.get_by_id("curtis", "sunny", "sam", [bytes(16)])


# --- several responders ---


def test_several_responders_have_the_hubs_common_to_all() -> None:
    w = world(n=6, hubs_of={
        "carol": hubs(1, 6), "curtis": hubs(1, 5),
        "celia": hubs(2, 6),
    })  # fmt: skip
    keys = w.get_keys("carol", "sam", ["sunny", "serena"])
    w.run_for(0.2)
    assert list(held(w).values()) == [0, 1, 1, 1, 1, 0]
    assert w.get_by_id("curtis", "sunny", "sam", keys) == keys
    assert w.get_by_id("celia", "serena", "sam", keys) == keys


def test_responders_with_too_few_common_to_all_fail_though_each_has_enough() -> None:
    w = world(hubs_of={"carol": hubs(1, 5), "curtis": ["hub1", "hub2", "hub3"],
                       "celia": ["hub2", "hub3", "hub4"]})  # fmt: skip
    with pytest.raises(TooFewHubsError) as raised:
        w.get_keys("carol", "sam", ["sunny", "serena"])
    assert str(raised.value) == (
        "2 hubs in common (hub2, hub3) with the clients of serena, sunny, 3 are needed"
    )
    assert w.get_keys("carol", "sam", ["sunny"])
    assert w.get_keys("carol", "sam", ["serena"])


def test_requests_of_one_turn_for_other_responders_go_to_other_hubs() -> None:
    w = world()
    asked = [w.ask_keys("carol", "sam", [name], 2) for name in ("sunny", "serena", "susan")]
    for outcome in asked:
        assert len(w.result(outcome)) == 2
    w.run_for(0.2)
    assert held(w) == {"hub1": 2, "hub2": 6, "hub3": 6, "hub4": 6, "hub5": 0}


# --- the responder ---


def test_strangers_are_not_asked_first_and_are_told_of_no_key() -> None:
    w = world()
    w.pair()
    asked = heard(w, GetShares)
    w.pair()
    assert {name for name, messages in asked.items() if any(one.groups for one in messages)} == COMMON
    w.run_for(12)
    stranger = next(hub for hub in w.clients["curtis"].hubs if hub.name == "hub5")
    assert not stranger.has_confirmations
    assert not any(one.done for one in asked["hub5"])
    assert not any(held(w).values()), "those that have it forget it"


def test_hubs_that_have_learned_meanwhile_are_asked_in_the_second_round() -> None:
    """curtis takes hub1 for a stranger of sam's; carol deals to it already, and to no more than it needs."""
    w = world(hubs_of={"carol": CAROL})
    curtis = w.clients["curtis"]
    w.pair()
    entry = curtis._locator._known["sam"]
    entry.strangers = frozenset({1})
    entry.ask_again_at = w.now + 60
    keys = w.get_keys("carol", "sam", ["sunny"])
    w.run_for(0.2)
    w.stop_hub("hub3")
    assert w.get_by_id("curtis", "sunny", "sam", keys) == keys
    w.run_for(12)
    assert held(w)["hub2"] == 0, "it gave its share, and is told that it may forget it"


def test_a_key_that_was_delivered_is_told_of_as_such_among_many_strangers() -> None:
    w = world(n=8, hubs_of={"carol": ["hub1", "hub2", "hub3"]})
    keys = w.pair()
    w.run_for(6)
    w.restart_client("curtis")
    w.run_for(1)
    with pytest.raises(Exception, match="delivered before, or has expired"):
        w.get_by_id("curtis", "sunny", "sam", keys)


def test_a_responder_takes_a_key_of_fewer_hubs_than_it_has_and_of_more() -> None:
    w = world(n=7, hubs_of={"carol": ["hub1", "hub2", "hub3"]})
    assert w.pair()
    keys = w.get_keys("curtis", "sunny", ["sam"])
    assert w.get_by_id("carol", "sam", "sunny", keys) == keys


# --- what changes ---


def test_a_client_that_gets_a_further_hub_is_dealt_to_there_before_long() -> None:
    w = world()
    w.pair()
    gate_keys = {name: w._gate[name, "hub1"] for name in w.clients}
    w.hubs["hub1"].use_clients(dict(w.owners), gate_keys, {})
    for _ in range(3):
        w.run_for(DIRECTORY_STRANGER_RETRY_S)
        w.get_keys("carol", "sam", ["sunny"])
        w.run_for(0.2)
    assert held(w)["hub1"] > 0


def test_a_client_that_registers_later_where_the_first_to_come_owns_a_name() -> None:
    """Hubs without provisioned owners know an encryptor once its client has registered."""
    w = World()
    w.owners = {}  # none
    for name in w.hub_names:
        w.start_hub(name)
    w.start()
    w.hubs["hub1"].directory.unregister("curtis")
    w.get_keys("carol", "sam", ["sunny"])
    w.run_for(0.2)
    assert held(w)["hub1"] == 0
    w.cut(hub="hub1", client="curtis")  # it registers anew
    w.run_for(DIRECTORY_STRANGER_RETRY_S + 1)
    w.get_keys("carol", "sam", ["sunny"])  # which asks anew
    w.run_for(0.2)
    w.get_keys("carol", "sam", ["sunny"])
    w.run_for(0.2)
    assert held(w)["hub1"] > 0


# --- keys that are held ready ---


def test_stored_keys_go_over_the_common_hubs() -> None:
    w = world(stored={"carol": (StoredPair("sam", "sunny", 4, 32), StoredPair("sam", "serena", 4, 32))})
    carol = w.clients["carol"]
    w.run_until(
        lambda: (
            carol.stored_keys("sam", "sunny", w.now)[0] == 4
            and carol.stored_keys("sam", "serena", w.now)[0] == 4
        )
    )
    assert held(w) == {"hub1": 4, "hub2": 8, "hub3": 8, "hub4": 8, "hub5": 0}
    asked = w.ask_keys("carol", "sam", ["sunny"], 2)
    assert isinstance(asked[0], list), "at once"
    assert w.get_by_id("curtis", "sunny", "sam", asked[0]) == asked[0]


def test_stored_keys_need_the_common_hubs_and_no_others() -> None:
    w = world(stored={"carol": (StoredPair("sam", "sunny", 4, 32),)})
    carol = w.clients["carol"]
    w.run_until(lambda: carol.stored_keys("sam", "sunny", w.now)[0] == 4)
    w.stop_hub("hub1")
    w.run_for(0.1)
    assert carol.stored_keys("sam", "sunny", w.now)[0] == 4
    w.stop_hub("hub2")
    w.run_for(0.1)
    assert carol.stored_keys("sam", "sunny", w.now)[0] == 0
    [place] = carol.status(w.now)["stored_keys"]
    assert "2 of 3 hubs in common (hub2, hub3, hub4) are connected" in place["problem"]


def test_stored_keys_with_too_few_common_hubs_say_why() -> None:
    w = world(hubs_of={"carol": ["hub1", "hub2", "hub3"], "curtis": ["hub2", "hub3", "hub4"]},
              stored={"carol": (StoredPair("sam", "sunny", 4, 32),)})  # fmt: skip
    w.run_for(5)
    [place] = w.clients["carol"].status(w.now)["stored_keys"]
    assert place["problem"] == "2 hubs in common (hub2, hub3) with the client of sunny, 3 are needed"


# --- the audit log ---


def test_the_audit_log_tells_through_which_hubs() -> None:
    w = world()
    w.pair()
    [established] = [fields for event, fields in w.audited if event == "established"]
    [delivered] = [fields for event, fields in w.audited if event == "delivered"]
    assert set(established["hubs"]) == COMMON
    assert set(delivered["hubs"]) == COMMON


# --- hubs that lie ---

LIES = [
    "empty-directory",
    "false-directory",
    "flickering-directory",
    "knows-others-encryptors",
]


@pytest.mark.parametrize(("lie", "liar"), list(itertools.product(LIES, ["hub1", "hub2"])))
def test_one_that_lies_about_who_is_common_prevents_no_key(lie: str, liar: str) -> None:
    w = world(
        n=6, hub_classes={liar: LIARS[lie]},
        hubs_of={"carol": hubs(1, 5), "curtis": hubs(2, 6)},
    )  # fmt: skip
    for _ in range(4):
        w.pair()
        w.run_for(3)


@pytest.mark.full
def test_two_that_lie_of_five_common_hubs_prevent_no_key() -> None:
    for one, other in itertools.combinations(LIES, 2):
        w = World(hub_classes={"hub1": LIARS[one], "hub4": LIARS[other]}).start()
        for _ in range(2):
            w.pair()
            w.run_for(2)


def test_a_stranger_that_says_that_it_knows_gets_one_share_and_nothing_else() -> None:
    """hub1 names curtis for sunny: as a hub that loses what it is given."""
    w = world(hubs_of={"carol": hubs(1, 5), "curtis": hubs(2, 5)},
              hub_classes={"hub1": LIARS["knows-others-encryptors"]})  # fmt: skip
    w.pair()
    for _ in range(3):
        w.run_for(DIRECTORY_STRANGER_RETRY_S)
        w.pair()
    w.stop_hub("hub5")
    w.pair()


@pytest.mark.parametrize(
    "lie", ["alters-share", "deals-what-never-was", "other-n", "says-not-named", "deals-for-two"]
)
def test_hubs_of_the_responder_that_were_dealt_nothing_can_invent_no_key(lie: str) -> None:
    """Strangers to the key, they give shares of it all the same, in every round but the first."""
    kind = LIARS[lie]
    w = world(n=6, hubs_of={"carol": hubs(1, 4), "curtis": hubs(1, 6)},
              hub_classes={"hub5": kind, "hub6": kind})  # fmt: skip
    for _ in range(5):
        w.pair()


def test_a_key_that_nobody_dealt_is_not_found() -> None:
    w = world()
    w.pair()
    with pytest.raises((UnknownKeyError, ReconstructionError)):
        w.get_by_id("curtis", "sunny", "sam", [Key(bytes(15) + b"x", b"").key_id])
