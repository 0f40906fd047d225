"""A lying hub attacks a client: its memory, its time, its other hubs and its log."""

from __future__ import annotations

import pytest
from simulating.enemies.rows import Row, told_under

from dsked.errors import ErrorCode, LimitError
from dsked.hub.engine import HubEngine
from dsked.limits import ANSWER_LIMIT_S, MAX_SIMULATED_POOL_BYTES
from dsked.sharing.terms import Party, Terms
from dsked.wire.connection import HubConnection
from dsked.wire.messages import (
    GetShares,
    Locate,
    Located,
    PsrdBlock,
    PutShares,
    Register,
    Registered,
    Shares,
    cut_key_ids,
)
from tests.attacks.attackers import as_client, as_hub, connected, link_of
from tests.engines.lying import OwnHandlers
from tests.engines.world import World


@pytest.fixture
def world() -> World:
    return World().start()


def _terms(key_bytes: int) -> Terms:
    return Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), key_bytes)


# --- blocks ---


def test_blocks_that_nobody_asked_for_end_at_a_limit(world: World) -> None:
    """A hub may push blocks of its own pool, but not fill the client's memory with them."""
    hub, link = as_hub(world, "carol"), link_of(world, "carol")
    streams = hub.streams
    assert streams is not None
    for sequence in range(streams.local.store.next_sequence, 200):
        hub.send_sealed(0, PsrdBlock(1, streams.local.stream_id, sequence, bytes(16), bytes(256 * 1024)))
        world.end_turns()
        world.step()
        if not link.open:
            break
    assert not link.open
    held = link.near.streams
    assert held is not None and held.peer.unused <= MAX_SIMULATED_POOL_BYTES * 2 + 256 * 1024


def test_a_block_of_the_clients_own_pool_comes_only_when_asked_for(world: World) -> None:
    hub, link = as_hub(world, "carol"), link_of(world, "carol")
    streams = hub.streams
    assert streams is not None
    sequence = streams.peer.store.next_sequence
    hub.send_sealed(0, PsrdBlock(0, streams.peer.stream_id, sequence, bytes(16), b"x"))
    world.run_for(0.01)
    assert not link.open


# --- answers that never come, or never end ---


class Silent(OwnHandlers):
    """Takes everything and answers nothing but the registration."""

    def _put_shares(self, connection: HubConnection, request_id: int, message: PutShares, now: float) -> None:
        pass

    def _get_shares(self, connection: HubConnection, request_id: int, message: GetShares, now: float) -> None:
        pass

    def _locate(self, connection: HubConnection, request_id: int, message: Locate, now: float) -> None:
        pass


def test_a_hub_that_never_answers_does_not_collect_requests_for_ever() -> None:
    world = World(hub_classes={"hub1": Silent}).start()
    peer = next(iter(world.clients["carol"].hubs))
    most = 0
    for _ in range(60):
        world.pair()
        most = max(most, peer.nr_requests)
        world.run_for(ANSWER_LIMIT_S / 10)
    assert most <= 25  # those of one limit's time
    assert any("does not answer" in text for text in world.warnings())


class TalksOn(OwnHandlers):
    """Answers a GET with pieces of one byte of a share of two megabytes, of terms that it has invented."""

    def _get_shares(self, connection: HubConnection, request_id: int, message: GetShares, now: float) -> None:
        terms = _terms(2 * 1024 * 1024)
        for group in message.groups:
            for key_id in cut_key_ids(group.key_ids):
                bulk = Row(key_id, 0, bytes(200_000), bytes(48))
                connection.send(request_id, Shares(told_under(terms, [bulk]), []))
                for start in range(200_000, 264_000, 1000):
                    pieces = [Row(key_id, start + i, b"p", b"") for i in range(1000)]
                    connection.send(request_id, Shares(told_under(terms, pieces), []))


def test_a_share_of_invented_length_in_tiny_pieces_holds_nothing_up() -> None:
    world = World(hub_classes={"hub1": TalksOn}).start()
    world.pair()


class Inflates(OwnHandlers):
    """Gives 100 KB for every key that it is asked for, known or not."""

    def _get_shares(self, connection: HubConnection, request_id: int, message: GetShares, now: float) -> None:
        for group in message.groups:
            for key_id in cut_key_ids(group.key_ids):
                piece = Row(key_id, 0, bytes(100_000), bytes(48))
                connection.send(request_id, Shares(told_under(_terms(2**21), [piece]), []))


def test_what_a_hub_gives_for_keys_that_nobody_knows_ends_at_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dsked.client.fetches.MAX_HELD_SHARE_BYTES_PER_HUB", 1_000_000)
    world = World(hub_classes={"hub1": Inflates}).start()
    for number in range(40):
        world.ask_by_id("curtis", "sunny", "sam", [bytes([number]) * 16])
        world.run_for(0.02)
    world.run_for(1.0)
    batches = {fetch.batch for fetch in world.clients["curtis"]._responder._fetches}
    assert batches
    assert 900_000 < sum(batch.held_bytes(1) for batch in batches) <= 1_300_000
    world.pair()
    world.run_for(62.0)
    assert world.pair()


class KeepsForMonths(OwnHandlers):
    """Says that it keeps shares for 49 days."""

    def _register(self, connection: HubConnection, request_id: int, message: Register, now: float) -> None:
        self._honest[Register](connection, request_id, message, now)
        assert connection.session is not None
        connection.session._outbox.popitem()
        connection.send(request_id, Registered(0, [], 0xFFFF_FFFF))


def test_one_hub_does_not_say_how_long_deliveries_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would refuse new keys for 49 days rather than forget."""
    monkeypatch.setattr("dsked.client.delivered.MAX_REMEMBERED_DELIVERIES", 10)
    world = World(hub_classes={"hub1": KeepsForMonths, "hub2": KeepsForMonths}).start()
    assert [hub.share_timeout_ms for hub in world.clients["curtis"].hubs].count(0xFFFF_FFFF) == 2
    for _ in range(10):
        world.pair()
    with pytest.raises(LimitError):
        world.pair()
    world.run_for(62.0)
    world.pair()


# --- directory ---


class WrongAndGone(HubEngine):
    """Says that nobody serves the encryptor, and hangs up."""

    world: World

    def _locate(self, connection: HubConnection, request_id: int, message: Locate, now: float) -> None:
        connection.send(request_id, Located([None] * len(message.encryptors)))
        link = next(link for link in self.world.links if link.far is connection)
        self.world.after(0.0015, lambda: link.close("gone"))


def test_liars_that_hang_up_do_not_outvote_hubs_that_answer_later() -> None:
    """Two of five lie and are gone before the honest three, a little slower, have answered."""
    world = World(hub_classes={"hub1": WrongAndGone, "hub2": WrongAndGone}).start()
    WrongAndGone.world = world
    for name in ("hub3", "hub4", "hub5"):
        world.freeze(name)
    outcome = world.ask_keys("carol", "sam", ["sunny"])
    world.run_for(0.01)
    for name in ("hub3", "hub4", "hub5"):
        world.thaw(name)
    assert world.result(outcome)


# --- framing ---


def test_a_share_cut_off_by_the_network_frames_nobody() -> None:
    """The last of five honest hubs is cut off in the middle of its share: that is no mismatch."""
    world = World().start()
    keys = world.get_keys("carol", "sam", ["sunny"], 1, 16_777_216)
    outcome = world.ask_by_id("curtis", "sunny", "sam", keys)
    hub5 = link_of(world, "curtis", "hub5")
    slow: list[bytes] = []
    pass_on = hub5._to_client
    hub5._to_client = slow.append  # type: ignore[method-assign]
    world.run_until(lambda: bool(outcome) and bool(slow))
    sent = b"".join(slow)  # blocks for its answer, and then the answer
    pass_on(sent[: len(sent) * 4 // 5])
    [fetch] = world.clients["curtis"]._responder._fetches
    assert 0 < fetch.batch.offset(5) < 2_097_152
    assert outcome[0] == keys
    hub5.close("cut")
    world.run_for(2.0)
    assert not [text for text in world.warnings() if "differs" in text]


# --- log ---


class Forges(OwnHandlers):
    """Refuses a registration with names that look like lines of the log."""

    def _register(self, connection: HubConnection, request_id: int, message: Register, now: float) -> None:
        connection.send(request_id, Registered(int(ErrorCode.NOT_OWNER), ["\nERROR hub2 lies"] * 1000, 0))


def test_a_hub_writes_no_lines_into_the_log() -> None:
    world = World(hub_classes={"hub1": Forges})
    world.run_until(lambda: all(len(c.hubs.usable()) == 4 for c in world.clients.values()))
    world.run_for(0.1)
    assert not [text for _, text in world.notices if "\n" in text or len(text) > 500]
    assert "\n" not in str(world.clients["carol"].status(world.now))


# --- secrets that stay ---


def test_shares_for_hubs_that_stay_down_are_forgotten_when_their_time_is_out() -> None:
    world = World(n=8, k=3, share_timeout_s=20.0).start()
    world.pair()
    for number in range(5, 9):
        world.stop_hub(f"hub{number}")
    world.run_for(0.1)
    world.pair()
    world.run_for(25.0)
    carol = world.clients["carol"]
    assert not carol._initiator._scattering.unsent
    assert not any(hub.nr_requests for hub in carol.hubs)


def test_keys_that_nobody_fetches_are_forgotten_when_their_time_is_out() -> None:
    """susan is named as well, and never asks."""
    world = World(share_timeout_s=20.0).start()
    keys = world.get_keys("carol", "sam", ["sunny", "susan"])
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    world.run_for(25.0)
    assert not list(world.clients["curtis"]._responder._fetches)


def test_a_share_under_other_terms_is_not_tried_twice(world: World) -> None:
    """What a hub repeats under the request's id is not taken again."""
    keys = world.get_keys("carol", "sam", ["sunny"])
    outcome = world.ask_by_id("curtis", "sunny", "sam", keys)
    assert as_client(world, "curtis").session is not None
    rows = [Row(keys[0].key_id, 0, bytes([value]) * 32, bytes(32)) for value in range(5)]
    world.end_turns()
    request_id = world.clients["curtis"].hubs.peers[0]._next_request_id
    as_hub(world, "curtis").send(request_id, Shares(told_under(_terms(32), rows), []))
    assert world.result(outcome) == keys
    assert connected(world, "curtis")


def test_a_pool_that_runs_low_while_a_connection_is_made_asks_for_no_block_yet(world: World) -> None:
    """The streams are known from M0 on, sealing only from M2 on: a turn that ends in between is no end."""
    hub = world.clients["carol"].hubs.peers[0]
    world.cut(client="carol", hub="hub1")
    streams = hub.pair.streams
    assert streams is not None
    streams.local.allocate(streams.local.unused - 200)
    world.run_until(lambda: hub.registered)
    world.pair()
