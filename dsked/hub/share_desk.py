"""Shares at a hub: taken from initiators, given to responders, at once or when they arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dsked.errors import ErrorCode, LimitError, PeerError
from dsked.hub.answers import Found, shares_messages, what_fits
from dsked.hub.encryptors import EncryptorDirectory
from dsked.hub.parking import Parked, ParkingLot
from dsked.hub.share_store import ShareStore, StoredShare
from dsked.limits import MAX_KEYS_PER_FRAME, MAX_OUTBOX_BYTES, MAX_PARK_S
from dsked.sharing.terms import responder_clients
from dsked.timers import Timers
from dsked.wire.connection import HubConnection, Stage
from dsked.wire.messages import Confirmed, GetShares, Missing, PutGroup, PutShares, PutSharesAck, Shares
from dsked.wire.terms import put_codes_fit, put_terms


def _check_number(nr_keys: Iterable[int]) -> None:
    """A frame carries so many keys at most, in however many groups. Raises PeerError."""
    number = sum(nr_keys)
    if number > MAX_KEYS_PER_FRAME:
        raise PeerError(f"{number} keys in a frame; {MAX_KEYS_PER_FRAME} are allowed")


class ShareDesk:
    """Serves PUT_SHARES, GET_SHARES and confirmations.

    `answered` is called with a connection that has got an answer in its outbox; `stuck` with one that
    asks and does not read.
    """

    def __init__(
        self,
        shares: ShareStore,
        directory: EncryptorDirectory,
        timers: Timers,
        answered: Callable[[HubConnection], None],
        stuck: Callable[[HubConnection, LimitError], None],
    ) -> None:
        self._shares = shares
        self._directory = directory
        self._timers = timers
        self._answered = answered
        self._stuck = stuck
        self._parking = ParkingLot()

    def turn_ends(self) -> None:
        """Answers those whose shares have arrived in this turn."""
        for parked in self._parking.take_answerable():
            self._answer_parked(parked)

    def forget(self, connection: HubConnection) -> None:
        """The connection has ended, and what waited on it."""
        self._parking.forget(connection)

    def put_shares(self, connection: HubConnection, request_id: int, message: PutShares, now: float) -> None:
        """Stores shares, and answers with a code for each. Raises PeerError, LimitError."""
        _check_number(len(group.keys) for group in message.groups)
        codes: list[int] = []
        for group in message.groups:
            codes.extend(self._put_group(connection.client, group, now))
        connection.send(request_id, PutSharesAck(codes))

    def _put_group(self, client: str, group: PutGroup, now: float) -> list[int]:
        terms = put_terms(client, group)
        if terms is None:
            return [ErrorCode.BAD_REQUEST] * len(group.keys)
        if group.initiator not in self._directory.registered(client):
            return [ErrorCode.NOT_OWNER] * len(group.keys)
        ttl_s = group.ttl_ms / 1000
        names = responder_clients(terms)
        codes: list[int] = []
        for key in group.keys:
            if not put_codes_fit(terms, key):
                codes.append(ErrorCode.BAD_REQUEST)
                continue
            of_client = dict(zip(names, key.codes, strict=False))
            code = self._shares.put(now, terms, key.key_id, key.offset, key.share, of_client, ttl_s)
            codes.append(code)
            if code == ErrorCode.OK:
                self._parking.arrived((client, key.key_id))
        return codes

    def get_shares(self, connection: HubConnection, request_id: int, message: GetShares, now: float) -> None:
        """Gives what is there; what is not may be waited for. Raises PeerError, LimitError."""
        _check_number(len(group.keys) for group in message.groups)
        self.confirm(connection.client, message.done, now)
        found: list[Found] = []
        missing: list[Missing] = []
        parked = Parked(connection, request_id)
        for group in message.groups:
            for key in group.keys:
                stored = self._get(connection, group.initiator, key.key_id)
                if isinstance(stored, StoredShare) and key.offset >= len(stored.share):
                    missing.append(Missing(group.initiator, key.key_id, int(ErrorCode.BAD_REQUEST)))
                elif isinstance(stored, StoredShare):
                    found.append(Found(key.key_id, key.offset, stored))
                elif stored != ErrorCode.UNKNOWN_KEY or not self._parking.park(
                    parked, (group.initiator, key.key_id), key.offset, limited=bool(message.wait_ms)
                ):
                    missing.append(Missing(group.initiator, key.key_id, int(stored)))
        if not message.groups:  # it came for its confirmations: they have arrived
            connection.send(request_id, Shares([], []))
        if parked.keys:
            deadline = now + min(message.wait_ms / 1000, MAX_PARK_S)
            parked.timer = self._timers.at(deadline, lambda now: self._park_ends(parked))
        self._send_shares(connection, request_id, found, missing)

    def _get(self, connection: HubConnection, initiator: str, key_id: bytes) -> StoredShare | ErrorCode:
        return self._shares.get(connection.client, connection.boot_id, initiator, key_id)

    def _answer_parked(self, parked: Parked) -> None:
        found: list[Found] = []
        missing: list[Missing] = []
        for (initiator, key_id), offset in self._parking.take_arrived(parked):
            stored = self._get(parked.connection, initiator, key_id)
            if isinstance(stored, StoredShare):
                found.append(Found(key_id, offset, stored))
            else:
                missing.append(Missing(initiator, key_id, int(stored)))
        self._send_shares(parked.connection, parked.request_id, found, missing)

    def _park_ends(self, parked: Parked) -> None:
        missing = [
            Missing(initiator, key_id, int(ErrorCode.UNKNOWN_KEY)) for initiator, key_id in parked.keys
        ]
        self._parking.remove(parked)
        self._send_shares(parked.connection, parked.request_id, [], missing)

    def _send_shares(
        self, connection: HubConnection, request_id: int, found: list[Found], missing: list[Missing]
    ) -> None:
        session = connection.session
        if session is None or connection.stage is not Stage.OPEN:
            return
        self._answered(connection)
        room = MAX_OUTBOX_BYTES - session.outbox_bytes
        if not connection.delivers_blocks:  # which would come along with the answer
            room = min(room, session.pads_left)
        given, later = what_fits(found, room)
        try:
            for answer in shares_messages(connection.client, given, missing + later, session.max_pads):
                session.send(request_id, answer)
        except LimitError as error:  # it asks and does not read
            self._stuck(connection, error)

    def confirm(self, client: str, done: list[Confirmed], now: float) -> None:
        """The client has rebuilt these keys: their shares are done with. Raises PeerError."""
        _check_number(len(confirmed.key_ids) for confirmed in done)
        for confirmed in done:
            for key_id in confirmed.key_ids:
                self._shares.confirm(now, client, confirmed.initiator, key_id)
