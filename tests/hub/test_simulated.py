from __future__ import annotations

import random

import pytest

from dsked.errors import PeerError
from dsked.hub import simulated
from dsked.hub.simulated import BlockDelivery
from dsked.limits import MAX_SIMULATED_BLOCK_BYTES
from dsked.psrd.pair import Streams, simulated_streams
from dsked.wire.messages import PsrdBlock, PsrdRequest

CLIENT, HUB = 0, 1
STREAM = {CLIENT: b"c" * 16, HUB: b"h" * 16}


@pytest.fixture
def streams() -> Streams:
    return simulated_streams(STREAM[HUB], STREAM[CLIENT])


@pytest.fixture
def delivery(streams: Streams) -> BlockDelivery:
    return new_delivery(streams)


def new_delivery(streams: Streams) -> BlockDelivery:
    return BlockDelivery(streams, random.Random(1).randbytes)


def request(sequence: int, owner: int = CLIENT, size: int = 1000, stream: bytes | None = None) -> PsrdRequest:
    return PsrdRequest(owner, stream or STREAM[owner], sequence, size)


def answer(delivery: BlockDelivery, *what: int) -> PsrdBlock:
    block = delivery.answer(request(*what))
    assert block is not None
    return block


@pytest.mark.parametrize("owner", [CLIENT, HUB])
def test_blocks_are_made_in_sequence_and_held_by_the_hub(streams, delivery, owner: int) -> None:
    blocks = [answer(delivery, sequence, owner, 10) for sequence in range(3)]
    assert [block.sequence for block in blocks] == [0, 1, 2]
    assert {(block.owner, block.stream) for block in blocks} == {(owner, STREAM[owner])}
    assert len({block.uuid for block in blocks}) == 3
    store = (streams.peer, streams.local)[owner].store
    assert store.read(0, 30) == b"".join(block.data for block in blocks)


def test_the_hub_allocates_from_what_the_client_will_hold(streams, delivery) -> None:
    answer(delivery, 0, CLIENT, 100)
    assert streams.local.unused == 0
    answer(delivery, 0, HUB, 100)
    assert streams.local.unused == 100


def test_the_same_number_on_another_connection_gives_the_same_bytes(streams, delivery) -> None:
    """Its answer may have been lost with the connection: two streams must never differ."""
    for owner in (CLIENT, HUB):
        first = answer(delivery, 0, owner)
        assert answer(new_delivery(streams), 0, owner, 77) == first


def test_a_request_that_crossed_its_block_gets_no_second_one(streams, delivery) -> None:
    [pushed] = delivery.push(500)
    assert pushed.sequence == 0
    streams.local.allocate(100)  # its bytes are in use already
    assert delivery.answer(request(0, HUB)) is None
    assert answer(delivery, 1, HUB).sequence == 1


def test_a_block_of_which_bytes_are_used_is_never_given_again(streams, delivery) -> None:
    answer(delivery, 0, HUB, 100)
    streams.local.allocate(1)
    with pytest.raises(PeerError, match="bytes are used"):
        new_delivery(streams).answer(request(0, HUB))


@pytest.mark.parametrize(
    "wrong", [request(1), request(0, stream=b"x" * 16), request(0, HUB, stream=STREAM[CLIENT])]
)
def test_requests_out_of_place_break_the_protocol(streams, delivery, wrong: PsrdRequest) -> None:
    with pytest.raises(PeerError):
        delivery.answer(wrong)
    assert streams.local.store.end == streams.peer.end == 0


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 1), (1, 1), (1000, 1000), (2**32 - 1, MAX_SIMULATED_BLOCK_BYTES)]
)
def test_a_blocks_size_is_bounded(delivery, asked: int, given: int) -> None:
    assert len(answer(delivery, 0, CLIENT, asked).data) == given


def test_a_pool_is_bounded(delivery, streams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "MAX_SIMULATED_POOL_BYTES", 2500)
    with pytest.raises(PeerError, match="beyond what a pool may hold"):
        for sequence in range(100):
            answer(delivery, sequence)
    assert 2500 < streams.peer.unused <= 2 * 2500 + 1000, "twice: blocks are pushed, too"
    streams.peer.advance(1000)
    assert answer(delivery, streams.peer.store.next_sequence)


def test_the_hub_pushes_what_its_answers_need(streams, delivery) -> None:
    wanted = MAX_SIMULATED_BLOCK_BYTES + 5
    blocks = list(delivery.push(wanted))
    assert [len(block.data) for block in blocks] == [MAX_SIMULATED_BLOCK_BYTES, 5]
    assert {block.owner for block in blocks} == {HUB}
    assert streams.local.unused == wanted
    assert list(delivery.push(wanted)) == []
