"""A key end to end on the pure engines: quiet, and with hubs down, slow, restarted."""

from __future__ import annotations

import pytest

from dsked.errors import (
    AlreadyDeliveredError,
    BadKeyIdError,
    BadKeySizeError,
    BadNumberError,
    NotNamedError,
    NotOwnerError,
    RequestError,
    TooFewHubsError,
    UnknownEncryptorError,
    UnknownKeyError,
)
from dsked.limits import ACK_GRACE_S, ACK_LIMIT_S, FETCH_DEADLINE_S
from tests.engines.world import DELAY_S, Link, World


@pytest.fixture
def world() -> World:
    return World().start()


@pytest.mark.parametrize(
    ("number", "bits"),
    [(1, 32), (1, 128), (128, 256), (1, 8192), (1, 8200), (3, 1_000_000), (1, 16_777_216)],
)
def test_both_ends_hold_the_same_keys(world: World, number: int, bits: int) -> None:
    keys = world.pair(number, bits)
    assert len({key.key_id for key in keys}) == number
    assert all(len(key.key) == bits // 8 for key in keys)
    assert len({key.key for key in keys}) == number


def test_requests_of_one_turn_travel_in_one_frame_per_hub(world: World) -> None:
    world.pair()  # the directory is known now
    for link in world.links:
        link.frames_to_hub.clear()
    outcomes = [world.ask_keys("carol", "sam", ["sunny"]) for _ in range(64)]
    world.run_until(lambda: all(outcomes))
    for link in world.links:
        writes = [data for data in link.frames_to_hub if data[5] == 0x10]
        assert len(writes) == (1 if link.client == "carol" else 0)


def test_one_round_trip_for_each_half(world: World) -> None:
    world.pair()
    start = world.now
    keys = world.get_keys("carol", "sam", ["sunny"])
    assert world.now - start == pytest.approx(2 * DELAY_S)
    start = world.now
    world.get_by_id("curtis", "sunny", "sam", keys)
    assert world.now - start == pytest.approx(2 * DELAY_S)


def test_hubs_forget_shares_once_the_responder_has_the_key(world: World) -> None:
    world.pair()
    world.run_for(6)  # confirmations travel alone after 5 s
    assert all(len(hub.shares) == 0 for hub in world.hubs.values())


def test_two_hubs_down_cost_nothing(world: World) -> None:
    world.pair()
    world.stop_hub("hub1")
    world.stop_hub("hub4")
    start = world.now
    world.pair()
    assert world.now - start == pytest.approx(4 * DELAY_S)


def test_three_hubs_down_fail_at_once_and_say_so(world: World) -> None:
    for name in ("hub1", "hub2", "hub3"):
        world.stop_hub(name)
    with pytest.raises(TooFewHubsError, match=r"2 of 5 hubs are connected, 3 are needed .*hub1"):
        world.get_keys("carol", "sam", ["sunny"])
    start = world.now
    with pytest.raises(TooFewHubsError, match="2 of 5 hubs are connected, 3 are needed"):
        world.get_by_id("curtis", "sunny", "sam", [bytes(16)])
    assert world.now == start
    world.start_hub("hub2")
    world.run_until(lambda: len(world.clients["carol"].hubs.usable()) == 3, 2.0)
    world.run_until(lambda: len(world.clients["curtis"].hubs.usable()) == 3, 2.0)
    world.pair()


def test_all_hubs_restart_one_after_the_other(world: World) -> None:
    for name in world.hub_names:
        world.stop_hub(name)
        world.pair()
        world.start_hub(name)
        world.pair()
        world.run_until(lambda: all(len(c.hubs.usable()) == 5 for c in world.clients.values()))
        world.pair()


def test_a_client_restarts(world: World) -> None:
    world.pair()
    world.restart_client("curtis")
    world.start()
    world.pair()
    world.restart_client("carol")
    world.start()
    world.pair()


def test_a_hung_hub_costs_one_grace_and_then_nothing(world: World) -> None:
    world.pair()
    world.freeze("hub1")
    world.freeze("hub2")
    durations = []
    for _ in range(3):
        start = world.now
        world.pair()
        durations.append(world.now - start)
    assert durations[0] == pytest.approx(ACK_GRACE_S + 4 * DELAY_S)
    assert durations[1:] == [pytest.approx(4 * DELAY_S)] * 2
    late = [hub.name for hub in world.clients["carol"].hubs if hub.late]
    assert late == ["hub1", "hub2"]
    world.thaw("hub1")
    world.thaw("hub2")
    world.run_for(0.1)
    world.pair()
    world.run_for(0.1)
    assert not any(hub.late for hub in world.clients["carol"].hubs)


def test_three_hung_hubs_fail_within_the_limit(world: World) -> None:
    world.pair()
    for name in ("hub1", "hub2", "hub3"):
        world.freeze(name)
    start = world.now
    with pytest.raises(TooFewHubsError, match=r"2 of 5 hubs acknowledged in 0\.8 s, 3 are needed"):
        world.get_keys("carol", "sam", ["sunny"])
    assert world.now - start <= ACK_LIMIT_S + DELAY_S


def test_a_key_survives_hubs_lost_after_it_was_answered(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.stop_hub("hub2")
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_shares_for_a_hub_that_was_down_follow_when_it_is_back(world: World) -> None:
    """Answered by three hubs, two of them lost afterwards: the two that come back have it in the end."""
    world.stop_hub("hub1")
    world.stop_hub("hub2")
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.start_hub("hub1")
    world.start_hub("hub2")
    world.run_until(lambda: all(len(c.hubs.usable()) == 5 for c in world.clients.values()))
    world.run_for(0.1)
    world.stop_hub("hub3")
    world.stop_hub("hub4")
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_a_lost_connection_after_put_resends_the_same_share(world: World) -> None:
    world.pair()
    outcome = world.ask_keys("carol", "sam", ["sunny"], 4, 256)
    world.end_turns()  # the shares are on the wire
    world.cut(client="carol")
    keys = world.result(outcome, 2.0)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    assert not [text for text in world.warnings() if "differs" in text]


def test_a_responder_that_asks_before_the_shares_are_there_waits_for_them(world: World) -> None:
    world.pair()
    for name in ("hub1", "hub2", "hub3"):
        world.freeze(name)
    outcome = world.ask_keys("carol", "sam", ["sunny"])
    world.run_for(0.1)
    *_, key_id = world.hubs["hub4"].shares._accounts["carol"].lots
    for name in ("hub1", "hub2", "hub3"):
        world.thaw(name)
    theirs = world.ask_by_id("curtis", "sunny", "sam", [key_id])
    assert world.result(theirs, FETCH_DEADLINE_S) == world.result(outcome)


def test_a_lost_answer_does_not_lose_the_key(world: World) -> None:
    world.pair()
    keys = world.get_keys("carol", "sam", ["sunny"])
    outcome = world.ask_by_id("curtis", "sunny", "sam", keys)
    world.end_turns()
    world.step()  # the hubs have delivered, their answers are on the wire
    assert not outcome
    world.cut(client="curtis")
    assert world.result(outcome, 2.0) == keys


def test_another_process_of_the_client_does_not_get_what_was_delivered(world: World) -> None:
    world.pair()
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.ask_by_id("curtis", "sunny", "sam", keys)
    world.end_turns()
    world.step()  # the hubs have delivered, their answers are on the wire
    world.restart_client("curtis")
    world.start()
    with pytest.raises(AlreadyDeliveredError):
        world.get_by_id("curtis", "sunny", "sam", keys)


def test_each_encryptor_gets_a_key_once(world: World) -> None:
    keys = world.pair()
    with pytest.raises(AlreadyDeliveredError):
        world.get_by_id("curtis", "sunny", "sam", keys)
    world.run_for(61)
    with pytest.raises((AlreadyDeliveredError, UnknownKeyError)):
        world.get_by_id("curtis", "sunny", "sam", keys)


def test_two_requests_at_once_for_one_key_give_it_once(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"])
    outcomes = [world.ask_by_id("curtis", "sunny", "sam", keys) for _ in range(2)]
    world.run_until(lambda: all(outcomes))
    kinds = sorted(type(outcome[0]).__name__ for outcome in outcomes)
    assert kinds == ["AlreadyDeliveredError", "list"]


def test_who_asks_in_the_turn_that_brings_the_key_to_others_is_answered_once(world: World) -> None:
    """The shares come at the deadline of one encryptor, and another one asks at that moment."""
    world.pair()
    keys = world.get_keys("carol", "sam", ["sunny", "susan"])
    curtis = world.clients["curtis"]
    links = [link for link in world.links if link.client == "curtis"]
    late: dict[Link, list[bytes]] = {link: [] for link in links}
    for link in links:
        link._to_client = late[link].append  # type: ignore[method-assign]
    sunny = world.ask_by_id("curtis", "sunny", "sam", keys)
    world.run_for(FETCH_DEADLINE_S - DELAY_S)
    now = world.now + DELAY_S
    for link, pieces in late.items():
        for data in pieces:
            curtis.receive(link.near, data, now)
    susan = world.ask_by_id("curtis", "susan", "sam", keys)
    curtis.tick(now)
    curtis.turn_ends(now)
    assert sunny == susan == [keys]


def test_who_is_told_that_it_has_a_key_has_been_given_it(world: World) -> None:
    """Two requests of one encryptor in one turn, which have a key in common: the refusal comes second."""
    world.pair()
    keys = world.get_keys("carol", "sam", ["sunny"], 5)
    curtis, told = world.clients["curtis"], []
    for wanted in (keys[:1], keys):
        ids = [key.key_id for key in wanted]
        curtis.get_keys_by_id("sunny", "sam", ids, lambda outcome: told.append(type(outcome)), world.now)
    world.run_for(4 * DELAY_S)
    assert told == [list, AlreadyDeliveredError]
    assert world.get_by_id("curtis", "sunny", "sam", keys[1:]) == keys[1:]


def test_multicast_to_three_encryptors_on_two_clients(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny", "susan", "serena"], 5, 256)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    assert world.get_by_id("celia", "serena", "sam", keys) == keys
    assert world.get_by_id("curtis", "susan", "sam", keys) == keys
    with pytest.raises(AlreadyDeliveredError):
        world.get_by_id("curtis", "susan", "sam", keys)


def test_an_encryptor_of_the_same_client_that_was_not_named_is_refused(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(NotNamedError):
        world.get_by_id("curtis", "susan", "sam", keys)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_an_encryptor_of_another_client_that_was_not_named_is_refused(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(NotNamedError):
        world.get_by_id("celia", "serena", "sam", keys)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_a_key_asked_for_under_another_initiator_is_not_found(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"])
    with pytest.raises(UnknownKeyError):
        world.get_by_id("curtis", "sunny", "serena", keys)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_an_unknown_key_is_refused_at_the_deadline(world: World) -> None:
    world.pair()
    start = world.now
    with pytest.raises(UnknownKeyError, match="one or more keys specified are not found on KME"):
        world.get_by_id("curtis", "sunny", "sam", [bytes(16)])
    assert world.now - start <= FETCH_DEADLINE_S + 2 * DELAY_S


def test_one_unknown_key_of_several_fails_all_and_loses_none(world: World) -> None:
    keys = world.get_keys("carol", "sam", ["sunny"], 3, 256)
    with pytest.raises(UnknownKeyError):
        world.get_by_id("curtis", "sunny", "sam", [*keys, bytes(16)])
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_a_directory_answer_lost_with_its_connection_is_asked_for_again(world: World) -> None:
    outcome = world.ask_keys("carol", "sam", ["sunny"])
    world.end_turns()  # the questions are on the wire
    world.cut(client="carol")
    assert len(world.result(outcome, 2.0)) == 1


def test_an_expired_key_is_not_found() -> None:
    world = World(share_timeout_s=5.0).start()
    keys = world.get_keys("carol", "sam", ["sunny"])
    world.run_for(6)
    with pytest.raises((UnknownKeyError, AlreadyDeliveredError)):
        world.get_by_id("curtis", "sunny", "sam", keys)
    assert all(len(hub.shares) == 0 for hub in world.hubs.values())


@pytest.mark.parametrize(
    ("caller", "responders", "number", "bits", "error", "text"),
    [
        ("sam", ["nobody"], 1, 256, UnknownEncryptorError, "nobody"),
        ("sunny", ["sam"], 1, 256, NotOwnerError, "not an encryptor of client carol"),
        ("sam", ["sunny"], 1, 0, BadKeySizeError, "32 to 16777216"),
        ("sam", ["sunny"], 1, -8, BadKeySizeError, "32 to 16777216"),
        ("sam", ["sunny"], 1, 127, BadKeySizeError, "multiple of 8"),
        ("sam", ["sunny"], 1, 24, BadKeySizeError, "32 to 16777216"),
        ("sam", ["sunny"], 1, 16_777_224, BadKeySizeError, "32 to 16777216"),
        ("sam", ["sunny"], 0, 256, BadNumberError, "1 to 128"),
        ("sam", ["sunny"], 129, 256, BadNumberError, "1 to 128"),
        ("sam", ["sunny"], 2, 16_777_216, BadNumberError, "16777216 bits in all"),
        ("sam", ["sam"], 1, 256, RequestError, "its own key"),
        ("sam", [], 1, 256, RequestError, "1 to 32 responders"),
    ],
)
def test_bad_key_requests_say_what_is_expected(
    world: World,
    caller: str,
    responders: list[str],
    number: int,
    bits: int,
    error: type[Exception],
    text: str,
) -> None:
    with pytest.raises(error, match=text):
        world.get_keys("carol", caller, responders, number, bits)
    world.pair()


def test_bad_key_ids_say_what_is_expected(world: World) -> None:
    with pytest.raises(BadKeyIdError, match="16 bytes"):
        world.get_by_id("curtis", "sunny", "sam", [b"short"])
    with pytest.raises(BadKeyIdError, match="twice"):
        world.get_by_id("curtis", "sunny", "sam", [bytes(16), bytes(16)])
    with pytest.raises(BadNumberError, match="1 to 128"):
        world.get_by_id("curtis", "sunny", "sam", [])
    with pytest.raises(NotOwnerError):
        world.get_by_id("curtis", "sam", "sunny", [bytes(16)])
    with pytest.raises(UnknownEncryptorError):
        world.get_by_id("curtis", "sunny", "nobody", [bytes(16)])


def test_a_client_that_claims_an_encryptor_of_another_is_refused() -> None:
    world = World()
    world.owners["carol"] = ()
    for name in world.hub_names:
        world.start_hub(name)
    world.run_for(1)
    assert world.clients["carol"].hubs.usable() == []
    with pytest.raises(TooFewHubsError, match="refused the registration of sam"):
        world.get_keys("carol", "sam", ["sunny"])
    assert len(world.clients["curtis"].hubs.usable()) == 5


def test_a_burst_right_after_start_finds_pads(world: World) -> None:
    outcomes = [world.ask_keys("carol", "sam", ["sunny"], 8, 1024) for _ in range(64)]
    world.run_until(lambda: all(outcomes))
    for outcome in outcomes:
        keys = world.result(outcome)
        assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_a_clean_stop_frees_the_names(world: World) -> None:
    world.clients["curtis"].stop()
    world.clients["curtis"].unregister()
    world.run_for(0.1)
    assert all(not hub.directory.is_registered("curtis") for hub in world.hubs.values())
