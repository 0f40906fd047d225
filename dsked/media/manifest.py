"""The manifest of a bundle: the pair's terms and the list of its blocks (proto/bundles.md).

The blocks of the client's pool come first, then those of the hub's; their bytes follow in this order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from dsked import limits
from dsked.media.header import Header
from dsked.psrd.pair import Side
from dsked.psrd.pool import window_bytes
from dsked.psrd.store import BlockInfo
from dsked.storage import block_file
from dsked.storage.records import Delivery, GateKey, Natural, PairTerms, StreamId, Uuid

OWNERS = (Side.CLIENT, Side.HUB)
LENGTH_BYTES = 4
DIGEST_BYTES = 32
#: Chunks whose checksums stand together, behind their bytes: 1 MiB.
GROUP_BYTES = 256 * block_file.CHUNK_BYTES


class _Block(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    owner: str  # "C" or "H": the pool's owner, by its direction byte
    sequence: Natural
    uuid: Uuid
    start: Natural
    size: Annotated[int, Meta(ge=1, le=limits.MAX_BLOCK_BYTES)]

    def info(self) -> BlockInfo:
        return BlockInfo(self.sequence, self.uuid, self.start, self.size)


class _Manifest(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    gate_key: GateKey
    x: Annotated[int, Meta(ge=1, le=255)]
    window: Annotated[int, Meta(ge=limits.WINDOW_MIN_BYTES, le=limits.WINDOW_MAX_BYTES)]
    client_stream: StreamId
    hub_stream: StreamId
    replace: bool
    blocks: Annotated[list[_Block], Meta(max_length=limits.MAX_BLOCKS_PER_BUNDLE)]

    def __repr__(self) -> str:
        return "_Manifest(...)"  # it holds the gate key


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Manifest)


def encode(delivery: Delivery) -> bytes:
    """The manifest's bytes."""
    terms = delivery.terms
    blocks = [
        _Block(owner.value.decode(), info.sequence, info.uuid, info.start, info.size)
        for owner, info in blocks_in_order(delivery)
    ]
    return _ENCODER.encode(
        _Manifest(
            terms.gate_key,
            terms.x,
            terms.window,
            terms.client_stream,
            terms.hub_stream,
            delivery.replace,
            blocks,
        )
    )


def decode(raw: bytes, header: Header) -> Delivery:
    """What the bundle brings. Raises ValueError where the manifest breaks a rule of proto/bundles.md."""
    try:
        manifest = _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    terms = PairTerms(
        header.client,
        header.hub,
        manifest.gate_key,
        manifest.x,
        manifest.window,
        manifest.client_stream,
        manifest.hub_stream,
    )
    client, hub = (
        tuple(block.info() for block in manifest.blocks if block.owner == owner.value.decode())
        for owner in OWNERS
    )
    delivery = Delivery(header.bundle, terms, client, hub, manifest.replace)
    if encode(delivery) != raw:  # not canonical, an unknown owner, or the blocks in another order
        raise ValueError("not in canonical form")
    _check(delivery)
    return delivery


def blocks_in_order(delivery: Delivery) -> Iterator[tuple[Side, BlockInfo]]:
    """The blocks as their bytes follow each other, each with its pool's owner."""
    for owner in OWNERS:
        for info in delivery.blocks(owner):
            yield owner, info


def pool_bytes(delivery: Delivery, owner: Side) -> int:
    """Bytes that the bundle brings to one pool."""
    return sum(info.size for info in delivery.blocks(owner))


def group_lengths(size: int) -> Iterator[int]:
    """A block of `size` bytes in groups of chunks."""
    for at in range(0, size, GROUP_BYTES):
        yield min(GROUP_BYTES, size - at)


def plain_bytes(delivery: Delivery) -> int:
    """Length of the body before sealing: manifest, blocks, checksums, and both digests."""
    blocks = sum(
        info.size + block_file.nr_chunks(info.size) * block_file.CHECKSUM_BYTES
        for _, info in blocks_in_order(delivery)
    )
    return LENGTH_BYTES + len(encode(delivery)) + DIGEST_BYTES + blocks + DIGEST_BYTES


def _check(delivery: Delivery) -> None:
    """Raises ValueError unless both pools get blocks that follow each other, and the window is theirs."""
    uuids = [info.uuid for _, info in blocks_in_order(delivery)]
    if len(set(uuids)) < len(uuids):
        raise ValueError("two blocks of one UUID")
    if delivery.terms.client_stream == delivery.terms.hub_stream:
        raise ValueError("two streams of one identity")
    for owner in OWNERS:
        _check_pool(delivery.blocks(owner))
    if any(delivery.blocks(owner)[0].sequence == 0 for owner in OWNERS):
        _check_first(delivery)
    elif delivery.replace:
        raise ValueError("new streams that do not begin with block 0")


def _check_pool(blocks: tuple[BlockInfo, ...]) -> None:
    if not blocks:
        raise ValueError("a pool without blocks")
    if (blocks[0].sequence == 0) != (blocks[0].start == 0):
        raise ValueError("a stream begins with block 0 at position 0")
    for one, following in pairwise(blocks):
        if (following.sequence, following.start) != (one.sequence + 1, one.end):
            raise ValueError("blocks that do not follow each other")
    if blocks[-1].end > limits.MAX_POSITION:
        raise ValueError("positions beyond the largest")


def _check_first(delivery: Delivery) -> None:
    """The first bundle of a pair's streams begins both, and fixes the window."""
    if not all(delivery.blocks(owner)[0].sequence == 0 for owner in OWNERS):
        raise ValueError("one stream begins and the other goes on")
    smaller = min(pool_bytes(delivery, owner) for owner in OWNERS)
    if smaller < limits.MIN_FIRST_BUNDLE_BYTES:
        raise ValueError(f"a first bundle brings at least {limits.MIN_FIRST_BUNDLE_BYTES} bytes to each pool")
    if delivery.terms.window != window_bytes(smaller):
        raise ValueError("a window that is not the first bundle's")
