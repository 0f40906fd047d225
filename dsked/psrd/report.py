"""What status tells of a pool: its blocks and how much of them is used, never a byte of them."""

from __future__ import annotations

import uuid
from typing import Any

from dsked.psrd.pair import Streams
from dsked.psrd.pool import Pool


def pools_report(streams: Streams | None) -> dict[str, Any]:
    """`local_pool` and `peer_pool` with the user guide's field names; sizes in bytes.

    `window` is null where PSRD is simulated.
    """
    if streams is None:
        return {"local_pool": _pool(None, 0, "local"), "peer_pool": _pool(None, 0, "peer")}
    return {
        "local_pool": _pool(streams.local, streams.local.next, "local"),
        "peer_pool": _pool(streams.peer, streams.peer.mark, "peer"),
    }


def _pool(pool: Pool | None, used_to: int, owner: str) -> dict[str, Any]:
    blocks = []
    for block in pool.store.blocks() if pool is not None else ():
        used = min(max(used_to - block.start, 0), block.size)
        blocks.append(
            {
                "uuid": str(uuid.UUID(bytes=block.uuid)),
                "size": block.size,
                "nr_used_bytes": used,
                "nr_unused_bytes": block.size - used,
            }
        )
    return {
        "blocks": blocks,
        "owner": owner,
        "nr_unused_bytes": max(pool.store.end - used_to, 0) if pool is not None else 0,
        "window": pool.window if pool is not None else None,
    }
