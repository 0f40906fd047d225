"""An authenticated client attacks its hub, and through it other clients."""

from __future__ import annotations

import pytest

from dsked.errors import ErrorCode, LimitError, PeerError
from dsked.hub.answers import Answer
from dsked.hub.lots import Given
from dsked.hub.share_store import ShareStore
from dsked.hub.simulated import BlockDelivery
from dsked.limits import KEY_ID_BYTES, MAX_FRAME_BYTES, MAX_SIMULATED_BLOCKS, OUTSIDER_LOG_INTERVAL_S
from dsked.psrd.pair import Streams, simulated_streams
from dsked.psrd.store import in_memory
from dsked.sharing.terms import Party, Terms, responder_clients
from dsked.wire.messages import Confirmed, Ping, PsrdRequest, PutShares, Register, encode_body
from tests.attacks.attackers import KEY_ID, as_client, as_hub, connected, get, ids, link_of, put, say, share
from tests.engines.world import World


@pytest.fixture
def world() -> World:
    return World().start()


def test_a_share_that_arrives_twice_in_one_turn_is_answered_once(world: World) -> None:
    """Who waits for it must not be taken off the list twice."""
    say(world, as_client(world, "curtis"), get(KEY_ID, wait_ms=1000))
    say(world, as_client(world, "carol"), put(share(), share()), put(share()))
    assert connected(world, "carol") and connected(world, "curtis")
    world.pair()


def test_invented_responders_leave_no_tombstones_of_their_own(world: World) -> None:
    """32 responders that nobody has heard of, a time to live of 1 ms: memory grows by the shares alone."""
    store = world.hubs["hub1"].shares
    client = as_client(world, "carol")
    for round_ in range(4):
        keys = [share(bytes([round_]) * 15 + bytes([i]), nr_codes=32) for i in range(64)]
        invented = [(f"client-{round_}-{i:02}", "e") for i in range(32)]
        say(world, client, put(*keys, responders=invented, ttl_ms=1))
    world.run_for(0.1)
    assert store.counts("carol") == (0, 0)
    assert store.nr_tombstones <= 4 * 64


def _put(
    store: ShareStore,
    now: float,
    terms: Terms,
    key_ids: bytes = KEY_ID,
    *,
    share: bytes = b"s",
    ttl_s: float = 60.0,
) -> list[int]:
    """The codes of a batch whose keys have all the same share."""
    number = len(key_ids) // KEY_ID_BYTES
    codes = bytes(32 * number * len(responder_clients(terms)))
    return list(store.put(now, terms, key_ids, 0, share * number, codes, ttl_s))


def _terms(responder: str = "curtis", initiator: str = "carol", key_bytes: int = 1) -> Terms:
    return Terms(1, 5, 3, Party(initiator, "sam"), (Party(responder, "sunny"),), key_bytes)


def test_an_initiator_cannot_use_up_its_responders_tombstones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expired shares count against who dealt them; the responder's confirmations still keep copies away."""
    monkeypatch.setattr("dsked.hub.tombstones.MAX_TOMBSTONES_PER_CLIENT", 8)
    monkeypatch.setattr("dsked.hub.tombstones.MAX_CONFIRMED_PER_CLIENT", 8)
    store = ShareStore(60.0)
    for number, key_id in enumerate(ids(100)):
        store.put(float(number), _terms(initiator="mallory"), key_id, 0, b"s", bytes(32), 0.5)
        store.expire(number + 0.9)
    assert _put(store, 100.0, _terms()) == [ErrorCode.OK]
    store.confirm(100.0, "curtis", "carol", KEY_ID)
    assert _put(store, 101.0, _terms()) == [ErrorCode.DONE]
    assert store.get("curtis", b"b" * 16, "carol", KEY_ID) == ([], [(ErrorCode.DONE, KEY_ID)])
    # Who has dealt too much that nobody fetched is told so.
    assert _put(store, 101.0, _terms(initiator="mallory")) == [ErrorCode.LIMIT]
    store.expire(200.0)
    assert _put(store, 200.0, _terms(initiator="mallory")) == [ErrorCode.OK]


def test_a_confirmed_share_is_never_given_again_where_tombstones_are_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dsked.hub.tombstones.MAX_TOMBSTONES_PER_CLIENT", 2)
    monkeypatch.setattr("dsked.hub.tombstones.MAX_CONFIRMED_PER_CLIENT", 2)
    store = ShareStore(60.0)
    for key_id in ids(10):
        _put(store, 0.0, _terms(), key_id)
        store.confirm(0.0, "curtis", "carol", key_id)
    for key_id in ids(10):  # a late copy, and another process of the same client
        _put(store, 1.0, _terms(), key_id)
        assert store.get("curtis", b"b" * 16, "carol", key_id)[0] == []


def test_long_names_end_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of 32 responders weigh more than a key of one byte."""
    monkeypatch.setattr("dsked.hub.share_store.MAX_PENDING_RESPONDER_BYTES_PER_CLIENT", 2 * 32 * (192 + 512))
    store = ShareStore(60.0)
    responders = tuple(Party(f"{i:064}", f"{i:0128}") for i in range(32))
    terms = _terms()._replace(responders=responders)
    one, two, three = ids(3)
    assert _put(store, 0.0, terms, one) == [ErrorCode.OK]
    assert _put(store, 0.0, terms, two, ttl_s=1.0) == [ErrorCode.OK]
    assert _put(store, 0.0, terms, three) == [ErrorCode.LIMIT]
    store.expire(1.0)
    assert _put(store, 1.0, terms, three) == [ErrorCode.OK]


def test_a_large_share_in_tiny_pieces_costs_what_it_weighs() -> None:
    """Not its length again with every piece: 64 Ki pieces of one byte, compared by what is copied."""
    store = ShareStore(60.0)
    key_bytes = 2 * 1024 * 1024
    head = bytes(key_bytes - 65536)
    store.put(0.0, _terms(key_bytes=key_bytes), KEY_ID, 0, head, bytes(48), 60.0)
    for offset in range(len(head), key_bytes):
        store.put(0.0, _terms(key_bytes=key_bytes), KEY_ID, offset, b"p", b"", 60.0)
    [given], _ = store.get("curtis", bytes(16), "carol", KEY_ID)
    assert len(given.shares) == key_bytes


def test_more_keys_than_a_frame_may_carry_end_the_session(world: World) -> None:
    """Many small groups must not get around the limit of 1024 keys a frame."""
    carol, celia, curtis = (as_client(world, name) for name in ("carol", "celia", "curtis"))
    group = put(*map(share, ids(600))).groups[0]
    say(world, carol, PutShares([group, group]))
    asked = get(*ids(600))
    asked.groups *= 2
    say(world, curtis, asked)
    say(world, celia, Ping(False, 0, 0, [Confirmed("carol", b"".join(ids(600)))] * 2))
    assert not connected(world, "carol")
    assert not connected(world, "curtis")
    assert not connected(world, "celia")


def test_answers_fit_into_frames_whatever_is_missing_beside_them() -> None:
    names = [f"{i:02}" + "\U0001f511" * 15 for i in range(32)]  # 62 bytes each
    responders = tuple(Party(name, name * 2) for name in names)
    answer = Answer()
    for number, key_id in enumerate(ids(17)):
        terms = Terms(1, 5, 3, Party("carol", f"{number:0128}"), responders, 15_300)
        answer.given.append(Given(terms, key_id, 0, bytes(15_300), bytes(48)))
    for number, key_id in enumerate(ids(1005)):
        answer.miss(f"{number:04}" + "\U0001f511" * 15, ErrorCode.UNKNOWN_KEY, key_id)
    messages = list(answer.messages(256 * 1024))
    assert sum(one.number for message in messages for one in message.missing) == 1005
    assert sum(one.number for message in messages for one in message.groups) == 17
    assert max(len(encode_body(message)) for message in messages) <= MAX_FRAME_BYTES - 64


@pytest.mark.full
def test_who_waits_for_one_key_in_many_frames_costs_no_square(world: World) -> None:
    """2048 frames of each client wait for one key; taking them off the list is no search."""
    for name in ("celia", "curtis"):
        client = as_client(world, name)
        for _ in range(2048):
            client.send(1, get(KEY_ID, wait_ms=1000))
        world.run_for(0.02)
    say(world, as_client(world, "carol"), put(share()))
    world.run_for(1.1)
    assert connected(world, "curtis")
    world.pair()


def test_a_client_that_does_not_read_cannot_fill_the_hub_with_repeated_blocks(world: World) -> None:
    client, hub = as_client(world, "carol"), as_hub(world, "carol")
    streams = client.streams
    assert streams is not None
    sequence = in_memory(streams.local.store).next_sequence
    request = PsrdRequest(0, streams.local.stream_id, sequence, 256 * 1024)
    for _ in range(1000):
        client.send_sealed(1, request)
    data = client.data_to_send()
    world.hubs["hub1"].receive(hub, data, world.now)
    assert sum(map(len, hub._out)) <= 2 * 256 * 1024


def test_blocks_that_nobody_takes_end_at_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsked.wire.connection.MAX_UNSENT_SEALED_BYTES", 1_000_000)
    client, hub = as_client(world, "carol"), as_hub(world, "carol")
    streams = client.streams
    assert streams is not None
    first = in_memory(streams.local.store).next_sequence
    for sequence in range(first, first + 10):
        client.send_sealed(1, PsrdRequest(0, streams.local.stream_id, sequence, 256 * 1024))
    with pytest.raises(LimitError):
        world.hubs["hub1"].receive(hub, client.data_to_send(), world.now)


def _streams() -> Streams:
    return simulated_streams(b"h" * 16, b"c" * 16)


def test_tiny_blocks_end_at_a_number() -> None:
    streams = _streams()
    delivery = BlockDelivery(streams, bytes)
    with pytest.raises(PeerError):
        for sequence in range(MAX_SIMULATED_BLOCKS + 2):
            delivery.answer(PsrdRequest(1, b"h" * 16, sequence, 1))
    # To repeat one of many is no search, and to read across a few is none either.
    delivery = BlockDelivery(streams, bytes)
    for sequence in range(MAX_SIMULATED_BLOCKS - 20_000, MAX_SIMULATED_BLOCKS):
        assert delivery.answer(PsrdRequest(1, b"h" * 16, sequence, 1)) is not None
    for _ in range(20_000):
        assert streams.local.allocate(2) is not None


def test_blocks_that_a_lost_connection_took_along_are_sent_again_first() -> None:
    streams = _streams()
    lost = list(BlockDelivery(streams, bytes).push(100))
    streams.local.peer_holds(0)  # the new handshake: the client does not hold them
    again = BlockDelivery(streams, bytes)
    *first, more = again.push(150)
    assert [(block.sequence, block.data) for block in first] == [(b.sequence, b.data) for b in lost]
    assert (more.sequence, len(more.data)) == (lost[-1].sequence + 1, 50)
    # And where the client has asked for them by itself, only the rest follows.
    streams.local.peer_holds(0)
    asked = BlockDelivery(streams, bytes)
    assert asked.answer(PsrdRequest(1, b"h" * 16, lost[0].sequence, 1)) is not None
    assert [block.sequence for block in asked.push(150)] == [more.sequence]


def test_only_one_handshake_of_a_client_is_under_way(world: World) -> None:
    """Each may hold blocks for new streams: the newest one replaces those before it."""
    hub = world.hubs["hub1"]
    world.cut(client="carol", hub="hub1")
    peer = next(iter(world.clients["carol"].hubs))
    halves = []
    for _ in range(5):
        near, far = world.clients["carol"].connected(peer), hub.connect()
        world.clients["carol"].receive(near, far.data_to_send(), world.now)
        hub.receive(far, near.data_to_send(), world.now)
        halves.append(far)
    _, to_close = hub.turn_ends()
    assert to_close == halves[:-1]
    assert len(hub._half_open) == 1


def test_a_claim_for_many_encryptors_does_not_flood_the_log(world: World) -> None:
    say(world, as_client(world, "carol"), *[Register([f"{i:0128}" for i in range(2000)])] * 3)
    claims = [text for text in world.warnings() if "claims" in text]
    assert len(claims) == 1 and len(claims[0]) < 1000


def test_a_replaced_connection_takes_no_more_blocks_and_no_pads(world: World) -> None:
    """The client connects again while the hub still has answers for the old connection."""
    keys = world.get_keys("carol", "sam", ["sunny"], 8, 1_000_000)
    old = link_of(world, "curtis")
    hub = world.hubs["hub1"]
    old.far.writable = False  # its reader is stuck
    old.near.send(0x7000_0000, get(*[key.key_id for key in keys]))
    hub.receive(old.far, old.near.data_to_send(), world.now)
    world.end_turns()
    assert old.far.session is not None and old.far.session.pads_wanted > 0
    world.clients["curtis"].disconnected(old.peer, world.now, "the connection was lost")
    old.peer.connection = None
    old.open = False
    world.links.remove(old)
    world.run_until(lambda: connected(world, "curtis") and old.peer.registered)
    old.far.writable = True
    hub._changed[old.far] = None
    before = old.far.session.streams.local.next
    hub.turn_ends()
    old.far.data_to_send()
    assert old.far.session.streams.local.next == before
    assert world.get_by_id("curtis", "sunny", "sam", keys) == keys
    assert connected(world, "curtis")


def test_a_client_that_comes_again_and_again_fills_no_log() -> None:
    world = World(n=2, k=2).start()

    def lines() -> int:
        return sum("client carol registered" in text for _, text in world.notices)

    assert lines() == 2, "one at each hub"
    for _ in range(20):
        world.cut(client="carol")
        world.start()
    assert lines() == 2
    world.run_for(OUTSIDER_LOG_INTERVAL_S)
    world.cut(client="carol")
    world.start()
    assert lines() == 4


def test_no_share_is_stored_for_the_encryptor_of_another_client(world: World) -> None:
    """Not under its name, nor under the name of who sent it: the session says whose share it is."""
    hub = world.hubs["hub1"]
    before = hub.shares.counts("carol"), hub.shares.counts("celia")
    say(world, as_client(world, "celia"), put(share()))
    assert (hub.shares.counts("carol"), hub.shares.counts("celia")) == before
    say(world, as_client(world, "carol"), put(share()))
    assert hub.shares.counts("carol")[0] == before[0][0] + 1
    assert connected(world, "celia")
