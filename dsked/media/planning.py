"""What a new bundle will hold: which streams, which blocks, where they stand. No byte of PSRD yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dsked import limits
from dsked.errors import RequestError
from dsked.identifiers import uuid4
from dsked.media.sizes import show_size
from dsked.psrd.pair import Side
from dsked.psrd.pool import window_bytes
from dsked.psrd.store import BlockInfo
from dsked.storage.records import Delivery, PairRecord, PairTerms, StreamRecord

Random = Callable[[int], bytes]
_NOTHING = StreamRecord(slot=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Blocks for one client: bytes of each of the two pools, cut into blocks of at most `block_bytes`.

    `new_streams`: both pools begin anew, and what is left of those before is given up.
    """

    client: str
    size_bytes: int
    block_bytes: int = limits.MAX_BLOCK_BYTES
    new_streams: bool = False


def plan(
    order: Order, hub: str, x: int, record: PairRecord | None, random: Random, *, replaces: bool = False
) -> Delivery:
    """The delivery that meets an order; `record` is what the hub keeps of the pair, `x` its x-coordinate.

    `replaces`: it begins new streams in the place of others. Raises RequestError where it cannot be.
    """
    begins = record is None or order.new_streams
    _check_sizes(order, begins)
    if begins or record is None:
        terms = _new_terms(order, hub, x, random)
        streams = {Side.CLIENT: _NOTHING, Side.HUB: _NOTHING}
    else:
        terms = record.terms
        streams = {owner: record.stream(owner) for owner in Side}
        if terms.x != x:
            raise RequestError(
                f"hub {hub} has x-coordinate {x} in its configuration, and {terms.x} in the bundles that "
                f"client {order.client} got before; --new-streams begins anew with the other one"
            )
    client, hub_blocks = (tuple(_blocks(order, streams[owner], random)) for owner in (Side.CLIENT, Side.HUB))
    return Delivery(uuid4(random), terms, client, hub_blocks, replace=replaces)


def _check_sizes(order: Order, begins: bool) -> None:
    if order.size_bytes < 1:
        raise RequestError(f"{order.size_bytes} bytes for each pool: at least 1 is expected")
    if not 1 <= order.block_bytes <= limits.MAX_BLOCK_BYTES:
        raise RequestError(f"a block of {order.block_bytes} bytes; expected 1 to {limits.MAX_BLOCK_BYTES}")
    if begins and order.size_bytes < limits.MIN_FIRST_BUNDLE_BYTES:
        raise RequestError(
            f"{show_size(order.size_bytes)} for each pool: the first bundle of a pair has at least "
            f"{show_size(limits.MIN_FIRST_BUNDLE_BYTES)}"
        )
    nr_blocks = -(-order.size_bytes // order.block_bytes)
    if 2 * nr_blocks > limits.MAX_BLOCKS_PER_BUNDLE:
        raise RequestError(
            f"{nr_blocks} blocks for each pool; a bundle holds at most {limits.MAX_BLOCKS_PER_BUNDLE // 2}: "
            "choose larger blocks or less bytes"
        )


def _new_terms(order: Order, hub: str, x: int, random: Random) -> PairTerms:
    return PairTerms(
        client=order.client,
        hub=hub,
        gate_key=random(limits.GATE_KEY_BYTES),
        x=x,
        window=window_bytes(order.size_bytes),
        client_stream=random(limits.STREAM_ID_BYTES),
        hub_stream=random(limits.STREAM_ID_BYTES),
    )


def _blocks(order: Order, stream: StreamRecord, random: Random) -> Iterator[BlockInfo]:
    starts = range(0, order.size_bytes, order.block_bytes)
    for number, start in enumerate(starts):
        size = min(order.block_bytes, order.size_bytes - start)
        yield BlockInfo(stream.next_sequence + number, uuid4(random), stream.end + start, size)
