"""The hub's engine: verified messages in, answers out. No socket, no clock, no disk, no randomness.

One request's path: `receive` -> the handler of its message type -> the share desk (share_desk.py) -> the
share store -> an answer in the connection's outbox. A GET for a key that is not there yet is parked
(parking.py) and answered in the same turn in which the initiator's share arrives.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from dsked.audit.chain import Append
from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.errors import DskedError, ErrorCode
from dsked.hub.auditing import ShareAudit
from dsked.hub.client_identifiers import ClientIdentifiers
from dsked.hub.draining import Draining
from dsked.hub.encryptors import EncryptorDirectory
from dsked.hub.figures import ClientFigures, HubFigures
from dsked.hub.notices import ClientNotices
from dsked.hub.provisioning import Provisioning
from dsked.hub.registration import RegistrationDesk
from dsked.hub.share_desk import ShareDesk
from dsked.hub.share_store import ShareStore
from dsked.hub.simulated import Deliveries
from dsked.hub.status import client_status, shares_status
from dsked.limits import (
    BOOT_ID_BYTES,
    FRAME_LIMIT_S,
    GATE_KEY_BYTES,
    NONCE_BYTES,
    STATUS_PEERS,
    STREAM_ID_BYTES,
)
from dsked.notice import Notice
from dsked.psrd.figures import PeerFigures, pool_figures
from dsked.psrd.pair import Pair, Side, Streams
from dsked.psrd.report import blocks_each
from dsked.timers import Timers
from dsked.unfinished import UnfinishedPieces
from dsked.wire.additions import Wrapping
from dsked.wire.connection import HubConnection, Stage
from dsked.wire.handshake_hub import HubHandshake
from dsked.wire.messages import (
    Error,
    GetShares,
    Locate,
    Message,
    Ping,
    PsrdRequest,
    PutShares,
    Register,
    Unknown,
    Unregister,
)

Random = Callable[[int], bytes]
Handler = Callable[[HubConnection, int, Any, float], None]


def _nobody() -> None:
    """The shell has not said yet whom to wake."""


class HubEngine:
    """One hub. `owners` as in EncryptorDirectory.

    `gate_keys` and `streams`: by client name. Where PSRD is simulated every client has a gate key and none
    has streams; otherwise both come with a client's first bundle, before the start or later (`deliver`).
    `thresholds`: pools on media below the first (bytes) are told of, until they are above the second.
    `audit` takes the lines of the audit log, where there is one. `wrapping`: what it says of wrapping frames.
    `wake` is for the shell to set: it is called when a store has done something, and ends the turn soon.
    """

    def __init__(
        self,
        name: str,
        *,
        simulated: bool,
        owners: Mapping[str, tuple[str, ...]] | None,
        gate_keys: Mapping[str, bytes],
        streams: Mapping[str, Streams] = MappingProxyType({}),
        thresholds: tuple[int, int] = (0, 0),
        share_timeout_s: float,
        random: Random,
        notice: Notice,
        limits: Limits = DEFAULT_LIMITS,
        audit: Append | None = None,
        wrapping: Wrapping = Wrapping.OFF,
    ) -> None:
        self.name = name
        self._simulated = simulated
        self._wrapping = wrapping
        self.timers = Timers()
        self.directory = EncryptorDirectory(owners)
        self.shares = ShareStore(share_timeout_s, limits)
        self.wake: Callable[[], None] = _nobody
        self.pairs = {
            client: Pair(client, name, Side.HUB, key, simulated)
            for client, key in gate_keys.items()
            if simulated
        }
        self._identifiers = ClientIdentifiers(self.pairs)
        self._provisioning = Provisioning(name, self.pairs, thresholds, notice, self._store_changed)
        for client, own in streams.items():
            if owners is None or client in owners:  # what is left of one that was removed stays where it is
                self._provisioning.hold(client, gate_keys[client], own)
        self._random = random
        self._notice = notice
        self._notices = ClientNotices(notice)
        self._dummy_key = random(GATE_KEY_BYTES)
        self._boot_id = random(BOOT_ID_BYTES)
        self._desk = ShareDesk(
            self.shares, self.directory, self.timers, self._answered, self._does_not_read,
            None if audit is None else ShareAudit(audit),
        )  # fmt: skip
        self._draining = Draining(name, self._desk, self.timers, self._answered)
        self._sessions: dict[str, HubConnection] = {}
        self._nr_sessions = 0  # that were opened
        self._half_open: dict[str, HubConnection] = {}  # between M1 and M3
        self._deliveries = Deliveries(random)
        self._unfinished = UnfinishedPieces(self.timers, FRAME_LIMIT_S, self._never_ends)
        self._changed: dict[HubConnection, None] = {}  # may have output; in order
        self._to_close: list[HubConnection] = []
        self._now = 0.0  # as the shell told it last
        registration = RegistrationDesk(self.directory, share_timeout_s, self._notices)
        self._handlers: dict[type[Message], Handler] = {
            Register: registration.register,
            Unregister: registration.unregister,
            Ping: self._ping,
            Error: self._drop,
            PsrdRequest: self._psrd_request,
            PutShares: self._desk.put_shares,
            GetShares: self._desk.get_shares,
            Locate: registration.locate,
        }

    # --- the shell's side ---

    def connect(self) -> HubConnection:
        """A new TCP connection: its M0 waits to be sent."""
        handshake = HubHandshake(
            self.name, self._random(NONCE_BYTES), self.pairs.get, self._dummy_key,
            lambda: (self._random(STREAM_ID_BYTES), self._random(STREAM_ID_BYTES)), self._boot_id,
            wrapping=self._wrapping,
        )  # fmt: skip
        connection = HubConnection(handshake, self._greeted, self._opened)
        self._changed[connection] = None
        return connection

    def receive(self, connection: HubConnection, data: bytes, now: float) -> None:
        """Act on bytes from the network. Raises DskedError: close the connection."""
        self._now = now
        self._changed[connection] = None
        for request_id, message in connection.receive_data(data):
            handler = self._handlers.get(type(message), self._not_for_hubs)
            handler(connection, request_id, message, now)
        self._unfinished.received(connection, now)

    def disconnected(self, connection: HubConnection) -> None:
        """The TCP connection is gone; streams, shares and registrations stay."""
        self._changed.pop(connection, None)
        self._deliveries.forget(connection)
        self._unfinished.forget(connection)
        self._notices.forget(connection)
        for connections in (self._sessions, self._half_open):
            if connection.pair is not None and connections.get(connection.client) is connection:
                del connections[connection.client]
        self._desk.forget(connection)
        self._sound_alarm(connection)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self.shares.expire(now)
        self.timers.run_due(now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        times = [at for at in (self.timers.next_deadline(), self.shares.next_expiry()) if at is not None]
        return min(times, default=None)

    def turn_ends(self) -> tuple[list[HubConnection], list[HubConnection]]:
        """(connections that may have output, connections to close) of this event-loop turn."""
        self._desk.turn_ends()
        for connection in self._changed:
            self._refill(connection)
            if connection.pair is not None:
                self._provisioning.look_at_supply(connection.client)
        changed, self._changed = list(self._changed), {}
        to_close, self._to_close = self._to_close, []
        return changed, to_close

    # --- before the end ---

    def drain(self, now: float) -> tuple[int, float]:
        """Take no more shares, and tell all clients so.

        Gives how many shares are left, and in how many seconds they have all timed out.
        """
        if not self._draining.begun:
            self._notice(logging.INFO, f"takes no new shares from now on; {len(self.shares)} are held")
        self._draining.begin(self._sessions.values(), now)
        return len(self.shares), self.shares.last_expiry(now)

    @property
    def is_drained(self) -> bool:
        """Nothing is left to give out, or nobody is there to whom it could go."""
        return self._draining.all_told and not (self._sessions and len(self.shares))

    # --- clients that are added and removed ---

    def use_clients(
        self, owners: Mapping[str, tuple[str, ...]], gate_keys: Mapping[str, bytes],
        streams: Mapping[str, Streams],
    ) -> None:  # fmt: skip
        """Serve these from now on, as if it had been started with them.

        Sessions of others end, and of those with another gate key; their shares stay until they time out.
        """
        for client, pair in tuple(self.pairs.items()):
            if client not in owners or gate_keys.get(client) != pair.gate_key:
                self._remove(client)
        self.directory.use_owners(owners)
        for client in owners.keys() & gate_keys.keys() - self.pairs.keys():
            if client in streams:
                self._provisioning.hold(client, gate_keys[client], streams[client])
            elif self._simulated:
                self.pairs[client] = Pair(client, self.name, Side.HUB, gate_keys[client], simulated=True)

    def _remove(self, client: str) -> None:
        half_open = self._half_open.pop(client, None)
        if half_open is not None:
            self._close(half_open)
        self._end_session(client)
        self._provisioning.forget(client)
        self._identifiers.forget(client)
        del self.pairs[client]

    # --- PSRD on media ---

    def deliver(self, client: str, gate_key: bytes, streams: Streams) -> None:
        """The pair with `client` has its first streams, or new ones: a session on older ones ends."""
        half_open = self._half_open.pop(client, None)
        if half_open is not None:
            self._close(half_open)
        self._end_session(client)
        self._provisioning.hold(client, gate_key, streams)

    def grown(self, client: str) -> None:
        """More bytes have been appended to the streams of the pair with `client`."""
        streams = self.pairs[client].streams
        assert streams is not None
        streams.local.grown()
        for connection in self._connections(client):
            connection.tell_ends()
            self._changed[connection] = None
        self._provisioning.look_at_supply(client)

    def _answered(self, connection: HubConnection) -> None:
        self._changed[connection] = None

    def _store_changed(self, client: str) -> None:
        self._changed.update(dict.fromkeys(self._connections(client)))
        self.wake()

    def _connections(self, client: str) -> list[HubConnection]:
        found = (connections.get(client) for connections in (self._sessions, self._half_open))
        return [connection for connection in found if connection is not None]

    # --- sessions ---

    def _greeted(self, connection: HubConnection) -> None:
        """A client's newest handshake replaces those before it: each may hold blocks for new streams.

        Over media pools another process of the client, perhaps a copy of the first, ends the session as
        well: what that acknowledged from now on, the two would both take for theirs.
        """
        old = self._half_open.pop(connection.client, None)
        if old is not None:
            self._close(old)
        self._half_open[connection.client] = connection
        session = self._sessions.get(connection.client)
        if session is not None and session.boot_id != connection.boot_id and not session.delivers_blocks:
            self._end_session(connection.client)

    def _opened(self, connection: HubConnection) -> None:
        if self._half_open.get(connection.client) is connection:
            del self._half_open[connection.client]
        self._end_session(connection.client)
        self._sessions[connection.client] = connection
        self._nr_sessions += 1
        assert connection.session is not None
        connection.session.give_identifiers(self._identifiers.of)
        self._draining.opened(connection)
        self._sound_alarm(connection)

    def _sound_alarm(self, connection: HubConnection) -> None:
        alarm = connection.pair.take_alarm() if connection.pair is not None else ""
        if alarm:
            self._notices.seldom(connection.client, logging.ERROR, "alarm", alarm, self._now)

    def _end_session(self, client: str) -> None:
        old = self._sessions.pop(client, None)
        if old is not None:
            self._close(old)
            self._desk.forget(old)

    def _close(self, connection: HubConnection) -> None:
        """Nothing more is read from it; the shell closes it when the turn ends."""
        connection.stage = Stage.CLOSING
        self._to_close.append(connection)

    def _refill(self, connection: HubConnection) -> None:
        """Simulated PSRD: an answer that finds too few bytes in the hub's pool brings them along."""
        if connection.session is None or connection.stage is not Stage.OPEN:
            return
        if not connection.delivers_blocks:
            return
        try:
            for block in self._deliveries.of(connection).push(connection.session.pads_wanted):
                connection.send_sealed(0, block)
        except DskedError as error:
            self._does_not_read(connection, error)

    def _does_not_read(self, connection: HubConnection, error: DskedError) -> None:
        """It asks, and too much waits for it."""
        text = f"does not read: {error}"
        self._notices.seldom(connection.client, logging.WARNING, "does not read", text, self._now)
        self._close(connection)

    def _never_ends(self, connection: HubConnection, now: float) -> None:
        """A length that is too large, or a peer that stalls in the middle of a frame."""
        if connection.stage is Stage.OPEN:
            text = f"began a frame that did not end in {FRAME_LIMIT_S:.0f} s"
            self._notices.seldom(connection.client, logging.WARNING, "unfinished", text, now)
        self._close(connection)

    def _psrd_request(
        self, connection: HubConnection, request_id: int, message: PsrdRequest, now: float
    ) -> None:
        block = self._deliveries.of(connection).answer(message)
        if block is not None:
            self._notice(
                logging.DEBUG,
                f"block {block.sequence} of {len(block.data)} bytes goes to client {connection.client}",
                peer=connection.client,
            )
            connection.send_sealed(request_id, block)

    def _not_for_hubs(self, connection: HubConnection, request_id: int, message: Message, now: float) -> None:
        """A message of a later version, or one that only hubs send: an answer, and the session goes on."""
        kind = message.kind if isinstance(message, Unknown) else int(message.type)
        connection.send(
            request_id, Error(int(ErrorCode.BAD_REQUEST), f"message type {kind} is not for hubs of version 1")
        )

    def _drop(self, connection: HubConnection, request_id: int, message: Error, now: float) -> None:
        """ERROR is never answered, or two ends would go on for ever; a hub asks nothing that could fail."""

    def _ping(self, connection: HubConnection, request_id: int, message: Ping, now: float) -> None:
        self._desk.confirm(connection.client, message.done, now)
        local = connection.session.streams.local if connection.session is not None else None
        if local is not None and local.window is not None:
            local.peer_holds(max(local.peer_end, message.hub_end))
        if request_id and not message.reply:
            assert connection.session is not None
            answer = connection.session.ping()
            answer.reply = True
            connection.send(request_id, answer)

    # --- status and metrics ---

    def figures(self) -> HubFigures:
        """What metrics tell of all clients together; costs as much as there are initiators of shares held."""
        shares = self.shares
        return HubFigures(
            nr_clients=len(self.pairs),
            nr_sessions_open=len(self._sessions),
            nr_sessions=self._nr_sessions,
            nr_shares_held=len(shares),
            nr_share_bytes_held=shares.nr_bytes,
            nr_shares_stored=shares.nr_stored,
            nr_shares_refused=shares.nr_refused,
            nr_shares_expired=shares.nr_expired,
            nr_tombstones=shares.nr_tombstones,
            draining=self._draining.begun,
        )

    def client_figures(self) -> Iterator[ClientFigures]:
        """What metrics tell of each client that is known now; the hub may work on while they are taken."""
        for pair in tuple(self.pairs.values()):
            client = pair.client
            registered, low = self.directory.is_registered(client), self._provisioning.runs_low(client)
            common = PeerFigures(client, registered, low, pair.rewound, *pool_figures(pair.streams))
            connected, wrapped = client in self._sessions, self._is_wrapped(client)
            yield ClientFigures(common, connected, wrapped, *self.shares.counts(client))

    def status(self, first: int = 0) -> dict[str, Any]:
        """The user guide's status, without any secret: of STATUS_PEERS clients at most, from number `first`.

        A page takes as long as any other, however many clients there are.
        """
        pairs = list(islice(self.pairs.values(), first, first + STATUS_PEERS))
        most_blocks = blocks_each(len(pairs))
        return {
            "name": self.name,
            "draining": self._draining.begun,
            "peer_clients": [self._client_status(pair, most_blocks) for pair in pairs],
            "first_peer_client": first,
            "nr_peer_clients": len(self.pairs),
            "nr_registered": self.directory.nr_registered,
            "nr_connected": len(self._sessions),
            "shares": shares_status(self.figures()),
        }

    def _client_status(self, pair: Pair, most_blocks: int) -> dict[str, Any]:
        client = pair.client
        connected, low = client in self._sessions, self._provisioning.runs_low(client)
        pending = self.shares.counts(client)
        return client_status(
            pair, self.directory, pending, most_blocks,
            connected=connected, wrapped=self._is_wrapped(client), low=low,
        )  # fmt: skip

    def _is_wrapped(self, client: str) -> bool:
        session = self._sessions.get(client)
        return session is not None and session.wrapped
