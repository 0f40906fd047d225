"""Pads on media: which hubs a client can still deal to, or fetch from. What is used up is nobody's fault."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dsked.limits import LAST_QUESTION_BYTES, MASK_BYTES, USED_UP_BYTES
from dsked.sharing.shares import code_bytes
from dsked.sharing.terms import Terms
from simulating.disks.state import WINDOW
from simulating.processes import Process
from simulating.world import World

_FRAME_BYTES = WINDOW // 4  # of secrets


def pads(secrets: int, number: int) -> int:
    """Bytes that the secrets of so many keys take at most, with the masks of their frames."""
    return secrets + MASK_BYTES * (number + secrets // _FRAME_BYTES)


def can_deal(world: World, client: str, hub: str, wanted: int) -> bool:
    """The pair has pads for new keys: `wanted` bytes of the client's."""
    ours, theirs = _left(world.client(client), hub), _left(world.hub(hub), client)
    return ours >= max(wanted, USED_UP_BYTES) and theirs >= USED_UP_BYTES


def can_fetch(world: World, client: str, hub: str, keys: Sequence[Terms]) -> bool:
    """The pair has pads to ask for the shares of these keys, and to answer."""
    ours, theirs = _left(world.client(client), hub), _left(world.hub(hub), client)
    wanted = pads(sum(terms.key_bytes + code_bytes(terms) for terms in keys), len(keys))
    return ours >= LAST_QUESTION_BYTES and theirs >= max(wanted, LAST_QUESTION_BYTES)


def _left(process: Process | None, peer: str) -> float:
    """Bytes of a process's own pool that no message of its waits for; without end unless they are known."""
    streams = process.store.streams().get(peer) if process is not None and process.store is not None else None
    if process is None or streams is None:
        return math.inf
    sessions = [end.connection.session for end in process.ends.values() if end.peer == peer]
    return streams.local.left - sum(session.pads_wanted for session in sessions if session is not None)
