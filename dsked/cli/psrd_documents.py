"""How bundles and pools are shown: as JSON, and as lines and tables for people."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from dsked.media import manifest
from dsked.media.header import Header
from dsked.media.pools import StoredPool
from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.storage.records import Delivery, PairRecord

OWNER_NAMES = {Side.CLIENT: "client", Side.HUB: "hub"}


def uuid_text(raw: bytes) -> str:
    """A UUID of 16 bytes in its usual form."""
    return str(uuid.UUID(bytes=raw))


def header_document(header: Header) -> dict[str, Any]:
    """What the clear header of a bundle tells."""
    return {
        "bundle": uuid_text(header.bundle),
        "hub": header.hub,
        "client": header.client,
        "sealed": header.seal is not None,
        "bytes": header.total_bytes,
    }


def delivery_document(header: Header, delivery: Delivery) -> dict[str, Any]:
    """What a bundle brings; no secret."""
    pools = {
        OWNER_NAMES[owner]: {
            "bytes": manifest.pool_bytes(delivery, owner),
            "blocks": [_block(info) for info in delivery.blocks(owner)],
        }
        for owner in manifest.OWNERS
    }
    terms = {"x_coordinate": delivery.terms.x, "window_bytes": delivery.terms.window}
    return {**header_document(header), "replace": delivery.replace, **terms, "pools": pools}


def pools_document(peer: str, record: PairRecord, pools: Sequence[StoredPool]) -> dict[str, Any]:
    """What a node keeps of a pair."""
    return {
        "peer": peer,
        "x_coordinate": record.terms.x,
        "window_bytes": record.terms.window,
        "pools": {
            OWNER_NAMES[pool.owner]: {
                "mark": pool.mark,
                "unread_bytes": pool.unread_bytes,
                "next_sequence": record.stream(pool.owner).next_sequence,
                "blocks": [{**_block(info), "unread_bytes": pool.unread_of(info)} for info in pool.blocks],
            }
            for pool in pools
        },
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines of a table; columns in `right` hold numbers."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


def _block(info: BlockInfo) -> dict[str, Any]:
    return {
        "uuid": uuid_text(info.uuid),
        "sequence": info.sequence,
        "start": info.start,
        "size": info.size,
    }
