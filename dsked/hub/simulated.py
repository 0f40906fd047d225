"""Simulated delivery, the hub's side: it makes the blocks of both pools and gives them out in sequence.

For a laboratory only. Asking again for a number gives the same bytes, so that a lost reply never
leaves different streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dsked.errors import PeerError
from dsked.limits import MAX_SIMULATED_BLOCK_BYTES, MAX_SIMULATED_POOL_BYTES, UUID_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.wire.messages import PsrdBlock, PsrdRequest

#: `owner` of PSRD_REQUEST and PSRD_BLOCK.
OWNER_NUMBER = {Side.CLIENT: 0, Side.HUB: 1}
Random = Callable[[int], bytes]


def issue_block(streams: Streams, request: PsrdRequest, random: Random) -> PsrdBlock:
    """The hub's answer to PSRD_REQUEST. Raises PeerError when the request breaks the sequence."""
    owner = Side.HUB if request.owner else Side.CLIENT
    pool = streams.by_owner(Side.HUB, owner)
    if request.stream != pool.stream_id:
        raise PeerError("a PSRD_REQUEST for another stream")
    if request.sequence < pool.store.next_sequence:
        return _repeat(streams, owner, request.sequence)
    if request.sequence > pool.store.next_sequence or pool.unused > MAX_SIMULATED_POOL_BYTES:
        raise PeerError("a PSRD_REQUEST out of sequence, or beyond what a pool may hold")
    size = min(max(request.size, 1), MAX_SIMULATED_BLOCK_BYTES)
    return _new_block(streams, owner, size, random)


def push_blocks(streams: Streams, wanted: int, random: Random) -> Iterator[PsrdBlock]:
    """Blocks of the hub's own pool, unasked, until it holds `wanted` unused bytes."""
    while streams.local.unused < wanted:
        size = min(wanted - streams.local.unused, MAX_SIMULATED_BLOCK_BYTES)
        yield _new_block(streams, Side.HUB, size, random)


def _new_block(streams: Streams, owner: Side, size: int, random: Random) -> PsrdBlock:
    pool = streams.by_owner(Side.HUB, owner)
    data, uuid = random(size), random(UUID_BYTES)
    info = pool.store.append(uuid, data)
    _note_held(streams, owner, info.end)
    return PsrdBlock(OWNER_NUMBER[owner], pool.stream_id, info.sequence, uuid, data)


def _repeat(streams: Streams, owner: Side, sequence: int) -> PsrdBlock:
    pool = streams.by_owner(Side.HUB, owner)
    found = pool.store.block(sequence)
    if found is None:
        raise PeerError("a PSRD_REQUEST for a block of which bytes are used")
    info, data = found
    _note_held(streams, owner, info.end)
    return PsrdBlock(OWNER_NUMBER[owner], pool.stream_id, sequence, info.uuid, data)


def _note_held(streams: Streams, owner: Side, end: int) -> None:
    """The connection delivers in order: whatever is sent after the block meets a client that holds it."""
    if owner is Side.HUB:
        streams.local.held_end = max(streams.local.held_end, end)
