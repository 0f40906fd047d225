"""The initiator: makes keys, deals them, scatters the shares to all hubs at once.

All requests of one event-loop turn are dealt together and travel in one frame per hub. What a hub
has not acknowledged when its session is lost is sent again on the next one: the same share values
under new pad bytes, never dealt again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from dsked.client.deal import Deal, KeyRequest, SharedTimer
from dsked.client.evidence import Evidence
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Hubs
from dsked.client.put_frames import InFlight, PutItem, put_frames
from dsked.errors import DskedError, ErrorCode, LimitError, TooFewHubsError
from dsked.fair_limit import FairLimit
from dsked.identifiers import as_uuid4
from dsked.keys import Done, Outcome
from dsked.limits import (
    ACK_GRACE_S,
    ACK_LIMIT_S,
    KEY_ID_BYTES,
    MAX_FRAME_PAD_BYTES,
    MAX_KEY_BYTES_UNDER_WAY,
    MAX_KEYS_PER_FRAME,
    MAX_UNSENT_SHARE_BYTES_PER_HUB,
    MAX_UNSENT_SHARES_PER_HUB,
    PROTOCOL_VERSION,
)
from dsked.sharing.dealing import deal_columns
from dsked.sharing.shares import PAIR_BYTES, HubColumns
from dsked.sharing.terms import Party, Terms
from dsked.timers import Timers
from dsked.wire.messages import Message, PutSharesAck

Random = Callable[[int], bytes]
#: What requests that are dealt together have in common: encryptor, responders, bytes of a key.
_About = tuple[str, tuple[Party, ...], int]
_TAKEN = (ErrorCode.OK, ErrorCode.DONE)
_SWEEP_S = 1.0  # what has expired is forgotten within this long


class _Unsent:
    """Shares that wait for one hub: bounded, the oldest are dropped, those whose time is out as well."""

    def __init__(self) -> None:
        self.items: deque[PutItem] = deque()
        self._keys = self._bytes = 0

    def add(self, items: list[PutItem]) -> None:
        for item in items:
            self.items.append(item)
            self._count(item, 1)
        while self._keys > MAX_UNSENT_SHARES_PER_HUB or self._bytes > MAX_UNSENT_SHARE_BYTES_PER_HUB:
            self._drop_oldest()

    def _count(self, item: PutItem, sign: int) -> None:
        self._keys += sign * item.number
        self._bytes += sign * item.number * item.deal.terms.key_bytes

    def _drop_oldest(self) -> None:
        self._count(self.items.popleft(), -1)

    def drop_expired(self, now: float) -> None:
        """No hub would store these any more."""
        while self.items and self.items[0].deal.expires_at <= now:
            self._drop_oldest()

    def take_all(self) -> list[PutItem]:
        items = list(self.items)
        self.items.clear()
        self._keys = self._bytes = 0
        return items


class Initiator:
    """Establishes keys as their initiator. `share_timeout_s`: the time to live asked for shares."""

    def __init__(
        self, client: str, hubs: Hubs, evidence: Evidence, timers: Timers, share_timeout_s: float,
        random: Random,
    ) -> None:  # fmt: skip
        self._client = client
        self._hubs = hubs
        self._evidence = evidence
        self._timers = timers
        self._share_timeout_s = share_timeout_s
        self._random = random
        self._turn: dict[_About, list[KeyRequest]] = {}
        self._unsent = {hub.index: _Unsent() for hub in hubs}
        self._sweeping = False
        self._under_way = FairLimit()  # bytes of keys, by encryptor

    def get_keys(
        self, encryptor: str, responders: tuple[Party, ...], number: int, key_bytes: int, done: Done
    ) -> None:
        """Establish `number` keys of `key_bytes` bytes; the shares leave when the turn ends."""
        size = number * key_bytes
        if not self._under_way.fits(encryptor, size, MAX_KEY_BYTES_UNDER_WAY):
            done(LimitError("too many bytes of keys are being established: ask again in a moment"))
            return
        self._under_way.take(encryptor, size)

        def finished(outcome: Outcome) -> None:
            self._under_way.give_back(encryptor, size)
            done(outcome)

        self._turn.setdefault((encryptor, responders, key_bytes), []).append(KeyRequest(number, finished))

    def turn_ends(self, now: float) -> None:
        """Deal and scatter what this turn asked for."""
        if not self._turn:
            return
        turn, self._turn = self._turn, {}
        usable = self._hubs.usable()
        if len(usable) < self._hubs.k:
            self._refuse_all(turn, self._hubs.too_few(len(usable)))
            return
        possible = {hub.index for hub in usable}
        counted = frozenset(
            hub.index
            for hub in usable
            if not hub.late and not self._evidence.is_set_aside(None, hub.name, now)
        )
        deals, columns = [], []
        for about, requests in turn.items():
            for some in _frame_by_frame(about, requests):
                one, of_hubs = self._deal(about, some)
                one.scattered(now + self._share_timeout_s, possible, counted)
                deals.append(one)
                columns.append(of_hubs)
        limit = self._timers.at(now + ACK_LIMIT_S, lambda now: self._time_is_up(deals))
        SharedTimer(limit, deals)
        for hub in self._hubs:
            items = [
                PutItem(one, of_hubs[hub.index], 0, one.number)
                for one, of_hubs in zip(deals, columns, strict=True)
            ]
            self._send(hub, items, now)

    @staticmethod
    def _refuse_all(turn: dict[_About, list[KeyRequest]], error: DskedError) -> None:
        for requests in turn.values():
            for request in requests:
                assert request.done is not None
                request.done(error)

    def _deal(self, about: _About, requests: list[KeyRequest]) -> tuple[Deal, list[HubColumns]]:
        """Make the keys of these requests, and deal them as one batch."""
        encryptor, responders, key_bytes = about
        initiator = Party(self._client, encryptor)
        terms = Terms(PROTOCOL_VERSION, self._hubs.n, self._hubs.k, initiator, responders, key_bytes)
        number = sum(request.number for request in requests)
        drawn = self._random(number * (KEY_ID_BYTES + key_bytes))
        key_ids, keys = as_uuid4(drawn[: number * KEY_ID_BYTES]), drawn[number * KEY_ID_BYTES :]
        return (
            Deal(terms, requests, key_ids, keys),
            deal_columns(key_ids, keys, terms, self._hubs.xs, self._random),
        )

    # --- to one hub ---

    def hub_ready(self, hub: HubPeer, now: float) -> None:
        """A session is registered: what waited for this hub goes out."""
        self._send(hub, self._unsent[hub.index].take_all(), now)

    def _send(self, hub: HubPeer, items: list[PutItem], now: float) -> None:
        items = [item for item in items if not item.deal.abandoned and now < item.deal.expires_at]
        session = hub.connection.session if hub.connection is not None else None
        if not hub.registered or session is None:
            self._wait(hub, items, now)
            return
        if not hub.pair.simulated and not self._pads_suffice(hub, items, session.pads_left, now):
            return
        for message, in_flight in put_frames(items, session.max_pads, now):
            if hub.request(message, partial(self._answered, hub, in_flight)) is None:
                # The hub does not read: these wait for its next session.
                self._wait(hub, [item for item, last in in_flight if last], now)

    def _wait(self, hub: HubPeer, items: list[PutItem], now: float) -> None:
        """These wait for the hub's next session, as long as a hub would keep them."""
        self._unsent[hub.index].add(items)
        if items and not self._sweeping:
            self._sweeping = True
            self._timers.at(items[0].deal.expires_at + _SWEEP_S, self._sweep)

    def _sweep(self, now: float) -> None:
        self._sweeping = False
        for unsent in self._unsent.values():
            unsent.drop_expired(now)
        left = [unsent.items[0].deal.expires_at for unsent in self._unsent.values() if unsent.items]
        if left:
            self._sweeping = True
            self._timers.at(max(min(left), now) + _SWEEP_S, self._sweep)

    def _pads_suffice(self, hub: HubPeer, items: list[PutItem], left: int, now: float) -> bool:
        """A media pool that is exhausted fails its part of the requests at once, and clearly."""
        if sum(item.pad_bytes for item in items) <= left:
            return True
        for item in items:
            item.deal.refuse(hub.index, ErrorCode.POOL_EXHAUSTED, item.start, item.number)
            self._answered_for(item, hub, 0, now)
        return False

    def _answered(self, hub: HubPeer, in_flight: InFlight, message: Message | None, now: float) -> bool:
        if message is None:
            self._send(hub, [item for item, last in in_flight if last], now)  # waits for the next session
            return True
        codes = message.codes if isinstance(message, PutSharesAck) else b""
        number = sum(item.number for item, _ in in_flight)
        if len(codes) != number:
            codes = bytes([ErrorCode.BAD_REQUEST]) * number
        start = 0
        for item, last in in_flight:
            self._take_codes(hub, item, codes[start : start + item.number], now, last=last)
            start += item.number
        return True

    def _take_codes(self, hub: HubPeer, item: PutItem, codes: bytes, now: float, *, last: bool) -> None:
        taken = codes.count(ErrorCode.OK) + codes.count(ErrorCode.DONE)
        if taken != len(codes):
            for place, code in enumerate(codes, start=item.start):
                if code not in _TAKEN and (last or code != ErrorCode.PARTIAL):
                    item.deal.refuse(hub.index, code, place, 1)
        if last:
            self._answered_for(item, hub, taken, now)

    # --- the acknowledgement rule ---

    def _answered_for(self, item: PutItem, hub: HubPeer, taken: int, now: float) -> None:
        """`hub` has taken so many of these keys, and refused the others."""
        one = item.deal
        if one.answered_by(hub.index, item.number, taken, now) and hub.late and one.within_grace(now):
            hub.late = False
        self._settle(one, now)

    def _settle(self, one: Deal, now: float) -> None:
        """Answer the requests that can be answered, and wait for a grace once k hubs are in."""
        k = self._hubs.k
        if len(one.acked) < k and not one.has_refusals:
            return
        enough = k if one.grace_over else one.needed
        for request in tuple(one.requests):
            nr_acked = one.nr_acked(request)
            if nr_acked >= enough:
                one.succeed(request)
            elif one.is_hopeless(request):
                one.give_up(request, one.refusal(request))
            elif nr_acked >= k and one.timer is None:
                one.timer = self._timers.at(now + ACK_GRACE_S, lambda now: self._grace_ends(one, now))

    def _grace_ends(self, one: Deal, now: float) -> None:
        for hub in self._hubs:
            if hub.index in one.counted and hub.index not in one.acked:
                hub.late = True
        one.grace_over = True
        self._settle(one, now)

    def _time_is_up(self, deals: list[Deal]) -> None:
        for one in deals:
            for request in tuple(one.requests):
                error = TooFewHubsError(
                    f"{one.nr_acked(request)} of {self._hubs.n} hubs acknowledged in {ACK_LIMIT_S} s, "
                    f"{self._hubs.k} are needed"
                )
                one.give_up(request, error)


def _frame_by_frame(about: _About, requests: list[KeyRequest]) -> Iterator[list[KeyRequest]]:
    """The requests in groups whose keys fit into one frame, so that none waits for many others' shares."""
    per_key = about[2] + PAIR_BYTES * len(about[1])
    some: list[KeyRequest] = []
    room = most = min(MAX_KEYS_PER_FRAME, max(MAX_FRAME_PAD_BYTES // per_key, 1))
    for request in requests:
        if some and request.number > room:
            yield some
            some, room = [], most
        some.append(request)
        room -= request.number
    yield some
