"""PSRD that clients used between two looks at their status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Status = Mapping[str, Any]


class Used(NamedTuple):
    """Bytes, of both pools with all hubs: used up, and delivered by the hubs meanwhile."""

    used_bytes: int
    delivered_bytes: int


def used_between(before: Status, after: Status) -> Used | None:
    """What a client used between two of its own statuses; None where that cannot be told.

    Bytes are used in order, so that while a block of the first status is still there, none that came later
    has been. Once all of them are gone, others may have come and gone as well.
    """
    used = delivered = 0
    for old, new in zip(_pools(before), _pools(after), strict=True):
        left = {uuid: new[uuid] for uuid in old if uuid in new}
        if not left:
            return None
        used += sum(old.values()) - sum(left.values())
        delivered += sum(size for uuid, size in new.items() if uuid not in old)
    return Used(used, delivered)


def _pools(status: Status) -> Iterator[dict[str, int]]:
    """Unused bytes by block, pool by pool."""
    for hub in status["peer_hubs"]:
        for pool in ("local_pool", "peer_pool"):
            yield {block["uuid"]: block["nr_unused_bytes"] for block in hub[pool]["blocks"]}
