"""The initiator: makes keys, deals them, scatters the shares to all common hubs at once (scattering.py).

All requests of one event-loop turn are dealt together and travel in one frame per hub. A key is dealt once
and never again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from dsked.client.about import About, frame_by_frame, further_codes
from dsked.client.audience import Audience, Audiences
from dsked.client.auditing import KeyAudit
from dsked.client.deal import Deal, KeyRequest, SharedTimer
from dsked.client.evidence import Evidence
from dsked.client.holders import Holders
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import NO_STRANGERS, Hubs, Strangers
from dsked.client.put_frames import PutItem
from dsked.client.scattering import Scattering
from dsked.errors import DskedError, LimitError, TooFewHubsError
from dsked.fair_limit import FairLimit
from dsked.identifiers import as_uuid4
from dsked.keys import Done, Outcome
from dsked.limits import (
    ACK_GRACE_S,
    ACK_LIMIT_S,
    FURTHER_CODE_BYTES,
    KEY_ID_BYTES,
    MAX_KEY_BYTES_UNDER_WAY,
    PROTOCOL_VERSION,
)
from dsked.sharing.dealing import deal_columns
from dsked.sharing.shares import HubColumns
from dsked.sharing.terms import Party, Terms
from dsked.timers import Timers

Random = Callable[[int], bytes]


class _Ahead(NamedTuple):
    """Keys to establish for nobody yet: a dealing of their own, which is told its holders."""

    about: About
    request: KeyRequest
    holders: Holders


class _Dealt(NamedTuple):
    """A dealing, its columns for all hubs, and the hubs whose window has no room for them now."""

    deal: Deal
    columns: Mapping[int, HubColumns]  # by hub index
    put_off: set[int]  # by index

    def item(self, hub: HubPeer) -> PutItem:
        """The shares of one hub."""
        return PutItem(self.deal, self.columns[hub.index], 0, self.deal.number)


class Initiator:
    """Establishes keys as their initiator. `share_timeout_s`: the time to live asked for shares."""

    def __init__(
        self, client: str, hubs: Hubs, evidence: Evidence, timers: Timers, share_timeout_s: float,
        random: Random, audit: KeyAudit | None = None,
    ) -> None:  # fmt: skip
        self._client = client
        self._hubs = hubs
        self._evidence = evidence
        self._timers = timers
        self._share_timeout_s = share_timeout_s
        self._random = random
        self._audit = audit
        self._turn: dict[About, list[KeyRequest]] = {}
        self._ahead: list[_Ahead] = []
        self._scattering = Scattering(hubs, timers, self._answered_for)
        self._under_way = FairLimit()  # bytes of keys, by encryptor

    def get_keys(
        self, encryptor: str, responders: tuple[Party, ...], number: int, key_bytes: int, done: Done,
        strangers: Strangers = NO_STRANGERS,
    ) -> None:  # fmt: skip
        """Establish `number` keys of `key_bytes` bytes; the shares leave when the turn ends.

        They go to all hubs but strangers to one of the responders.
        """
        weight = number * (key_bytes + further_codes(responders) * FURTHER_CODE_BYTES)
        request = self._admit(encryptor, number, weight, done)
        if request is not None:
            about = About(encryptor, responders, key_bytes, strangers)
            self._turn.setdefault(about, []).append(request)

    def get_keys_ahead(
        self, encryptor: str, responder: Party, number: int, key_bytes: int, holders: Holders, done: Done,
        strangers: Strangers = NO_STRANGERS,
    ) -> None:  # fmt: skip
        """The same for keys to be stored; `holders` is told who has their shares, and goes on to be told.

        Requests of this turn go first, and have room left for those of the next ones.
        """
        request = self._admit(encryptor, number, number * key_bytes, done)
        if request is not None:
            about = About(encryptor, (responder,), key_bytes, strangers)
            self._ahead.append(_Ahead(about, request, holders))

    def _admit(self, encryptor: str, number: int, size: int, done: Done) -> KeyRequest | None:
        if not self._under_way.fits(encryptor, size, MAX_KEY_BYTES_UNDER_WAY):
            done(LimitError("too many bytes of keys are being established: ask again in a moment"))
            return None
        self._under_way.take(encryptor, size)

        def finished(outcome: Outcome) -> None:
            self._under_way.give_back(encryptor, size)
            done(outcome)

        return KeyRequest(number, finished)

    def turn_ends(self, now: float) -> None:
        """Deal and scatter what this turn asked for."""
        if self._turn or self._ahead:
            turn, self._turn = self._turn, {}
            ahead, self._ahead = self._ahead, []
            self._scatter(self._deal_all(turn, ahead, now), now)
        self._scattering.turn_ends(now)

    @staticmethod
    def _refuse(requests: list[KeyRequest], error: DskedError) -> None:
        for request in requests:
            assert request.done is not None
            request.done(error)

    def _deal_all(self, turn: dict[About, list[KeyRequest]], ahead: list[_Ahead], now: float) -> list[_Dealt]:
        """Deal what k of the hubs can acknowledge in time, and refuse the rest."""
        audiences = Audiences(self._hubs, self._scattering, self._evidence, now)
        dealt: list[_Dealt] = []
        for about, requests in turn.items():
            audience = audiences.of(about.strangers, about.responders)
            if isinstance(audience, DskedError):
                self._refuse(requests, audience)
                continue
            for some in frame_by_frame(about, requests, audience.max_pads):
                dealt += self._deal_to(audience, about, some, now)
        for wanted in ahead:
            dealt += self._deal_ahead(audiences, wanted, now)
        return dealt

    def _deal_to(
        self, audience: Audience, about: About, requests: list[KeyRequest], now: float
    ) -> Iterator[_Dealt]:
        pads = about.pads(requests)
        full = audience.full(pads)
        if len(audience.possible) - len(full) < self._hubs.k:
            self._refuse(requests, self._too_much_waits(len(full), about))
            return
        audience.take(pads, full)
        yield self._dealt(audience, about, requests, full, None, now)

    def _deal_ahead(self, audiences: Audiences, wanted: _Ahead, now: float) -> Iterator[_Dealt]:
        about, requests = wanted.about, [wanted.request]
        audience = audiences.of(about.strangers, about.responders)
        if isinstance(audience, DskedError):
            self._refuse(requests, audience)
            return
        pads = about.pads(requests)
        if not audience.spares(pads):
            self._refuse(requests, LimitError("the windows of the pools are needed for requests"))
            return
        audience.take(pads, ())
        yield self._dealt(audience, about, requests, set(), wanted.holders, now)

    def _dealt(
        self, audience: Audience, about: About, requests: list[KeyRequest], full: set[int],
        holders: Holders | None, now: float,
    ) -> _Dealt:  # fmt: skip
        one, columns = self._deal(about, requests)
        one.holders = holders
        one.scattered(now + self._share_timeout_s, audience.possible, audience.counted - full)
        return _Dealt(one, dict(zip(one.unanswered, columns, strict=True)), full)

    def _too_much_waits(self, full: int, about: About) -> LimitError:
        hubs = self._hubs.names([hub.index for hub in self._hubs.common(about.strangers)])
        return LimitError(
            f"more keys are under way to {full} of {hubs} than the windows of their PSRD pools let through "
            f"in {ACK_LIMIT_S} s: ask again in a moment; if that goes on, more PSRD is needed"
        )

    def _scatter(self, dealt: Sequence[_Dealt], now: float) -> None:
        if not dealt:
            return
        deals = [one.deal for one in dealt]
        limit = self._timers.at(now + ACK_LIMIT_S, lambda now: self._time_is_up(deals, now))
        SharedTimer(limit, deals)
        for hub in self._hubs:
            to_it = [one for one in dealt if hub.index in one.columns]
            if to_it:
                self._scatter_to(hub, to_it, now)

    def _scatter_to(self, hub: HubPeer, dealt: Sequence[_Dealt], now: float) -> None:
        self._scattering.send(hub, [one.item(hub) for one in dealt if hub.index not in one.put_off], now)
        later = [one.item(hub) for one in dealt if hub.index in one.put_off]
        if later:
            self._scattering.put_off(hub, later)

    def _deal(self, about: About, requests: list[KeyRequest]) -> tuple[Deal, list[HubColumns]]:
        """Make the keys of these requests, and deal them as one batch to the common hubs, in their order."""
        encryptor, responders, key_bytes, strangers = about
        hubs, initiator = self._hubs.common(strangers), Party(self._client, encryptor)
        terms = Terms(PROTOCOL_VERSION, len(hubs), self._hubs.k, initiator, responders, key_bytes)
        number = sum(request.number for request in requests)
        drawn = self._random(number * (KEY_ID_BYTES + key_bytes))
        key_ids, keys = as_uuid4(drawn[: number * KEY_ID_BYTES]), drawn[number * KEY_ID_BYTES :]
        return (
            Deal(terms, requests, key_ids, keys, [hub.index for hub in hubs]),
            deal_columns(key_ids, keys, terms, tuple([hub.x for hub in hubs]), self._random),
        )

    def hub_ready(self, hub: HubPeer, now: float) -> None:
        """A session is registered: what waited for this hub goes out."""
        self._scattering.catch_up(hub, now)

    # --- the acknowledgement rule ---

    def _answered_for(self, item: PutItem, hub: HubPeer, taken: int, now: float) -> None:
        """`hub` has taken so many of these keys, and refused the others."""
        one = item.deal
        if one.holders is not None:
            last = one.unanswered[hub.index] == item.number
            one.holders.answered(hub, taken=taken == item.number, last=last)
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
                if self._audit is not None and one.holders is None:
                    self._audit.established(one, request)
                one.succeed(request)
            elif one.is_hopeless(request):
                one.give_up(request, one.refusal(request, self._hubs.names(one.unanswered)))
            elif nr_acked >= k and one.timer is None:
                one.timer = self._timers.at(now + ACK_GRACE_S, lambda now: self._grace_ends(one, now))
        if not one.requests:
            self._scattering.decided(one, now)

    def _grace_ends(self, one: Deal, now: float) -> None:
        for hub in self._hubs:
            if hub.index in one.counted and hub.index not in one.acked:
                hub.late = True
        one.grace_over = True
        self._settle(one, now)

    def _time_is_up(self, deals: list[Deal], now: float) -> None:
        for one in deals:
            one.grace_over = True  # the rest of a grace is cut short: k hubs are enough now
            self._settle(one, now)
            hubs = self._hubs.names(one.unanswered)
            for request in tuple(one.requests):
                error = TooFewHubsError(
                    f"{one.nr_acked(request)} of {hubs} acknowledged in {ACK_LIMIT_S} s, "
                    f"{self._hubs.k} are needed"
                )
                one.give_up(request, error)
            self._scattering.decided(one, now)
