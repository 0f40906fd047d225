"""A hub's engine among clients that say what a scenario tells them, and what it answers each of them.

The engine is dsked's own, with whole connections: what it says is what a client has verified and read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.hub.engine import HubEngine
from dsked.psrd.pair import Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import MemoryStream
from dsked.wire import messages as ms
from dsked.wire.connection import ClientConnection
from dsked.wire.handshake_client import ClientHandshake
from vectors.common import fixed, source, unpacked

HUB = "hank"
#: Of both pools of every pair, in bytes: what PINGs tell. No scenario comes near the window.
POOL_BYTES, WINDOW_BYTES = 1 << 20, 1 << 18
_BEGUN_S = 1024.0  # the engine's clock when a scenario begins; its times are whole eighths of a second
_NO_BYTES = bytes(POOL_BYTES)


def _stream() -> MemoryStream:
    store = MemoryStream()
    store.append(bytes(16), _NO_BYTES)
    return store


def _streams(client: str, side: Side, own_next: int = 0, mark: int = 0) -> Streams:
    """One side's view of both pools. What a process before has used of them is behind it."""
    ids = {owner: fixed(f"hub {client} {owner.name} stream", 16) for owner in Side}
    return Streams(
        OwnerPool(ids[side], _stream(), WINDOW_BYTES, own_next),
        ReceiverPool(ids[side.other], _stream(), WINDOW_BYTES, mark),
    )


class _Process:
    """A process of a client, over all its connections."""

    def __init__(self, client: str, number: int, before: _Process | None) -> None:
        self.client, self.boot_id = client, fixed(f"hub boot {client} {number}", 16)
        self.pair = Pair(client, HUB, Side.CLIENT, _gate_key(client), simulated=False)
        marks = (0, 0)
        if before is not None and before.pair.streams is not None:
            old = before.pair.streams
            marks = old.local.durable, old.peer.durable
        self.pair.streams = _streams(client, Side.CLIENT, *marks)


def _gate_key(client: str) -> bytes:
    return fixed(f"hub gate key {client}", 32)


class _Session:
    """A connection of a process, from M0 on."""

    def __init__(self, name: str, process: _Process, engine: HubEngine) -> None:
        self.name, self.process, self.nr_requests = name, process, 0
        handshake = ClientHandshake(process.pair, process.boot_id, fixed(f"hub nonce {name}", 16))
        self.near = ClientConnection(handshake, lambda near: near.prove(), lambda _: None)
        self.far = engine.connect()

    def exchange(self, engine: HubEngine, now: float) -> tuple[list[tuple[int, ms.Message]], bool]:
        """What both ends have to say arrives: the messages of the hub's, and whether there were bytes."""
        to_client, to_hub = self.far.data_to_send(), self.near.data_to_send()
        received = list(self.near.receive_data(to_client))
        engine.receive(self.far, to_hub, now)
        return received, bool(to_client or to_hub)


class Stage:
    """One scenario: what happens at a hub, step by step. Times in milliseconds.

    `owners`: encryptors by client; None for first come, first served. `clients`: those that have PSRD here.
    """

    def __init__(
        self, name: str, clients: tuple[str, ...], *, owners: Mapping[str, tuple[str, ...]] | None,
        share_timeout_ms: int = 60_000, max_pending_shares: int | None = None,
    ) -> None:  # fmt: skip
        limits = DEFAULT_LIMITS
        if max_pending_shares is not None:
            limits = Limits(max_pending_shares_per_client=max_pending_shares)
        self._engine = HubEngine(
            HUB, simulated=False, owners=owners, gate_keys={client: _gate_key(client) for client in clients},
            streams={client: _streams(client, Side.HUB) for client in clients},
            share_timeout_s=share_timeout_ms / 1000, random=source(f"hub {name}"),
            notice=lambda level, text, /, **fields: None, limits=limits,
        )  # fmt: skip
        self._configuration = {
            "name": name, "hub": HUB, "share_timeout_ms": share_timeout_ms,
            "owners": None if owners is None else {client: list(names) for client, names in owners.items()},
            "max_pending_shares": max_pending_shares,
        }  # fmt: skip
        self._processes: dict[str, _Process] = {}
        self._sessions: dict[str, _Session] = {}
        self._steps: list[dict[str, Any]] = []
        self._said: list[dict[str, Any]] = []
        self._closed: list[str] = []
        self.at_ms = 0

    def json(self) -> dict[str, Any]:
        """The scenario as it stands in the file."""
        return self._configuration | {"steps": self._steps}

    # --- steps ---

    def opens(self, session: str, why: str, *, process: int = 1) -> None:
        """A client connects and proves itself. `session`: its name and a number; an open one is replaced."""
        client = session.split()[0]
        label = f"{client} {process}"
        if label not in self._processes:
            before = self._processes.get(f"{client} {process - 1}")
            self._processes[label] = _Process(client, process, before)
        found = self._sessions[session] = _Session(session, self._processes[label], self._engine)
        boot_id = found.process.boot_id.hex()
        self._done("opens", why, session=session, client=client, boot_id=boot_id)

    def asks(self, session: str, message: ms.Message, why: str) -> None:
        """The client of a session says something. Requests that want an answer have numbers from 1 on."""
        found = self._sessions[session]
        request_id = 0
        if not isinstance(message, ms.Unregister):
            request_id = found.nr_requests = found.nr_requests + 1
        told = _told(session, request_id, message)
        found.near.send(request_id, message)
        self._done("asks", why, **told)

    def ends(self, session: str, why: str) -> None:
        """The connection is lost."""
        self._engine.disconnected(self._sessions.pop(session).far)
        self._done("ends", why, session=session)

    def waits(self, at_ms: int, why: str) -> None:
        """Nothing happens until then, but that time has gone by."""
        self._goes_by(at_ms)
        self._done("waits", why)

    def later(self, at_ms: int) -> None:
        """The next step is at this time, and nobody is told anything before it."""
        self._goes_by(at_ms)
        self._exchange()
        assert not self._said

    def _goes_by(self, at_ms: int) -> None:
        assert at_ms >= self.at_ms and not at_ms % 125
        self.at_ms = at_ms
        self._engine.tick(self._now)

    def drains(self, why: str) -> None:
        """The operator lets the hub drain."""
        self._engine.drain(self._now)
        self._done("drains", why)

    @property
    def _now(self) -> float:
        return _BEGUN_S + self.at_ms / 1000

    def _done(self, event: str, why: str, **what: Any) -> None:
        """Everything that follows from an event."""
        self._exchange()
        closed = {"closes": self._closed} if self._closed else {}
        step = {"at_ms": self.at_ms, "event": event, "why": why, **what, "answers": self._said, **closed}
        self._steps.append(step)
        self._said, self._closed = [], []

    def _exchange(self) -> None:
        """All that the hub and its clients have to say arrives, until nobody has anything to say."""
        quiet = False
        while not quiet:
            quiet = True
            for session in list(self._sessions.values()):
                received, said = session.exchange(self._engine, self._now)
                self._said += [_told(session.name, number, one) for number, one in received if _is_told(one)]
                quiet = quiet and not said and not received
            self._turn_ends()

    def _turn_ends(self) -> None:
        _, to_close = self._engine.turn_ends()
        for far in to_close:
            [name] = [name for name, session in self._sessions.items() if session.far is far]
            del self._sessions[name]
            self._engine.disconnected(far)
            self._closed.append(name)


def _is_told(message: ms.Message) -> bool:
    """NAMES only says how others are abbreviated: here all stand with their names."""
    return not isinstance(message, ms.Names)


def _told(session: str, request_id: int, message: ms.Message) -> dict[str, Any]:
    body = ms.encode_body(message)
    return {
        "session": session, "name": message.type.name, "type": int(message.type), "request_id": request_id,
        "fields": unpacked(body), "plain_body": body.hex(),
    }  # fmt: skip
