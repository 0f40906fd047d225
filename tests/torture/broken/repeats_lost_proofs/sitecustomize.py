"""A client that sends M3 at the same position again where it does not know that the last one has arrived."""

from __future__ import annotations

from collections.abc import Callable

from dsked.psrd.pair import Promises
from dsked.psrd.pool import OwnerPool, Pool
from dsked.wire import handshake_client

_proof_bytes = Promises.proof_bytes
_begins_session = OwnerPool.begins_session
_honest_position: Callable[..., int] = handshake_client.begin_position
_unproven: dict[int, tuple[int, bytes]] = {}  # by the pool's id


def _again(self: Promises, pool: OwnerPool, position: int) -> bytes:
    if id(pool) not in _unproven:
        _unproven[id(pool)] = position, _proof_bytes(self, pool, position)
    return _unproven[id(pool)][1]


def _begin_position(pool: OwnerPool, **told: object) -> int:
    if id(pool) in _unproven:
        return _unproven[id(pool)][0]
    return _honest_position(pool, **told)


def _anywhere(pool: Pool, position: int, durable_mark: int) -> bool:
    return True


def _proven(self: OwnerPool, durable_mark: int) -> None:
    _unproven.pop(id(self), None)
    _begins_session(self, durable_mark)


Promises.proof_bytes = _again  # type: ignore[method-assign]
OwnerPool.begins_session = _proven  # type: ignore[method-assign]
handshake_client.begin_position = _begin_position
handshake_client.lies_where_no_frame_was = _anywhere  # type: ignore[attr-defined]
