"""What status tells of a pool: its blocks and how much of them is used, never a byte of them."""

from __future__ import annotations

import uuid
from itertools import islice
from typing import Any

from dsked.limits import MIN_STATUS_BLOCKS_OF_POOL, STATUS_BLOCKS
from dsked.psrd.pair import Streams
from dsked.psrd.pool import Pool


def blocks_each(nr_peers: int) -> int:
    """How many blocks of each pool a status shows that tells of `nr_peers`, so that it stays small."""
    return max(STATUS_BLOCKS // max(2 * nr_peers, 1), MIN_STATUS_BLOCKS_OF_POOL)


def pools_report(streams: Streams | None, most_blocks: int) -> dict[str, Any]:
    """`local_pool` and `peer_pool` with the user guide's field names; sizes and positions in bytes.

    Of each pool the first `most_blocks` blocks, which are used next. `window` is null for simulated PSRD.
    """
    if streams is None:
        return {"local_pool": _pool(None, 0, "local", 0), "peer_pool": _pool(None, 0, "peer", 0)}
    return {
        "local_pool": _pool(streams.local, streams.local.next, "local", most_blocks),
        "peer_pool": _pool(streams.peer, streams.peer.mark, "peer", most_blocks),
    }


def _pool(pool: Pool | None, used_to: int, owner: str, most_blocks: int) -> dict[str, Any]:
    blocks = []
    for block in islice(pool.store.blocks(), most_blocks) if pool is not None else ():
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
        "nr_blocks": pool.store.nr_blocks if pool is not None else 0,
        "owner": owner,
        "position": used_to,
        "nr_unused_bytes": max(pool.store.end - used_to, 0) if pool is not None else 0,
        "window": pool.window if pool is not None else None,
    }
