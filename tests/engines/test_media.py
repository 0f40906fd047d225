"""Engines whose PSRD came on media: disks that are never waited for, deliveries, exhaustion, failures."""

from __future__ import annotations

import logging

import pytest

from dsked.client.engine import ClientEngine
from dsked.client.hub_peer import HubPeer
from dsked.errors import PoolExhaustedError, TooFewHubsError
from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    LAST_QUESTION_BYTES,
    MASK_BYTES,
    WINDOW_PING_RESERVE_BYTES,
)
from dsked.psrd.pair import Side, Streams
from dsked.wire.handshake import M0, MAGIC, encode_part

from .media_world import MediaWorld
from .world import DELAY_S

ROUND_TRIP_S = 2 * DELAY_S
NO_PSRD = "no PSRD of this hub yet: import a bundle (dskectl psrd import)"


@pytest.fixture
def world() -> MediaWorld:
    world = MediaWorld()
    world.start()
    return world


def hub_status(world: MediaWorld, client: str, hub: str) -> dict[str, object]:
    (status,) = [
        peer for peer in world.clients[client].status(world.now)["peer_hubs"] if peer["hub_name"] == hub
    ]
    return dict(status)


def client_status(world: MediaWorld, hub: str, client: str) -> dict[str, object]:
    (status,) = [peer for peer in world.hubs[hub].status()["peer_clients"] if peer["client_name"] == client]
    return dict(status)


def usable(world: MediaWorld, client: str) -> list[str]:
    return [hub.name for hub in world.clients[client].hubs.usable()]


def streams_of(world: MediaWorld, client: str, hub: str) -> Streams:
    streams = world.clients[client].hubs[hub].pair.streams
    assert streams is not None
    return streams


def use_up(world: MediaWorld, client: str, hub: str, *, left: int) -> None:
    """The client's pool with this hub has so many bytes left for ordinary frames."""
    pool = streams_of(world, client, hub).local
    pool.next = pool.held_end - WINDOW_PING_RESERVE_BYTES - left
    at_hub = world.hubs[hub].pairs[client].streams
    assert at_hub is not None
    follower = at_hub.peer
    follower.advance(pool.next)
    follower.durable = follower.told = max(follower.durable, pool.next)
    pool.acknowledged(pool.next)


def alarms(world: MediaWorld) -> list[str]:
    return [text for level, text in world.notices if level >= logging.ERROR]


def test_a_key_request_never_waits_for_a_disk(world: MediaWorld) -> None:
    """Not even for the first one, and over many reservations."""
    world.pair()
    for _ in range(300):
        before = world.now
        world.get_keys("carol", "sam", ["sunny"], 20)
        assert world.now - before < ROUND_TRIP_S + DELAY_S / 4
    assert world.nr_wakes > 10
    assert not world.warnings()


def test_pools_stand_in_status_while_a_hub_does_not_greet(world: MediaWorld) -> None:
    before = hub_status(world, "carol", "hub1")
    assert before["local_pool"]["blocks"]  # type: ignore[index]
    world.freeze("hub1")  # TCP is accepted, and nothing is said
    world.cut(client="carol", hub="hub1")
    world.run_for(1.0)
    after = hub_status(world, "carol", "hub1")
    assert not after["registered"]
    assert [after[which] for which in ("local_pool", "peer_pool")] == [
        before[which] for which in ("local_pool", "peer_pool")
    ]


def test_ordinary_reconnects_and_restarts_raise_no_alarm(world: MediaWorld) -> None:
    for number in range(12):
        world.pair()
        world.ask_keys("carol", "sam", ["sunny"], 5)
        world.step()  # in the middle of it
        if number % 3 == 0:
            world.cut()
        elif number % 3 == 1:
            world.restart_client("carol")
        else:
            world.stop_hub("hub2")
            world.start_hub("hub2")
        world.start()
    world.pair()
    assert not alarms(world)
    for client in world.clients:
        assert not any(hub_status(world, client, hub)["restored_state_seen"] for hub in world.hub_names)
    assert not any(client_status(world, hub, "carol")["restored_state_seen"] for hub in world.hub_names)


@pytest.mark.parametrize("restored", Side)
def test_keys_flow_again_after_an_older_copy_was_restored_and_it_is_told(
    world: MediaWorld, restored: Side
) -> None:
    held = {key: store for key, store in world.stores.items() if key[:3] == ("carol", "hub1", restored)}
    old = {key: store.mark for key, store in held.items()}
    for _ in range(60):
        world.get_keys("carol", "sam", ["sunny"], 20)
    for key in held:
        world.stores[key].mark = old[key]
    if restored is Side.CLIENT:
        world.restart_client("carol")
    else:
        world.stop_hub("hub1")
        world.start_hub("hub1")
    world.start()
    assert len(usable(world, "carol")) == 5
    world.pair()
    peer = "hub hub1" if restored is Side.CLIENT else "client carol"
    what = "remembers more of this node than the node itself: its state was restored or cloned"
    assert alarms(world) == [f"{peer} {what}"] * len(alarms(world))
    assert 1 <= len(alarms(world)) <= 2
    seen = hub_status(world, "carol", "hub1"), client_status(world, "hub1", "carol")
    assert [status["restored_state_seen"] for status in seen] == [
        restored is Side.CLIENT,
        restored is Side.HUB,
    ]


def test_a_session_that_began_with_an_alarm_counts_as_one_that_carried_nothing(world: MediaWorld) -> None:
    world.pair()
    for alarmed in (False, True):
        peer = world.clients["carol"].hubs["hub1"]
        assert peer.connection is not None and peer.connection.session is not None
        assert peer.connection.session.frames_received > 0
        peer.alarmed = alarmed
        before = peer.back_off.handshake_delay_s
        world.cut(hub="hub1", client="carol")
        assert (peer.back_off.handshake_delay_s > before) is alarmed
        world.run_until(lambda: "hub1" in usable(world, "carol"))


# --- deliveries ---


def test_a_hub_without_psrd_is_not_dialled_until_it_is_delivered() -> None:
    world = MediaWorld(without=("hub4", "hub5"))
    world.run_until(lambda: all(client.readiness() is None for client in world.clients.values()))
    world.run_for(3.0)
    assert usable(world, "carol") == ["hub1", "hub2", "hub3"]
    assert hub_status(world, "carol", "hub4")["problem"] == NO_PSRD
    assert not any(link.hub in world.without for link in world.links)
    world.deliver("hub4")
    world.run_until(lambda: "hub4" in usable(world, "carol"), 0.1)
    world.pair()
    assert not world.warnings()


def test_a_hub_answers_a_client_without_psrd_with_silence() -> None:
    world = MediaWorld(without=("hub5",))
    world.clients["carol"].deliver("hub5", bytes(32), world.streams("carol", "hub5", Side.CLIENT))
    world.run_for(3.0)
    assert "does not verify" in str(hub_status(world, "carol", "hub5")["problem"])
    assert "carol" not in world.hubs["hub5"].pairs


def test_new_streams_replace_the_old_ones_and_the_session_begins_anew(world: MediaWorld) -> None:
    world.pair()
    link = next(link for link in world.links if (link.client, link.hub) == ("carol", "hub1"))
    old = streams_of(world, "carol", "hub1")
    world.deliver("hub1")
    world.run_until(lambda: not link.open, 0.1)
    world.run_until(lambda: all(len(c.hubs.usable()) == 5 for c in world.clients.values()), 1.0)
    assert streams_of(world, "carol", "hub1") is not old
    assert streams_of(world, "carol", "hub1").local.next < 3 * world.window
    world.pair()
    assert not alarms(world)


def test_a_delivery_ends_the_wait_for_the_next_attempt() -> None:
    world = MediaWorld()
    world.down.add("hub1")
    world.run_for(30.0)
    peer = world.clients["carol"].hubs["hub1"]
    world.down.clear()
    peer.back_off.unreachable_delay_s = 60.0
    world.run_until(lambda: peer.connection is None and "refused" in peer.problem)
    world.deliver("hub1")
    world.run_until(lambda: "hub1" in usable(world, "carol"), 0.1)


# --- used up, running low ---


def test_who_has_no_gate_key_and_takes_a_hubs_place_costs_48_bytes_an_attempt_under_the_long_back_off(
    world: MediaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M0 is not authenticated, and the mark that M1 tells lies 48 bytes above the one before."""
    carol = world.clients["carol"]
    pool = streams_of(world, "carol", "hub1").peer
    dial = world._dial
    attempts = []

    def impostor(client: ClientEngine, peer: HubPeer) -> None:
        if client is not carol or peer.name != "hub1":
            return dial(client, peer)
        connection = carol.connected(peer)
        carol.receive(connection, encode_part(M0(MAGIC, [1], bytes(16))), world.now)
        attempts.append(world.now)
        world.after(DELAY_S, lambda: carol.disconnected(peer, world.now, "lost"))
        return None

    monkeypatch.setattr(world, "_dial", impostor)
    before = pool.told
    world.cut(client="carol", hub="hub1")
    world.run_for(3600)
    assert 60 < len(attempts) < 100
    assert pool.told - before == len(attempts) * HANDSHAKE_PAD_BYTES


def test_a_hub_whose_psrd_is_used_up_is_left_out_and_comes_back_with_new_blocks(world: MediaWorld) -> None:
    link = next(link for link in world.links if (link.client, link.hub) == ("carol", "hub1"))
    use_up(world, "carol", "hub1", left=1000)
    problem = "its PSRD is used up: 1000 bytes are left; deliver new blocks"
    assert hub_status(world, "carol", "hub1")["problem"] == problem
    assert [hub.name for hub in world.clients["carol"].hubs.taking()] == ["hub2", "hub3", "hub4", "hub5"]
    before = world.now
    world.pair()
    assert world.now - before < 10 * DELAY_S
    world.grow("carol", "hub1", 1024 * 1024)
    world.run_until(lambda: len(usable(world, "carol")) == 5, 0.1)
    assert link.open, "on the same session"
    world.pair()
    for owner in Side:
        assert hub_status(world, "carol", "hub1")["problem"] is None
        pool = streams_of(world, "carol", "hub1").by_owner(Side.CLIENT, owner)
        assert pool.left > 1024 * 1024


def test_where_too_few_have_psrd_left_requests_fail_at_once_and_say_why(world: MediaWorld) -> None:
    for hub in ("hub1", "hub2", "hub3"):
        use_up(world, "carol", hub, left=16)
    before = world.now
    with pytest.raises(TooFewHubsError, match="hub2: its PSRD is used up: 16 bytes are left"):
        world.get_keys("carol", "sam", ["sunny"])
    assert world.now == before
    for hub in ("hub1", "hub2", "hub3"):
        world.grow("carol", hub, 1)  # a look at the supply, and nothing to speak of
        world.grow("carol", hub, 1)
    told = [text for text in world.warnings() if "used up" in text]
    assert sorted(text.partition(":")[0] for text in told) == sorted(
        ["hub hub1", "hub hub2", "hub hub3", *["client carol"] * 3]
    )
    assert "used up" in str(world.clients["carol"].readiness())


@pytest.mark.parametrize(("lacking", "fetched"), [(0, True), (1, False)])
def test_what_was_dealt_before_is_found_and_fetched_with_the_last_pads(
    world: MediaWorld, lacking: int, fetched: bool
) -> None:
    """No other hubs hold it; and the next session's start is left."""
    keys = world.get_keys("carol", "sam", ["sunny"], 1, 16_384)
    world.run_for(1.0)
    left = MASK_BYTES + LAST_QUESTION_BYTES - lacking  # where sam is must be asked for as well
    for hub in ("hub1", "hub2", "hub3"):
        use_up(world, "curtis", hub, left=left)
    world.stop_hub("hub5")
    world.run_for(2 * DELAY_S)
    before = world.now
    if fetched:
        assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
        assert world.now - before < 10 * DELAY_S
        return
    why = f"1 of 5 hubs are connected.*used up: {left - MASK_BYTES} bytes are left"
    with pytest.raises(TooFewHubsError, match=why):
        world.get_by_id("curtis", "sunny", "sam", keys)
    assert world.now - before < 10 * DELAY_S


def test_what_is_left_after_the_last_question_begins_the_next_session(world: MediaWorld) -> None:
    use_up(world, "carol", "hub1", left=LAST_QUESTION_BYTES - MASK_BYTES)
    sessions = world.clients["carol"].hubs["hub1"].nr_sessions
    world.cut(client="carol", hub="hub1")
    world.run_until(lambda: hub_status(world, "carol", "hub1")["registered"] is True, 5.0)
    assert world.clients["carol"].hubs["hub1"].nr_sessions == sessions + 1
    assert streams_of(world, "carol", "hub1").local.left == 0
    world.grow("carol", "hub1", 1024 * 1024)
    world.run_until(lambda: hub_status(world, "carol", "hub1")["problem"] is None, 1.0)


def test_a_request_that_is_too_large_keeps_no_other_of_its_turn_from_what_is_left(world: MediaWorld) -> None:
    for hub in world.hub_names:
        use_up(world, "carol", hub, left=5000)
    small = [world.ask_keys("carol", "sam", ["sunny"], 1, bits) for bits in (256, 512)]
    large = world.ask_keys("carol", "sam", ["sunny"], 1, 65_536)
    assert [len(world.result(outcome)) for outcome in small] == [1, 1]
    with pytest.raises(PoolExhaustedError):
        world.result(large)


def test_a_request_larger_than_what_a_hub_has_left_goes_to_the_others(world: MediaWorld) -> None:
    use_up(world, "carol", "hub1", left=5000)
    assert len(usable(world, "carol")) == 5
    before = world.now
    world.get_keys("carol", "sam", ["sunny"], 4, 65_536)
    assert world.now - before < 1.0
    assert hub_status(world, "carol", "hub1")["problem"] is None


def test_a_pair_that_cannot_afford_a_handshake_is_not_dialled_until_it_grows(world: MediaWorld) -> None:
    pool = streams_of(world, "carol", "hub1").local
    pool.next = pool.held_end - 40
    world.cut(client="carol", hub="hub1")
    world.run_for(3.0)
    problem = "its PSRD is used up: 40 bytes are left; deliver new blocks"
    assert hub_status(world, "carol", "hub1")["problem"] == problem
    assert not any((link.client, link.hub) == ("carol", "hub1") for link in world.links)
    world.grow("carol", "hub1", 64 * 1024)
    world.run_until(lambda: len(usable(world, "carol")) == 5, 0.1)


def test_running_low_is_told_once_and_so_is_its_end(world: MediaWorld) -> None:
    use_up(world, "carol", "hub1", left=4 * world.window - 100)
    for _ in range(5):
        world.get_keys("carol", "sam", ["sunny"])
    low = [text for text in world.warnings() if "runs low" in text]
    assert len(low) == 2
    assert low[0].startswith("hub hub1: its PSRD runs low: ")
    assert low[1].startswith("client carol: its PSRD runs low: ")
    assert hub_status(world, "carol", "hub1")["psrd_low"] is True
    assert client_status(world, "hub1", "carol")["psrd_low"] is True
    world.grow("carol", "hub1", 2 * world.window)  # more, and not enough
    assert hub_status(world, "carol", "hub1")["psrd_low"] is True
    world.grow("carol", "hub1", 8 * world.window)
    world.pair()
    assert hub_status(world, "carol", "hub1")["psrd_low"] is False
    assert client_status(world, "hub1", "carol")["psrd_low"] is False
    assert (logging.INFO, "hub hub1: enough PSRD again") in world.notices
    assert (logging.INFO, "client carol: enough PSRD again") in world.notices
    assert len([text for text in world.warnings() if "runs low" in text]) == 2


# --- disks that fail ---


@pytest.mark.parametrize("side", Side)
def test_a_lost_disk_ends_one_session_and_the_others_go_on(world: MediaWorld, side: Side) -> None:
    lost = [store for key, store in world.stores.items() if key[:3] == ("carol", "hub1", side)]
    for store in lost:
        store.lose()
    world.pair()
    world.run_until(lambda: "hub1" not in usable(world, "carol"), 1.0)
    if side is Side.CLIENT:
        assert hub_status(world, "carol", "hub1")["problem"] == "the disk has failed"
    world.run_for(5.0)
    assert usable(world, "carol") == ["hub2", "hub3", "hub4", "hub5"]
    world.pair()
    assert len(usable(world, "curtis")) == 5
    assert not alarms(world)


@pytest.mark.parametrize("side", Side)
def test_a_full_disk_hands_out_no_key_unsafely_and_recovers_by_itself(world: MediaWorld, side: Side) -> None:
    full = [store for key, store in world.stores.items() if key[:3] == ("carol", "hub1", side)]
    for store in full:
        store.full = True
    for _ in range(200):  # until a reservation has to be renewed
        world.get_keys("carol", "sam", ["sunny"], 20)
        if len(usable(world, "carol")) < 5:
            break
    assert "hub1" not in usable(world, "carol")
    world.run_for(3.0)
    assert "hub1" not in usable(world, "carol")
    for store in full:
        store.full = False
    world.run_until(lambda: len(usable(world, "carol")) == 5, 5.0)
    world.pair()
