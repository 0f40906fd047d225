"""The initiator: makes keys, deals them, scatters the shares to all hubs at once.

All requests of one event-loop turn are dealt together and travel in one frame per hub. What a hub
has not acknowledged when its session is lost is sent again on the next one: the same share values
under new pad bytes, never dealt again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from dsked.client.deal import Deal, SharedTimer
from dsked.client.evidence import Evidence
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Hubs
from dsked.client.put_frames import InFlight, PutItem, put_frames
from dsked.errors import ErrorCode, LimitError, TooFewHubsError
from dsked.fair_limit import FairLimit
from dsked.identifiers import as_uuid4
from dsked.keys import Done, Key, Outcome
from dsked.limits import (
    ACK_GRACE_S,
    ACK_LIMIT_S,
    KEY_ID_BYTES,
    MAX_KEY_BYTES_UNDER_WAY,
    MAX_UNSENT_SHARE_BYTES_PER_HUB,
    MAX_UNSENT_SHARES_PER_HUB,
    PROTOCOL_VERSION,
)
from dsked.sharing.dealing import deal
from dsked.sharing.terms import Party, Terms
from dsked.timers import Timers
from dsked.wire.messages import Message, PutSharesAck

Random = Callable[[int], bytes]
_SWEEP_S = 1.0  # what has expired is forgotten within this long


class _Unsent:
    """Shares that wait for one hub: bounded, the oldest are dropped, those whose time is out as well."""

    def __init__(self) -> None:
        self.items: deque[PutItem] = deque()
        self._bytes = 0

    def add(self, items: list[PutItem]) -> None:
        for item in items:
            self.items.append(item)
            self._bytes += item.deal.terms.key_bytes
        while len(self.items) > MAX_UNSENT_SHARES_PER_HUB or self._bytes > MAX_UNSENT_SHARE_BYTES_PER_HUB:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= self.items.popleft().deal.terms.key_bytes

    def drop_expired(self, now: float) -> None:
        """No hub would store these any more."""
        while self.items and self.items[0].deal.expires_at <= now:
            self._drop_oldest()

    def take_all(self) -> list[PutItem]:
        items, self._bytes = list(self.items), 0
        self.items.clear()
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
        self._turn: dict[Terms, list[Deal]] = {}
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

        initiator = Party(self._client, encryptor)
        terms = Terms(PROTOCOL_VERSION, self._hubs.n, self._hubs.k, initiator, responders, key_bytes)
        ids = self._random(number * KEY_ID_BYTES)
        secrets = self._random(number * key_bytes)
        keys = [
            Key(
                as_uuid4(ids[i * KEY_ID_BYTES : (i + 1) * KEY_ID_BYTES]),
                secrets[i * key_bytes : (i + 1) * key_bytes],
            )
            for i in range(number)
        ]
        self._turn.setdefault(terms, []).append(Deal(terms, keys, finished))

    def turn_ends(self, now: float) -> None:
        """Deal and scatter what this turn asked for."""
        if not self._turn:
            return
        turn, self._turn = self._turn, {}
        usable = self._hubs.usable()
        if len(usable) < self._hubs.k:
            for deals in turn.values():
                for request in deals:
                    request.give_up(self._hubs.too_few(len(usable)))
            return
        possible = {hub.index for hub in usable}
        counted = frozenset(
            hub.index
            for hub in usable
            if not hub.late and not self._evidence.is_set_aside(None, hub.name, now)
        )
        scattered: list[Deal] = []
        for terms, deals in turn.items():
            self._split(terms, deals)
            for request in deals:
                request.scattered(now + self._share_timeout_s, set(possible), counted)
            scattered += deals
        limit = self._timers.at(now + ACK_LIMIT_S, lambda now: self._time_is_up(scattered))
        SharedTimer(limit, scattered)
        self._scatter(scattered, now)

    def _split(self, terms: Terms, deals: list[Deal]) -> None:
        """Deal the keys of all requests under one set of terms as one batch."""
        keys = [key for request in deals for key in request.keys]
        for hub, shares in zip(self._hubs, deal(keys, terms, self._hubs.xs, self._random), strict=True):
            start = 0
            for request in deals:
                end = start + len(request.keys)
                request.shares[hub.index] = shares[start:end]
                request.unacked[hub.index] = end - start
                start = end

    def _scatter(self, deals: list[Deal], now: float) -> None:
        for hub in self._hubs:
            items = [
                PutItem(request, key.key_id, share)
                for request in deals
                if not request.abandoned  # for lack of pads, at the hubs before this one
                for key, share in zip(request.keys, request.shares[hub.index], strict=True)
            ]
            self._send(hub, items, now)
        for request in deals:
            request.shares.clear()  # each is on its way, or waits for its hub

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
        if not hub.pair.simulated and not self._pads_suffice(hub, items, session.pads_left):
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

    def _pads_suffice(self, hub: HubPeer, items: list[PutItem], left: int) -> bool:
        """A media pool that is exhausted fails its part of the requests at once, and clearly."""
        if sum(item.pad_bytes for item in items) <= left:
            return True
        for request in {item.deal: None for item in items}:
            self._refused(request, hub, ErrorCode.POOL_EXHAUSTED)
        return False

    def _answered(self, hub: HubPeer, in_flight: InFlight, message: Message | None, now: float) -> bool:
        if message is None:
            self._send(hub, [item for item, last in in_flight if last], now)  # waits for the next session
            return True
        codes = message.codes if isinstance(message, PutSharesAck) else []
        if len(codes) != len(in_flight):
            codes = [ErrorCode.BAD_REQUEST] * len(in_flight)
        for (item, last), code in zip(in_flight, codes, strict=True):
            if code in (ErrorCode.OK, ErrorCode.DONE):
                if last:
                    self._acknowledged(item.deal, hub, now)
            elif code != ErrorCode.PARTIAL or last:
                self._refused(item.deal, hub, code)
        return True

    # --- the acknowledgement rule ---

    def _acknowledged(self, request: Deal, hub: HubPeer, now: float) -> None:
        if not request.acknowledge(hub.index, now):
            return
        if hub.late and request.within_grace(now):
            hub.late = False
        if request.answered:
            return
        if len(request.acked) >= request.needed:
            request.succeed()
        elif len(request.acked) == self._hubs.k:
            request.timer = self._timers.at(now + ACK_GRACE_S, lambda now: self._grace_ends(request))

    def _grace_ends(self, request: Deal) -> None:
        for hub in self._hubs:
            if hub.index in request.counted and hub.index not in request.acked:
                hub.late = True
        if not request.answered:
            request.succeed()

    def _refused(self, request: Deal, hub: HubPeer, code: int) -> None:
        if hub.index not in request.failed:
            request.fail(hub.index, code)
            if not request.answered and len(request.possible) < self._hubs.k:
                request.give_up(request.refusal())

    def _time_is_up(self, deals: list[Deal]) -> None:
        for request in deals:
            if not request.answered:
                waited = f"in {ACK_LIMIT_S} s"
                request.give_up(
                    TooFewHubsError(
                        f"{len(request.acked)} of {self._hubs.n} hubs acknowledged {waited}, "
                        f"{self._hubs.k} are needed"
                    )
                )
