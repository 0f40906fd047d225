"""Keys from a client's store: enough hubs hold them when they are handed out, and counts are true."""

from __future__ import annotations

from collections.abc import Iterable

from dsked.client.stored_place import StoredPair
from dsked.wire.connection import Stage
from simulating.events import Broken
from simulating.judging.remembered import Dealt, Memory
from simulating.processes import ClientProcess, HubProcess
from simulating.wires.tcp import End

#: Of the share time-out this part is left at least; the rest of a quarter is for clocks of other rates.
_LEFT = 0.2


class Store:
    """One request that a client may answer from its store. `now`: seconds on the client's clock."""

    def __init__(self, process: ClientProcess, pair: tuple[str, str], number: int, now: float) -> None:
        self._process, self._pair, self._number, self._now = process, pair, number, now
        self._before, self._most = process.engine.stored_keys(*pair, now)

    @classmethod
    def of(
        cls, process: ClientProcess, stored: Iterable[StoredPair], wanted: tuple[str | int, ...], number: int
    ) -> Store | None:
        """Where keys are stored that could be the answer. `wanted`: (initiator, responders ..., bits)."""
        for one in stored:
            if (one.initiator, one.responder, 8 * one.key_bytes) == wanted:
                return cls(process, (one.initiator, one.responder), number, process.node.now)
        return None

    def judge(self, *, at_once: bool) -> None:
        """What was told before the request is what it met. `at_once`: it got stored keys. Raises Broken."""
        after, _ = self._process.engine.stored_keys(*self._pair, self._now)
        told = f"{self._process.name} tells {self._before} of {self._most} stored keys"
        if at_once and self._before < min(self._number, self._most):
            raise Broken(f"{told}, and hands out {self._number}")
        if not at_once and self._before >= self._number:
            raise Broken(f"{told}, and does not hand out {self._number}")
        if at_once and after < self._before - self._number:
            raise Broken(f"{told}, and after {self._number} were handed out {after}")


def check_handed_out(memory: Memory, process: ClientProcess, key_id: bytes, dealt: Dealt) -> None:
    """A stored key leaves the store: k hubs with a session have its shares, and will for a while.

    What a client cannot know is not held against it: that a hub lies, or that its clock has jumped. A hub
    that is gone counts until the client's connection has ended. Raises Broken.
    """
    events, topology = memory.events, memory.topology
    events.count("stored keys handed out")
    hostile = any(party.client in topology.hostile for party in dealt.terms.responders)
    if hostile or memory.delivered_to_anyone((process.name, key_id)):
        return  # a hub has leaked its ID, and its responder has asked: hubs need its shares no more
    holding = [end.peer for end in process.ends.values() if _seems_to_hold(memory, end, key_id, dealt)]
    if len(holding) < topology.k:
        raise Broken(
            f"{process.name} hands out the stored key {key_id.hex()}, which was dealt "
            f"{events.now - dealt.at:.2f} s ago: only {holding} hold it, {topology.k} are needed"
        )


def hubs_holding(memory: Memory, process: ClientProcess, key_id: bytes) -> int:
    """How many honest hubs have a key's share now, whether the client can know it or not."""
    dealt = memory.dealt[process.name, key_id]
    honest = [end for end in process.ends.values() if end.peer not in memory.topology.liars]
    return sum(_serves(memory, end, dealt) and _has_share(memory, end, key_id) for end in honest)


def _seems_to_hold(memory: Memory, end: End, key_id: bytes, dealt: Dealt) -> bool:
    if end.other is None or not isinstance(hub := end.other.process, HubProcess):
        return False
    if hub.name in memory.topology.liars:
        return end.connection.stage is Stage.OPEN
    if not _serves(memory, end, dealt):
        return False
    return hub.node.jumped_at >= dealt.at or _has_share(memory, end, key_id)


def _serves(memory: Memory, end: End, dealt: Dealt) -> bool:
    hub = end.other.process if end.other is not None else None
    is_open = isinstance(hub, HubProcess) and end.connection.stage is Stage.OPEN
    return is_open and memory.serves(end.peer, dealt)


def _has_share(memory: Memory, end: End, key_id: bytes) -> bool:
    assert end.other is not None
    hub = end.other.process
    assert isinstance(hub, HubProcess)
    lot = hub.engine.shares.find(end.process.name, key_id)
    left_s = lot.expires_at - hub.node.now if lot is not None and lot.complete else 0.0
    return left_s > _LEFT * memory.topology.share_timeout_s


def check_store(process: ClientProcess) -> None:
    """No more is stored, or under way, than is wanted; twice as much while hubs are away. Raises Broken."""
    for place in process.engine._stored._places.values():
        if place.size > 2 * place.pair.count or not 0 <= place.under_way <= place.pair.count:
            raise Broken(
                f"{process.name} stores {place.size} keys, and {place.under_way} are under way: "
                f"{place.pair.count} are wanted"
            )
