"""A daemon that uses bytes before their mark is durable, and begins where its own disk says it stands."""

from __future__ import annotations

from collections.abc import Callable

from dsked.psrd.pool import OwnerPool
from dsked.storage.durable_stream import DurableStream
from dsked.wire import handshake_client, handshake_hub


def _reserve(self: DurableStream, mark: int, at_most: int, durable: Callable[[int], None]) -> None:
    durable(mark)


def _begin_position(pool: OwnerPool, **told: object) -> int:
    return pool.next


DurableStream.reserve = _reserve  # type: ignore[method-assign]
handshake_client.begin_position = handshake_hub.begin_position = _begin_position
