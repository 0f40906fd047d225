"""The client's engine: wires hubs, directory, initiator and responder. No socket, no clock, no disk.

One key request's path:

    get_keys        checks (requests.py) -> locator -> initiator: dealt and scattered when the turn
                    ends -> acknowledgements (deal.py) -> the caller
    get_keys_by_id  checks -> locator -> responder: asked when the turn ends -> shares (fetch.py),
                    rebuilt and checked -> the caller, once
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from dsked.audit.chain import Append
from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.client.auditing import KeyAudit
from dsked.client.dials import Dials
from dsked.client.evidence import Evidence
from dsked.client.figures import HubFigures, hub_figures
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import DRAINS, Hubs
from dsked.client.initiator import Initiator
from dsked.client.locator import Locator
from dsked.client.notices import HubNotices
from dsked.client.provisioning import NEW_PSRD, Provisioning
from dsked.client.refill import RefillSettings
from dsked.client.registration import Registration
from dsked.client.requests import (
    check_caller,
    check_key_ids,
    check_number,
    check_responders,
    key_bytes,
    key_limits,
)
from dsked.client.responder import Responder
from dsked.client.status import hubs_status, readiness
from dsked.client.stored_keys import StoredKeys
from dsked.client.stored_place import StoredPair
from dsked.errors import DskedError, ErrorCode, NotNamedError, PeerError, ShuttingDownError
from dsked.keys import Done, KeyLimits
from dsked.limits import ANSWER_LIMIT_S, BOOT_ID_BYTES, FRAME_LIMIT_S, NONCE_BYTES
from dsked.notice import Notice
from dsked.psrd.pair import Pair, Side, Streams
from dsked.sharing.terms import Party, sort_parties
from dsked.timers import Timers
from dsked.unfinished import UnfinishedPieces
from dsked.wire.additions import Wrapping, start_bytes
from dsked.wire.connection import ClientConnection, Stage
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.messages import Error, Message, Ping, PsrdBlock, Unregister

_HANG_SLACK_S = 0.1  # beyond ANSWER_LIMIT_S, so that one look suffices
Random = Callable[[int], bytes]


def _nobody() -> None:
    """The shell has not said yet whom to wake."""


class ClientEngine:
    """One client. `hubs`: (name, x-coordinate) in the configured order.

    `gate_keys` and `streams`: by hub name. Where PSRD is simulated every hub has a gate key and none has
    streams; otherwise both come with a hub's first bundle, before the start or later (`deliver`).
    `stored`: the keys to be established ahead. `audit` takes the lines of the audit log, where there is one.
    `wrapping`: what it says of message wrapping.
    `wake` is for the shell to set: it is called when a store has done something, and ends the turn soon.
    """

    def __init__(
        self,
        name: str,
        *,
        encryptors: tuple[str, ...],
        hubs: Sequence[tuple[str, int]],
        k: int,
        simulated: bool,
        gate_keys: Mapping[str, bytes],
        streams: Mapping[str, Streams] = MappingProxyType({}),
        closed_pools: Mapping[str, str] = MappingProxyType({}),
        refill: RefillSettings,
        share_timeout_s: float,
        random: Random,
        notice: Notice,
        limits: Limits = DEFAULT_LIMITS,
        stored: Sequence[StoredPair] = (),
        audit: Append | None = None,
        wrapping: Wrapping = Wrapping.OFF,
    ) -> None:
        self.name = name
        self.encryptors = encryptors
        self._key_limits = key_limits(limits)
        self.timers = Timers()
        self.wake: Callable[[], None] = _nobody
        self._random = random
        self._notices = HubNotices(notice)
        self._boot_id = random(BOOT_ID_BYTES)
        self._refill_settings = refill
        self._wrapping = wrapping
        self._stopping = False
        self._busy = False  # this turn has brought something
        self._now = 0.0  # as the shell told it last
        needed = start_bytes(wrapping is not Wrapping.OFF)
        peers = [
            HubPeer(
                Pair(name, hub, Side.CLIENT, gate_keys.get(hub, b""), simulated), x, index, refill, needed
            )
            for index, (hub, x) in enumerate(hubs)
        ]
        self.hubs = Hubs(peers, k)
        self._evidence = Evidence()
        self._locator = Locator(name, encryptors, self.hubs, self.timers)
        key_audit = None if audit is None else KeyAudit(self.hubs, audit)
        self._initiator = Initiator(
            name, self.hubs, self._evidence, self.timers, share_timeout_s, random, key_audit
        )
        self._responder = Responder(
            name, self.hubs, self._evidence, self.timers, share_timeout_s, notice, key_audit,
            self._locator.strangers_to,
        )  # fmt: skip
        self._dials = Dials(self.timers)
        self._registration = Registration(encryptors, self.timers, self._notices, self._hub_ready)
        self._stored = StoredKeys(
            stored, self.hubs, self._evidence, self._locator, self._initiator, self.timers, share_timeout_s,
            refill.start, key_audit,
        )  # fmt: skip
        self._peer_of: dict[ClientConnection, HubPeer] = {}
        self._unfinished = UnfinishedPieces(self.timers, FRAME_LIMIT_S, self._never_ends)
        self._provisioning = Provisioning(self._dials, notice, lambda: self.wake())
        for hub in self.hubs:
            hub.closed_pools = closed_pools.get(hub.name, "")
            if hub.name in streams:
                self._provisioning.hold(hub, gate_keys[hub.name], streams[hub.name])
            self._provisioning.dial(hub)

    # --- key requests ---

    def get_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None, done: Done,
        now: float,
    ) -> None:  # fmt: skip
        """Establish keys; `done` gets them, or the error. The shares leave when the turn ends."""
        try:
            self._check_running()
            self._busy = True
            check_caller(caller, self.encryptors, self.name)
            named = check_responders(caller, responders)
            size = key_bytes(size_bits, self._key_limits)
            check_number(number, size, self._key_limits)
        except DskedError as error:
            done(error)
            return
        if len(named) == 1:
            stored = self._stored.take(caller, named[0], number, size, now)
            if stored is not None:
                done(stored)
                return

        def located(parties: list[Party] | DskedError) -> None:
            if isinstance(parties, DskedError):
                done(parties)
            else:
                strangers = self._locator.strangers(named)
                self._initiator.get_keys(caller, sort_parties(set(parties)), number, size, done, strangers)

        self._locate_all(named, located, now)

    def get_keys_by_id(
        self, caller: str, initiator: str, key_ids: Sequence[bytes], done: Done, now: float
    ) -> None:
        """Fetch keys that `initiator` has established; `done` gets all of them, or the error."""
        try:
            self._check_running()
            self._busy = True
            check_caller(caller, self.encryptors, self.name)
            check_key_ids(key_ids, self._key_limits)
            if caller == initiator:
                raise NotNamedError(f"{caller!r} is the initiator: it has its own keys already")
        except DskedError as error:
            done(error)
            return

        def located(client: str | DskedError, now: float) -> None:
            if isinstance(client, DskedError):
                done(client)
            else:
                self._responder.get_keys_by_id(caller, Party(client, initiator), key_ids, done, now)

        self._locator.locate(initiator, now, located)

    def locate(self, encryptor: str, answer: Callable[[str | DskedError], None], now: float) -> None:
        """Which client serves `encryptor`, as at least k hubs say alike."""
        try:
            self._check_running()
        except DskedError as error:
            answer(error)
            return
        self._locator.locate(encryptor, now, lambda found, now: answer(found))

    def _locate_all(
        self, encryptors: tuple[str, ...], answer: Callable[[list[Party] | DskedError], None], now: float
    ) -> None:
        known = [self._locator.known(name, now) for name in encryptors]
        if None not in known:  # as mostly
            answer([Party(str(client), name) for client, name in zip(known, encryptors, strict=True)])
            return
        found: dict[str, str | DskedError] = {}

        def located(encryptor: str, client: str | DskedError, now: float) -> None:
            found[encryptor] = client
            if len(found) < len(encryptors):
                return
            errors = [result for result in found.values() if isinstance(result, DskedError)]
            answer(errors[0] if errors else [Party(str(found[name]), name) for name in encryptors])

        for name in encryptors:
            self._locator.locate(name, now, partial(located, name), patient=True)

    def use_limits(self, limits: Limits) -> None:
        """For requests to come."""
        self._key_limits = key_limits(limits)

    def limits(self) -> KeyLimits:
        """What a key request may ask for."""
        return self._key_limits

    def stored_keys(self, initiator: str, responder: str, now: float) -> tuple[int, int]:
        """Keys of this pair of encryptors that could be handed out at once now; and how many at most."""
        return self._stored.count(initiator, responder, now)

    def stored_keys_of(self, pair: StoredPair, now: float) -> int:
        """The same of one size alone: how many could be handed out."""
        return self._stored.count_of(pair, now)

    def _check_running(self) -> None:
        if self._stopping:
            raise ShuttingDownError(f"client {self.name} is stopping")

    # --- PSRD on media ---

    def deliver(self, hub: str, gate_key: bytes, streams: Streams) -> None:
        """The pair with `hub` has its first streams, or new ones: a session on older ones ends."""
        self._provisioning.deliver(self.hubs[hub], gate_key, streams)

    def grown(self, hub: str) -> None:
        """More bytes have been appended to the streams of the pair with `hub`."""
        self._provisioning.grown(self.hubs[hub])

    # --- the shell's side ---

    def connected(self, hub: HubPeer) -> ClientConnection:
        """TCP to `hub` is there."""
        nonce = self._random(NONCE_BYTES)
        handshake = ClientHandshake(hub.pair, self._boot_id, nonce, wrapping=self._wrapping)
        connection = ClientConnection(handshake, self._hello_done, self._opened)
        hub.connected(connection)
        hub.problem = "handshake under way"
        self._peer_of[connection] = hub
        return connection

    def receive(self, connection: ClientConnection, data: bytes, now: float) -> None:
        """Act on bytes from the network. Raises DskedError: close the connection."""
        self._now = now
        hub = self._peer_of[connection]
        hub.changed = self._busy = True
        for request_id, message in connection.receive_data(data):
            if isinstance(message, PsrdBlock):
                self._block(hub, connection, message)
            elif isinstance(message, Ping) and not message.reply:
                self._ends_held(connection, message)
            else:
                hub.answer(request_id, message, now)
                if not request_id:
                    self._advised(hub, message, now)
        self._unfinished.received(connection, now)

    def disconnected(self, hub: HubPeer, now: float, problem: str) -> None:
        """The connection to `hub` is gone, or could not be made: it is dialled again after a while."""
        connection = hub.connection
        session = connection.session if connection is not None else None
        problem = hub.closing or problem
        if session is not None and not self._stopping:
            level = logging.INFO if problem == NEW_PSRD or hub.drains else logging.WARNING
            self._notices.tell(level, "lost", hub.name, f"hub {hub.name}: {problem}", now)
        reached = connection is not None and connection.cost_pads
        carried = session is not None and session.frames_received > 0
        if connection is not None:
            del self._peer_of[connection]
            self._unfinished.forget(connection)
        self._now = now
        self._sound_alarm(hub)
        hub.disconnected(now)
        hub.problem = hub.obstacle or problem
        self._dials.ended(hub)
        if not self._stopping and not hub.obstacle:
            jitter = int.from_bytes(self._random(4), "big") / 2**32
            delay = hub.back_off.next_delay(
                reached=reached, carried_frames=carried, alarmed=hub.alarmed, jitter=jitter
            )
            self._dials.later(hub, now + delay)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self.timers.run_due(now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        return self.timers.next_deadline()

    def turn_ends(self, now: float) -> tuple[list[HubPeer], list[ClientConnection]]:
        """(hubs to dial, connections that may have output) of this event-loop turn."""
        self._locator.turn_ends(now)
        self._responder.turn_ends(now, busy=self._busy)
        self._busy = False
        self._initiator.turn_ends(now)
        changed = []
        for connection, hub in self._peer_of.items():
            if hub.changed:
                hub.changed = False
                hub.ask_for_blocks(now)
                self._provisioning.look_at_supply(hub)
                changed.append(connection)
                if connection.stage is Stage.OPEN:
                    self._look_whether_it_hangs(hub, now)
        to_dial = self._dials.take_due()
        return [] if self._stopping else to_dial, changed

    def _look_whether_it_hangs(self, hub: HubPeer, now: float) -> None:
        """And again when its oldest request has waited too long: or the next request would pay for it."""
        if hub.hangs(now):
            hub.close(f"it does not answer: nothing in {ANSWER_LIMIT_S:.0f} s")
        elif hub.oldest_request is not None and not hub.watched:
            hub.watched = True
            self.timers.at(
                hub.oldest_request + ANSWER_LIMIT_S + _HANG_SLACK_S, partial(self._look_again, hub)
            )

    def _never_ends(self, connection: ClientConnection, now: float) -> None:
        """A length that was changed on its way: the next requests would wait behind it."""
        self._peer_of[connection].close(f"a frame that began did not end in {FRAME_LIMIT_S:.0f} s")

    @staticmethod
    def _look_again(hub: HubPeer, now: float) -> None:
        hub.watched = False
        hub.changed = True

    def stop(self) -> None:
        """Take no more requests, dial and register with no further hub; what was accepted goes on."""
        self._stopping = True
        self._registration.stop()
        self._stored.stop()

    def unregister(self) -> None:
        """Tell all hubs which keys they need not keep, and that this client's encryptors are gone.

        That is the last thing that is said. Hubs too whose answer to the registration is still on its way.
        """
        for connection, hub in self._peer_of.items():
            if connection.session is not None:
                self._responder.confirm_at_once(hub)
                hub.tell(Unregister())

    # --- sessions ---

    def _hello_done(self, connection: ClientConnection) -> None:
        if not connection.handshake.wants_blocks:
            connection.prove()

    def _block(self, hub: HubPeer, connection: ClientConnection, block: PsrdBlock) -> None:
        if not hub.take_block(block):
            raise PeerError("a PSRD_BLOCK that does not continue its stream")
        if connection.session is None and not connection.proved and not connection.handshake.wants_blocks:
            connection.prove()

    def _opened(self, connection: ClientConnection) -> None:
        hub = self._peer_of[connection]
        hub.nr_sessions += 1
        self._sound_alarm(hub)
        hub.problem = "not registered yet"
        self._registration.register(hub, connection)

    def _advised(self, hub: HubPeer, message: Message, now: float) -> None:
        """What a hub says unasked: that it drains."""
        if isinstance(message, Error) and message.code == ErrorCode.SHUTTING_DOWN and not hub.drains:
            hub.drains = True
            self._responder.confirm_at_once(hub)
            self._notices.tell(logging.INFO, "drains", hub.name, f"hub {hub.name} {DRAINS}", now)

    def _sound_alarm(self, hub: HubPeer) -> None:
        alarm = hub.pair.take_alarm()
        if alarm:
            hub.alarmed = True
            self._notices.tell(logging.ERROR, "alarm", hub.name, f"hub {hub.name} {alarm}", self._now)

    def _hub_ready(self, hub: HubPeer, now: float) -> None:
        self._locator.hub_ready(hub, now)
        self._initiator.hub_ready(hub, now)
        self._stored.hub_ready(hub, now)

    @staticmethod
    def _ends_held(connection: ClientConnection, message: Ping) -> None:
        streams = connection.streams
        if streams is not None and streams.local.window is not None:
            streams.local.peer_holds(max(streams.local.peer_end, message.client_end))

    # --- status ---

    def readiness(self) -> str | None:
        """None when key requests can be served, else why not."""
        return readiness(self.hubs, self._refill_settings.start)

    def figures(self, now: float) -> Iterator[HubFigures]:
        """What metrics tell of each hub, without any secret."""
        return hub_figures(self.hubs, self._evidence, now)

    def status(self, now: float) -> dict[str, Any]:
        """The user guide's status, without any secret."""
        return {
            "name": self.name,
            "encryptor_names": list(self.encryptors),
            "min_nr_shares": self.hubs.k,
            "searches": self._responder.searches.report(),
            "stored_keys": self._stored.report(now),
            "peer_hubs": hubs_status(self.hubs, self._evidence, now),
        }
