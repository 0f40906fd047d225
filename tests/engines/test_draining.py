"""A hub that drains, and one that only says so."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dsked.client.stored_place import StoredPair
from dsked.errors import ErrorCode, TooFewHubsError
from dsked.hub.engine import HubEngine
from dsked.wire.connection import HubConnection
from dsked.wire.messages import Error, PutShares, PutSharesAck
from tests.attacks.attackers import as_client, as_hub, connected, link_of, put, say, share
from tests.engines.lying import OwnHandlers
from tests.engines.world import World

DRAINS = Error(int(ErrorCode.SHUTTING_DOWN), "x")


@pytest.fixture
def world() -> World:
    return World().start()


def drain(world: World, hub: str) -> tuple[int, float]:
    left = world.hubs[hub].drain(world.now)
    world.run_for(0.05)
    return left


def restart(world: World, hub: str) -> None:
    world.stop_hub(hub)
    world.start_hub(hub)
    world.run_until(lambda: hub in names(world.clients["carol"].hubs.taking()))


def names(hubs: list[Any]) -> list[str]:
    return [hub.name for hub in hubs]


def test_no_new_share_goes_to_a_hub_that_drains_and_its_shares_can_still_be_fetched(world: World) -> None:
    before = world.get_keys("carol", "sam", ["sunny"])
    assert drain(world, "hub1") == (1, pytest.approx(60, abs=0.2))
    for client in world.clients.values():
        assert names(client.hubs.usable()) == world.hub_names
        assert names(client.hubs.taking()) == world.hub_names[1:]
    world.get_keys("carol", "sam", ["sunny"])
    assert len(world.hubs["hub1"].shares) == 1
    for hub in ("hub4", "hub5"):
        world.stop_hub(hub)
    assert world.get_by_id("curtis", "sunny", "sam", before) == before, (
        "hub1 is one of the three that are left"
    )


def test_a_share_that_was_fetched_is_confirmed_at_once_to_a_hub_that_drains(world: World) -> None:
    world.pair()
    assert len(world.hubs["hub1"].shares) == 1, "confirmations are not urgent"
    drain(world, "hub1")
    assert [len(world.hubs[hub].shares) for hub in ("hub1", "hub2")] == [0, 1]
    assert world.hubs["hub1"].is_drained
    later = world.get_keys("carol", "sam", ["sunny"])
    drain(world, "hub2")
    world.get_by_id("curtis", "sunny", "sam", later)
    world.run_for(0.05)
    assert world.hubs["hub2"].is_drained, "what is rebuilt while it drains is confirmed at once as well"


def test_shares_that_nobody_fetches_time_out(world: World) -> None:
    world.get_keys("carol", "sam", ["sunny"])
    _, seconds = drain(world, "hub1")
    assert not world.hubs["hub1"].is_drained
    world.run_for(seconds + 0.2)
    assert world.hubs["hub1"].is_drained
    assert world.hubs["hub1"].drain(world.now) == (0, 0.0)


def test_the_next_process_of_a_hub_gets_the_shares_that_it_missed(world: World) -> None:
    drain(world, "hub1")
    keys = world.get_keys("carol", "sam", ["sunny"])
    restart(world, "hub1")
    world.run_for(0.1)
    assert len(world.hubs["hub1"].shares) == 1
    for hub in ("hub2", "hub3"):
        world.stop_hub(hub)
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys


def test_all_hubs_are_rolled_and_no_request_fails() -> None:
    world = World(share_timeout_s=5.0).start()
    for hub in world.hub_names:
        waiting = world.get_keys("carol", "sam", ["sunny"])
        asked = world.ask_keys("carol", "sam", ["sunny"])  # its shares are on their way when it begins
        world.end_turns()
        drain(world, hub)
        world.pair()
        restart(world, hub)
        fresh = world.result(asked)
        assert world.get_by_id("curtis", "sunny", "sam", [*waiting, *fresh]) == [*waiting, *fresh]
    assert not world.warnings()


def test_shares_on_their_way_when_it_begins_are_kept_for_its_next_process(world: World) -> None:
    asked = world.ask_keys("carol", "sam", ["sunny"])
    world.end_turns()
    begun = world.now
    drain(world, "hub1")
    assert len(world.result(asked)) == 1
    assert world.now - begun < 0.06, "nobody waited for it"
    assert not world.hubs["hub1"].shares
    restart(world, "hub1")
    world.run_for(0.1)
    assert len(world.hubs["hub1"].shares) == 1


def test_fewer_than_k_that_take_shares_refuse_at_once_and_say_why(world: World) -> None:
    for hub in ("hub1", "hub2", "hub3"):
        drain(world, hub)
    with pytest.raises(TooFewHubsError, match=r"2 of 5 hubs take new shares, 3 are needed \(hub1: takes no"):
        world.get_keys("carol", "sam", ["sunny"])
    assert "2 of 5 hubs take new shares" in str(world.clients["carol"].readiness())


def test_who_connects_later_is_told_before_it_registers(world: World) -> None:
    drain(world, "hub1")
    world.restart_client("carol")
    world.run_until(lambda: len(world.clients["carol"].hubs.usable()) == 5)
    assert names(world.clients["carol"].hubs.taking()) == world.hub_names[1:]


def test_stored_keys_are_replaced_on_the_other_hubs_before_the_hub_is_gone() -> None:
    world = World(stored={"carol": [StoredPair("sam", "sunny", 8, 32)]})
    world.down |= {"hub5"}
    world.start()
    carol = world.clients["carol"]
    world.run_until(lambda: carol.stored_keys("sam", "sunny", world.now)[0] == 8)
    drain(world, "hub1")
    held = len(world.hubs["hub1"].shares)
    ends = world.now + 60
    world.run_until(lambda: world.now > ends and carol.stored_keys("sam", "sunny", world.now)[0] == 8, 70)
    assert world.hubs["hub1"].is_drained and held >= 8, "all of them have been dealt without it"
    world.stop_hub("hub1")
    assert len(world.pair(8, 256)) == 8


def test_status_tells_that_a_hub_drains(world: World) -> None:
    drain(world, "hub1")
    assert world.hubs["hub1"].status()["draining"]
    seen = {hub["hub_name"]: hub["draining"] for hub in world.clients["carol"].status(world.now)["peer_hubs"]}
    assert seen == {hub: hub == "hub1" for hub in world.hub_names}
    restart(world, "hub1")
    assert not any(hub["draining"] for hub in world.clients["carol"].status(world.now)["peer_hubs"])


def test_a_share_of_which_a_piece_is_there_is_finished(world: World) -> None:
    curtis = as_client(world, "carol")
    say(world, curtis, put(share(share=b"ab"), key_bytes=4))
    drain(world, "hub1")
    say(world, curtis, put(share(share=b"cd", offset=2), key_bytes=4))
    [lot] = [world.hubs["hub1"].shares.find("carol", b"\x0a" * 16)]
    assert lot is not None and lot.complete


def test_a_crowd_is_told_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsked.hub.draining.MAX_TOLD_PER_TURN", 4)
    world = World(n=1, k=1, clients={f"client{number}": () for number in range(9)}).start()
    hub = world.hubs["hub1"]
    hub.drain(world.now)
    assert sum(bool(link.far.data_to_send()) for link in world.links) == 4
    assert not hub.is_drained
    world.run_for(0.1)
    assert hub.is_drained
    assert sum(not client.hubs.taking() for client in world.clients.values()) == 5, (
        "the others' was taken here"
    )


# --- attacks ---


def test_one_that_only_claims_to_drain_is_without_new_shares_and_nothing_else(world: World) -> None:
    for client in world.clients:
        as_hub(world, client).send(0, DRAINS)
        link_of(world, client).flush()
    world.run_for(0.01)
    held = len(world.hubs["hub1"].shares)
    world.pair(8, 256)
    assert len(world.hubs["hub1"].shares) == held
    for hub in ("hub2", "hub3"):
        world.stop_hub(hub)
    with pytest.raises(TooFewHubsError):
        world.get_keys("carol", "sam", ["sunny"])
    world.cut(hub="hub1")
    world.run_until(lambda: len(world.clients["carol"].hubs.taking()) == 3)
    world.get_keys("carol", "sam", ["sunny"])


def test_one_that_claims_it_again_and_again_fills_no_log(world: World) -> None:
    for _ in range(200):
        as_hub(world, "carol").send(0, DRAINS)
        link_of(world, "carol").flush()
        world.run_for(0.005)
    said = [text for _, text in world.notices if "takes no new shares" in text]
    assert said == ["hub hub1 takes no new shares: it is drained, or stops"]
    assert connected(world, "carol")


def test_a_hub_that_says_it_in_every_acknowledgement_is_left_alone(world: World) -> None:
    class Refusing(OwnHandlers):
        def _put_shares(
            self, connection: HubConnection, request_id: int, message: PutShares, now: float
        ) -> None:
            number = sum(group.number for group in message.groups)
            connection.send(request_id, PutSharesAck(bytes([ErrorCode.SHUTTING_DOWN]) * number))

    liar = World(hub_classes={"hub1": Refusing, "hub2": Refusing}).start()
    for _ in range(5):
        liar.pair(16, 256)
    assert names(liar.clients["carol"].hubs.taking()) == ["hub3", "hub4", "hub5"]


def test_an_outsider_cannot_say_it_for_a_hub(world: World) -> None:
    """What is not under the session's tag ends the session at most, and changes nothing else."""
    link = link_of(world, "carol")
    as_hub(world, "carol").send(0, DRAINS)
    genuine = link.far.data_to_send()
    forged = genuine[:-1] + bytes([genuine[-1] ^ 1])
    link._to_client(forged)
    peer = world.clients["carol"].hubs["hub1"]
    assert not peer.drains and not link.open
    world.run_until(lambda: peer.takes_shares)
    fresh = link_of(world, "carol")
    fresh._to_client(genuine)  # what the hub said in another session
    assert not peer.drains and not fresh.open


def test_other_advice_without_a_request_is_dropped(world: World) -> None:
    for code in (ErrorCode.OK, ErrorCode.LIMIT, ErrorCode.BAD_REQUEST, 255):
        as_hub(world, "carol").send(0, Error(int(code), "x"))
    link_of(world, "carol").flush()
    world.run_for(0.01)
    assert connected(world, "carol")
    assert len(world.clients["carol"].hubs.taking()) == 5


def test_a_client_does_not_drain_a_hub(world: World) -> None:
    say(world, as_client(world, "carol"), DRAINS)
    assert not world.hubs["hub1"].status()["draining"]
    world.pair()


def test_a_planned_stop_is_no_warning(world: World) -> None:
    drain(world, "hub1")
    world.stop_hub("hub1")
    world.run_for(0.01)
    lost = [level for level, text in world.notices if "hub hub1: the connection was lost" in text]
    assert lost and set(lost) == {logging.INFO}


def test_a_hub_with_nobody_to_give_to_is_drained() -> None:
    world = World().start()
    world.get_keys("carol", "sam", ["sunny"])
    hub: HubEngine = world.hubs["hub1"]
    hub.drain(world.now)
    assert not hub.is_drained
    world.cut(hub="hub1")
    assert hub.is_drained
