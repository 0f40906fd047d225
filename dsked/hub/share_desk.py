"""Shares at a hub: taken from initiators, given to responders, at once or when they arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsked.errors import ErrorCode, LimitError, PeerError
from dsked.hub.answers import Answer
from dsked.hub.auditing import ShareAudit
from dsked.hub.encryptors import EncryptorDirectory
from dsked.hub.parking import Parked, ParkingLot, Wanted
from dsked.hub.share_store import ShareStore
from dsked.limits import KEY_ID_BYTES, MAX_KEYS_PER_FRAME, MAX_OUTBOX_BYTES, MAX_PARK_S, WINDOW_PATIENCE
from dsked.sharing.terms import responder_clients
from dsked.timers import Timers
from dsked.wire.connection import HubConnection, Stage
from dsked.wire.messages import (
    Confirmed,
    GetShares,
    Keys,
    Missing,
    PutGroup,
    PutShares,
    PutSharesAck,
    Shares,
    cut_key_ids,
)
from dsked.wire.terms import columns_fit, put_terms


def _check_number(groups: Sequence[Keys]) -> None:
    """A frame carries so many keys at most, in however many groups. Raises PeerError."""
    number = sum([len(group.key_ids) for group in groups]) // KEY_ID_BYTES
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
        audit: ShareAudit | None = None,
    ) -> None:
        self._shares = shares
        self._directory = directory
        self._timers = timers
        self._answered = answered
        self._stuck = stuck
        self._audit = audit
        self.drains = False  # no share is stored any more that has not begun to come
        self._parking = ParkingLot()
        self._now = 0.0  # as it was told last

    def turn_ends(self) -> None:
        """Answers those whose shares have arrived in this turn."""
        for parked in self._parking.take_answerable():
            self._answer_parked(parked)

    def forget(self, connection: HubConnection) -> None:
        """The connection has ended, and what waited on it."""
        self._parking.forget(connection)

    def put_shares(self, connection: HubConnection, request_id: int, message: PutShares, now: float) -> None:
        """Stores shares, and answers with a code for each. Raises PeerError, LimitError."""
        self._now = now
        _check_number(message.groups)
        codes = [self._put_group(connection.client, group, now) for group in message.groups]
        connection.send(request_id, PutSharesAck(b"".join(codes)))

    def _put_group(self, client: str, group: PutGroup, now: float) -> bytes:
        terms = put_terms(client, group)
        if terms is None:
            return bytes([ErrorCode.BAD_REQUEST]) * group.number
        if group.initiator not in self._directory.registered(client):
            return bytes([ErrorCode.NOT_OWNER]) * group.number
        if not columns_fit(terms, group, len(responder_clients(terms))):
            return bytes([ErrorCode.BAD_REQUEST]) * group.number
        if self.drains and not group.offset:
            return bytes([ErrorCode.SHUTTING_DOWN]) * group.number
        codes = self._shares.put(
            now, terms, group.key_ids, group.offset, group.shares, group.codes, group.ttl_ms / 1000
        )
        if ErrorCode.OK in codes:
            taken = _marked(group.key_ids, codes, ErrorCode.OK)
            if self._audit is not None:
                self._audit.taken(terms, taken)
            self._parking.arrived(client, taken)
        return codes

    def get_shares(self, connection: HubConnection, request_id: int, message: GetShares, now: float) -> None:
        """Gives what is there; what is not may be waited for. Raises PeerError, LimitError."""
        self._now = now
        _check_number(message.groups)
        self.confirm(connection.client, message.done, now)
        answer = Answer()
        unknown: list[Wanted] = []
        for group in message.groups:
            absent = self._get(connection, answer, group.initiator, group.key_ids, group.offset)
            if absent:
                unknown.append(Wanted(group.initiator, absent, group.offset))
        if not message.groups:  # it came for its confirmations: they have arrived
            connection.send(request_id, Shares([], []))
        until = now + min(message.wait_ms / 1000, MAX_PARK_S)
        if unknown:
            self._park(Parked(connection, request_id, until), answer, unknown, now)
        if answer.given or answer.missing:
            self._send(connection, request_id, answer, until)

    def _get(
        self, connection: HubConnection, answer: Answer, initiator: str, key_ids: bytes, offset: int
    ) -> bytes:
        """Puts what is there into `answer`, and returns the keys that are not there yet."""
        if offset and len(key_ids) > KEY_ID_BYTES:
            answer.miss(initiator, ErrorCode.BAD_REQUEST, key_ids)
            return b""
        given, refused = self._shares.get(connection.client, connection.boot_id, initiator, key_ids, offset)
        answer.given.extend(given)
        absent = []
        for code, of_code in refused:
            if code is ErrorCode.UNKNOWN_KEY:
                absent.append(of_code)
            else:
                answer.miss(initiator, code, of_code)
        return b"".join(absent)

    def _park(self, parked: Parked, answer: Answer, unknown: list[Wanted], now: float) -> None:
        for wanted in unknown:
            left = self._parking.park(parked, wanted) if parked.until > now else wanted.key_ids
            answer.miss(wanted.initiator, ErrorCode.UNKNOWN_KEY, left)
        if parked.keys:
            parked.timer = self._timers.at(parked.until, lambda now: self._park_ends(parked))

    def _answer_parked(self, parked: Parked) -> None:
        answer = Answer()
        for wanted in self._parking.take_arrived(parked):
            absent = self._get(parked.connection, answer, *wanted)
            answer.miss(wanted.initiator, ErrorCode.UNKNOWN_KEY, absent)
        self._send(parked.connection, parked.request_id, answer, parked.until)

    def _park_ends(self, parked: Parked) -> None:
        answer = Answer()
        for initiator, offsets in parked.keys.items():
            answer.miss(initiator, ErrorCode.UNKNOWN_KEY, b"".join(offsets))
        self._parking.remove(parked)
        self._send(parked.connection, parked.request_id, answer, parked.until)

    def _send(self, connection: HubConnection, request_id: int, answer: Answer, until: float) -> None:
        """`until`: the client waits so long for it."""
        session = connection.session
        if session is None or connection.stage is not Stage.OPEN:
            return
        self._answered(connection)
        room = MAX_OUTBOX_BYTES - session.outbox_bytes
        if not connection.delivers_blocks:  # which would come along with the answer
            room = min(room, session.pads_left)
        answer.keep_within(room)
        if self._audit is not None:
            self._audit.given(connection.client, answer.given)
        try:
            sent = [
                (session.send(request_id, message), message) for message in answer.messages(session.max_pads)
            ]
        except LimitError as error:  # it asks and does not read
            self._stuck(connection, error)
            return
        if not connection.delivers_blocks and session.pads_wanted > session.streams.local.available():
            too_late = self._now + WINDOW_PATIENCE * (until - self._now)
            self._timers.at(too_late, lambda now: self._take_back(connection, sent))

    def _take_back(self, connection: HubConnection, sent: list[tuple[int, Shares]]) -> None:
        """What still waits for the window would come too late, and take it from what would not.

        The client is told to ask again: that takes a tag's pads alone.
        """
        session = connection.session
        if session is None or connection.stage is not Stage.OPEN:
            return
        taken_back = [session.exchange(number, _refused(message)) for number, message in sent]
        if any(taken_back):
            self._answered(connection)

    def confirm(self, client: str, done: list[Confirmed], now: float) -> None:
        """The client has rebuilt these keys: their shares are done with. Raises PeerError."""
        _check_number(done)
        for confirmed in done:
            self._shares.confirm(now, client, confirmed.initiator, confirmed.key_ids)


def _refused(message: Shares) -> Shares:
    """The same answer without its shares."""
    refused = [
        Missing(group.initiator.client, int(ErrorCode.LIMIT), group.key_ids) for group in message.groups
    ]
    return Shares([], refused + message.missing)


def _marked(key_ids: bytes, codes: bytes, code: ErrorCode) -> bytes:
    """The keys that have this code."""
    if codes.count(code) == len(codes):
        return key_ids
    return b"".join([key_id for key_id, its in zip(cut_key_ids(key_ids), codes, strict=True) if its == code])
