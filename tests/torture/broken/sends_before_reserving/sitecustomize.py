"""A daemon that uses bytes before their mark is durable, and begins where its own disk says it stands."""

from __future__ import annotations

from collections.abc import Callable

from dsked.psrd.pool import OwnerPool, Pool, ReceiverPool
from dsked.storage.durable_stream import DurableStream
from dsked.wire import handshake_client, handshake_hub


def _reserve(self: DurableStream, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
    durable(mark)


def _begin_position(pool: OwnerPool, **told: object) -> int:
    return pool.next


def _anywhere(pool: Pool, position: int, durable_mark: int) -> bool:
    return True


def _in_the_pool(pool: ReceiverPool, position: int, durable_mark: int) -> None:
    """A proof's hash key stands where the proof does."""


DurableStream.reserve = _reserve  # type: ignore[method-assign]
handshake_client.begin_position = handshake_hub.begin_position = _begin_position
for _machine in (handshake_client, handshake_hub):
    _machine.lies_where_no_frame_was = _anywhere  # type: ignore[attr-defined]
    _machine.peers_hash_key = _in_the_pool  # type: ignore[attr-defined]
