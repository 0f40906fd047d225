"""Keys established ahead for configured pairs of encryptors, so that Get key is answered at once.

A stored key is never worse than one that would be established now: it is handed out only while as many hubs
as the acknowledgement rule asks for hold its shares, each still the process that acknowledged them, and while
enough of their share time-out is left for the responder. Each leaves the store once.

Nothing of this is written to a disk: what is stored goes with the process, or when it stops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from dsked.client.auditing import KeyAudit
from dsked.client.deal import nr_awaited
from dsked.client.evidence import Evidence
from dsked.client.holders import Holders
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Hubs, Strangers
from dsked.client.initiator import Initiator
from dsked.client.locator import Locator
from dsked.client.spare import Spare
from dsked.client.stored_place import Lot, Place, StoredPair
from dsked.errors import DskedError
from dsked.keys import Key, Outcome
from dsked.limits import (
    STORED_KEY_INTERVAL_S,
    STORED_KEY_RETRY_S,
    STORED_KEYS_PER_INTERVAL,
)
from dsked.secrecy import no_pickle, no_secrets
from dsked.sharing.terms import Party
from dsked.timers import Timer, Timers


class StoredKeys:
    """The store of one client. `least_simulated`: a simulated pool with less is low, in bytes.

    `wanted` is within the limits that its configuration has been checked against.
    """

    def __init__(
        self, wanted: Sequence[StoredPair], hubs: Hubs, evidence: Evidence, locator: Locator,
        initiator: Initiator, timers: Timers, share_timeout_s: float, least_simulated: int,
        audit: KeyAudit | None = None,
    ) -> None:  # fmt: skip
        self._hubs = hubs
        self._evidence = evidence
        self._locator = locator
        self._initiator = initiator
        self._timers = timers
        self._share_timeout_s = share_timeout_s
        self._spare = Spare(hubs, least_simulated)
        self._audit = audit
        self._places = {
            (one.initiator, one.responder, one.key_bytes): Place(one, hubs.k, share_timeout_s)
            for one in wanted
        }
        self._looked_at = -math.inf
        self._timer: Timer | None = None
        self._stopped = False

    __repr__ = no_secrets
    __reduce__ = no_pickle

    # --- handing out ---

    def take(
        self, initiator: str, responder: str, number: int, key_bytes: int, now: float
    ) -> list[Key] | None:
        """So many keys, which leave the store with this; None where it has not so many."""
        place = self._places.get((initiator, responder, key_bytes))
        if place is None:
            return None
        client = self._locator.known(responder, now)
        if client is not None:
            place.keep_those_of(client)
        elif place.lots:  # they were dealt for the client that k hubs named; whether it still is shows soon
            self._locator.locate(responder, now, _nobody_waits)
        self._look_by(now)
        good = self._good(place, now)
        if sum(len(lot.keys) for lot in good) < number:
            return None
        if self._audit is not None:
            self._audit.taken(initiator, responder, good, number)
        return place.take(good, number)

    def _good(self, place: Place, now: float) -> list[Lot]:
        """Those that may be handed out now, the oldest first."""
        if not place.lots:
            return []
        unsure = self._locator.unsure(place.pair.responder)
        hubs = [hub for hub in self._hubs.counted(self._evidence, now) if hub.index not in unsure]
        n, k = self._hubs.n - len(self._strangers(place)), self._hubs.k
        return [
            lot
            for lot in place.lots
            if lot.holders.present(hubs, now) >= max(k, min(nr_awaited(n, k, len(hubs)), lot.nr_acked))
        ]

    def _strangers(self, place: Place) -> Strangers:
        """The hubs that do not know its responder: keys go through the others."""
        return self._locator.strangers_to(place.pair.responder)

    def count(self, initiator: str, responder: str, now: float) -> tuple[int, int]:
        """Keys of a pair of encryptors that could be handed out now, of all sizes; and how many at most."""
        places = [self._places[key] for key in self._places if key[:2] == (initiator, responder)]
        stored = sum(self._stored(place, now) for place in places)
        return stored, sum(place.pair.count for place in places)

    def count_of(self, pair: StoredPair, now: float) -> int:
        """Keys of this pair and size that could be handed out now."""
        return self._stored(self._places[pair.initiator, pair.responder, pair.key_bytes], now)

    def _stored(self, place: Place, now: float) -> int:
        """As many as are wanted at most: keys whose hubs are back may be more, until they expire."""
        return min(sum(len(lot.keys) for lot in self._good(place, now)), place.pair.count)

    # --- what hubs do ---

    def hub_ready(self, hub: HubPeer, now: float) -> None:
        """A session is registered: keys whose shares went with the hub's last process may be lost."""
        for place in self._places.values():
            n = self._hubs.n - len(self._strangers(place))
            place.hub_ready(hub, nr_awaited(n, self._hubs.k, n), now)
        if self._places:
            self._look_by(now + STORED_KEY_INTERVAL_S)  # the other hubs may be on their way as well

    # --- establishing ---

    def _look_by(self, at: float) -> None:
        """See what is lacking at this time, or sooner; never sooner than an interval after the last time."""
        if self._stopped or at == math.inf:
            return
        at = max(at, self._looked_at + STORED_KEY_INTERVAL_S)
        if self._timer is not None:
            if self._timer.deadline <= at:
                return
            self._timer.cancel()
        self._timer = self._timers.at(at, self._look)

    def _look(self, now: float) -> None:
        self._timer, self._looked_at = None, now
        for place in self._places.values():
            place.drop_expired(now)
        for place in self._places.values():
            if place.found_usable(self._good(place, now)):
                place.put_off(self._away(place, now), now)
        budget = STORED_KEYS_PER_INTERVAL
        again_at = math.inf
        for key, place in list(self._places.items()):
            if place.lacks(now):
                obstacle = self._spare.obstacle(self._strangers(place))
                wait_s = STORED_KEY_RETRY_S if obstacle else STORED_KEY_INTERVAL_S
                number = self._fill(key, place, budget, obstacle, now)
                budget -= number
            else:
                wait_s = STORED_KEY_INTERVAL_S
            again_at = min(again_at, place.look_at(now, wait_s))
        self._look_by(again_at)
        if any(place.lots for place in self._places.values()):
            self._look_by(now + STORED_KEY_RETRY_S)  # hubs that hold them may go

    def _fill(self, key: tuple[str, str, int], place: Place, budget: int, obstacle: str, now: float) -> int:
        """Establish what a place lacks, as far as it may be now: so many keys."""
        pads = self._spare.spare_pads(self._strangers(place))
        number = min(place.lacks(now), budget, place.pair.fit(pads))
        if number:
            place.problem = obstacle or place.problem
        if not number or obstacle or now < place.next_try:
            return 0
        self._places[key] = self._places.pop(key)  # the others come first the next time
        self._establish(place, number, now)
        return number

    def _away(self, place: Place, now: float) -> str:
        """Why keys of a place cannot be handed out, or empty."""
        good, counted = self._good(place, now), self._hubs.counted(self._evidence, now)
        bad = [lot for lot in place.lots if lot not in good]
        away = [
            hub.name for hub in self._hubs if hub not in counted and any(lot.holders.has(hub) for lot in bad)
        ]
        if away:
            return f"hubs that hold stored keys are away or late: {', '.join(away)}"
        return "too few hubs hold stored keys" if bad else ""

    def _establish(self, place: Place, number: int, now: float) -> None:
        place.under_way += number

        def located(client: str | DskedError, now: float) -> None:
            if self._stopped:
                return
            if isinstance(client, DskedError):
                self._failed(place, number, client, now)
                return
            holders = Holders(now, self._share_timeout_s)
            self._initiator.get_keys_ahead(
                place.pair.initiator, Party(client, place.pair.responder), number, place.pair.key_bytes,
                holders, partial(self._established, place, number, client, holders, now),
                self._strangers(place),
            )  # fmt: skip

        self._locator.locate(place.pair.responder, now, located, patient=True)

    def _established(
        self, place: Place, number: int, client: str, holders: Holders, dealt_at: float, outcome: Outcome
    ) -> None:
        if self._stopped:
            return
        if isinstance(outcome, DskedError):
            self._failed(place, number, outcome, dealt_at)
            return
        place.under_way -= number
        for hub in self._hubs:
            holders.has_lost(hub)
        place.add(Lot(outcome, client, holders))
        self._look_by(self._looked_at)

    def _failed(self, place: Place, number: int, error: DskedError, now: float) -> None:
        place.under_way -= number
        place.failed(str(error), now)
        self._look_by(place.next_try)

    # --- the end, and status ---

    def stop(self) -> None:
        """Hand out no more, establish no more, and forget what is stored."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for place in self._places.values():
            place.lots.clear()

    def report(self, now: float) -> list[dict[str, Any]]:
        """For status: every pair, how many keys are stored, and what that costs."""
        places = [place for _, place in sorted(self._places.items())]
        return [
            {
                **place.report(self._spare.frame_pads(self._strangers(place))),
                "stored_key_count": self._stored(place, now),
                "problem": self._problem(place, now),
            }
            for place in places
        ]

    def _problem(self, place: Place, now: float) -> str | None:
        """Why keys are lacking, where none is under way."""
        if self._stored(place, now) >= place.pair.count:
            return None
        if place.under_way:
            return place.problem or None
        obstacle = self._spare.obstacle(self._strangers(place))
        return obstacle or place.problem or self._away(place, now) or "new keys are about to be stored"


def _nobody_waits(client: str | DskedError, now: float) -> None:
    """The answer is remembered by who was asked."""
