"""Simulated delivery, the hub's side: it makes the blocks of both pools and gives them out in sequence.

For a laboratory only. Asking again for a number gives the same bytes, so that a lost reply never
leaves different streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dsked.errors import PeerError
from dsked.identifiers import uuid4
from dsked.limits import MAX_SIMULATED_BLOCK_BYTES, MAX_SIMULATED_BLOCKS, MAX_SIMULATED_POOL_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.psrd.store import BlockInfo, in_memory
from dsked.wire.connection import HubConnection
from dsked.wire.messages import PsrdBlock, PsrdRequest

#: `owner` of PSRD_REQUEST and PSRD_BLOCK.
OWNER_NUMBER = {Side.CLIENT: 0, Side.HUB: 1}
Random = Callable[[int], bytes]


class BlockDelivery:
    """The blocks of one connection's streams.

    The connection delivers in order: what has been sent on it is held by the client before anything
    that is sent later. So a request that crossed a block on its way needs no second answer.
    """

    __slots__ = ("_random", "_sent", "_streams")

    def __init__(self, streams: Streams, random: Random) -> None:
        self._streams = streams
        self._random = random
        self._sent = [-1, -1]  # the last sequence number sent here, by the owner's number

    def answer(self, request: PsrdRequest) -> PsrdBlock | None:
        """The block asked for; None where it is on its way. Raises PeerError out of sequence."""
        owner = Side.HUB if request.owner else Side.CLIENT
        pool = self._streams.by_owner(Side.HUB, owner)
        if request.stream != pool.stream_id:
            raise PeerError("a PSRD_REQUEST for another stream")
        if request.sequence <= self._sent[request.owner]:
            return None
        store = in_memory(pool.store)
        if request.sequence < store.next_sequence:
            found = store.block(request.sequence)
            if found is None:
                raise PeerError("a PSRD_REQUEST for a block of which bytes are used")
            return self._deliver(owner, *found)
        if request.sequence > store.next_sequence:
            raise PeerError("a PSRD_REQUEST out of sequence")
        most = MAX_SIMULATED_POOL_BYTES * (2 if owner is Side.HUB else 1)  # the hub's grows by pushes, too
        if pool.unused > most or store.nr_blocks >= MAX_SIMULATED_BLOCKS:
            raise PeerError("a PSRD_REQUEST beyond what a pool may hold")
        return self._new_block(owner, min(max(request.size, 1), MAX_SIMULATED_BLOCK_BYTES))

    def push(self, wanted: int) -> Iterator[PsrdBlock]:
        """Blocks of the hub's own pool, unasked, until both sides hold `wanted` unused bytes.

        First those again that an earlier connection took along when it was lost.
        """
        pool = self._streams.local
        while pool.unused < wanted:
            if pool.held_end < pool.store.end:
                lost = next(info for info in pool.store.blocks() if info.end > pool.held_end)
                found = in_memory(pool.store).block(lost.sequence)
                if found is None:
                    raise PeerError("a client that lost a block of which bytes are used")
                yield self._deliver(Side.HUB, *found)
            else:
                missing = wanted - pool.unused
                yield self._new_block(Side.HUB, min(missing, MAX_SIMULATED_BLOCK_BYTES))

    def _new_block(self, owner: Side, size: int) -> PsrdBlock:
        data = self._random(size)
        store = in_memory(self._streams.by_owner(Side.HUB, owner).store)
        info = store.append(uuid4(self._random), data)
        return self._deliver(owner, info, data)

    def _deliver(self, owner: Side, info: BlockInfo, data: bytes) -> PsrdBlock:
        self._sent[OWNER_NUMBER[owner]] = info.sequence
        local = self._streams.local
        if owner is Side.HUB:
            local.peer_holds(max(local.peer_end, info.end))
        stream_id = self._streams.by_owner(Side.HUB, owner).stream_id
        return PsrdBlock(OWNER_NUMBER[owner], stream_id, info.sequence, info.uuid, data)


class Deliveries:
    """The deliveries of one hub, by connection; each is made when it is first asked for."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._of: dict[HubConnection, BlockDelivery] = {}

    def of(self, connection: HubConnection) -> BlockDelivery:
        """The delivery of a connection that has got as far as M2."""
        delivery = self._of.get(connection)
        if delivery is None:
            assert connection.streams is not None
            delivery = self._of[connection] = BlockDelivery(connection.streams, self._random)
        return delivery

    def forget(self, connection: HubConnection) -> None:
        """The connection is gone."""
        self._of.pop(connection, None)
