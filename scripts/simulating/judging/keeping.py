"""What engines keep: never more than their connections need, and in the end nothing."""

from __future__ import annotations

from dsked.client.engine import ClientEngine
from dsked.hub.engine import HubEngine
from simulating.events import Broken
from simulating.processes import HubProcess, Process


def check_hub(process: HubProcess, nr_ends: int) -> None:
    """Nothing that belongs to connections outlives them. Raises Broken."""
    engine = process.engine
    sizes = {
        "sessions": len(engine._sessions), "half open": len(engine._half_open),
        "deliveries": len(engine._deliveries._of), "told": engine._notices.nr_connections,
        "parked": len(engine._desk._parking._by_connection), "changed": len(engine._changed),
    }  # fmt: skip
    for name, size in sizes.items():
        if size > nr_ends:
            raise Broken(f"{process.name}: {size} {name} with {nr_ends} connections")


def check_counts(process: Process) -> None:
    """What shares weigh is what limits are told, and at most twice as much is held. Raises Broken."""
    engine = process.engine
    if isinstance(engine, HubEngine):
        for client, account in engine.shares._accounts.items():
            lots = set(account.lots.values())
            weight = sum(lot.left * lot.key_size for lot in lots)
            held = sum(len(lot.shares) + len(lot.codes) for lot in lots)
            _compare(f"{process.name} of {client}", account.nr_bytes, weight, held)
        return
    fetches = engine._responder._fetches
    batches = {fetch.batch for fetch in fetches}
    for x in fetches._held_bytes:
        weight = sum(batch.held_bytes(x) for batch in batches)
        columns = [batch.columns[x] for batch in batches if x in batch.columns]
        held = sum(len(column.shares) + len(column.codes) for column in columns)
        _compare(f"{process.name} of the hub at {x}", fetches._held_bytes[x], weight, held)


def _compare(whose: str, counted: int, weight: int, held: int) -> None:
    if counted != weight or held > 2 * weight:
        raise Broken(f"{whose}: counts {counted} bytes of shares; they weigh {weight}, and {held} are held")


def check_quiet(process: Process) -> None:
    """All requests are answered and all time is out: nothing is kept any more. Raises Broken."""
    left = {name: size for name, size in _kept(process.engine).items() if size}
    if left:
        raise Broken(f"{process.name} keeps what it needs no more: {left}")


def _kept(engine: HubEngine | ClientEngine) -> dict[str, int]:
    if isinstance(engine, HubEngine):
        return {
            "shares": len(engine.shares), "tombstones": engine.shares.nr_tombstones,
            "parked": len(engine._desk._parking._waiting),
        }  # fmt: skip
    responder, initiator = engine._responder, engine._initiator
    return {
        "fetches": len(responder._fetches), "waiting": sum(responder._nr_waiting._of.values()),
        "bytes under way": sum(initiator._under_way._of.values()),
        "unsent": len(initiator._scattering.unsent._of), "undecided": len(initiator._scattering._undecided),
        "questions": len(engine._locator._questions),
        "held bytes": sum(responder._fetches._held_bytes.values()),
    }  # fmt: skip
