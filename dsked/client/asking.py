"""Asking hubs for shares: one GET_SHARES per hub and round, and what they answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dsked.client.confirmations import Confirmations
from dsked.client.evidence import Evidence
from dsked.client.fetch import Fetch, FetchId, usable_terms
from dsked.client.fetches import Fetches
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Hubs
from dsked.client.rounds import Round
from dsked.limits import MAX_KEYS_PER_FRAME
from dsked.sharing.terms import Terms
from dsked.wire.messages import GetGroup, GetKey, GetShares, Message, Shares
from dsked.wire.terms import share_terms

Changed = Callable[[Fetch], None]
Grown = Callable[[Terms, list[Fetch], float], None]


class Asking:
    """Asks hubs, and puts what they give into the fetches.

    `changed(fetch)` is called when a hub has answered for a fetch, or will not any more; `grown(terms,
    fetches, now)` when one frame has brought whole shares under `terms`.
    """

    def __init__(
        self, client: str, hubs: Hubs, evidence: Evidence, fetches: Fetches, confirmations: Confirmations,
        changed: Changed, grown: Grown,
    ) -> None:  # fmt: skip
        self._client = client
        self._hubs = hubs
        self._evidence = evidence
        self._fetches = fetches
        self._confirmations = confirmations
        self._changed = changed
        self._grown = grown

    def ask(self, this_round: Round, fetches: list[Fetch], now: float, *, spare_set_aside: bool) -> None:
        """Ask every hub for those of `fetches` that it has not answered for; one GET_SHARES per hub.

        `spare_set_aside`: not the hubs that are set aside for their initiator, if there are enough others.
        """
        initiators = {fetch.id[0] for fetch in fetches} if spare_set_aside else set()
        spared = {initiator: self._spared(initiator, now) for initiator in initiators}
        for hub in self._hubs.usable():
            groups: dict[str, list[GetKey]] = {}
            asked: list[Fetch] = []
            for fetch in fetches:
                if hub.x in fetch.asked or fetch.has_answered(hub.x):
                    continue
                if hub.x in spared.get(fetch.id[0], ()):
                    continue
                groups.setdefault(fetch.id[0], []).append(GetKey(fetch.id[1], fetch.offset(hub.x)))
                asked.append(fetch)
                if len(asked) == MAX_KEYS_PER_FRAME:
                    self._send(this_round, hub, groups, asked, now)
                    groups, asked = {}, []
            if asked:
                self._send(this_round, hub, groups, asked, now)

    def _spared(self, initiator: str, now: float) -> set[int]:
        """The xs of hubs that are set aside, where there are enough others."""
        usable = self._hubs.usable()
        aside = {hub.x for hub in usable if self._evidence.is_set_aside(initiator, hub.name, now)}
        return aside if len(usable) - len(aside) >= self._hubs.k else set()

    def _send(
        self, this_round: Round, hub: HubPeer, groups: dict[str, list[GetKey]], asked: list[Fetch],
        now: float,
    ) -> None:  # fmt: skip
        done, taken = hub.take_confirmations()
        wait_ms = max(int((this_round.deadline - now) * 1000), 0)
        message = GetShares([GetGroup(name, keys) for name, keys in groups.items()], wait_ms, done)
        outstanding = {fetch.id: fetch for fetch in asked}
        for fetch in asked:
            fetch.asked.add(hub.x)
            fetch.missing.pop(hub.x, None)
        request_id = hub.request(message, partial(self._answered, hub, outstanding, taken))
        if request_id is not None:
            this_round.asked.append((hub, request_id))
            return
        for fetch in asked:  # as if it had not been asked
            fetch.asked.discard(hub.x)
        self._confirmations.again(hub, taken, now)

    def _answered(
        self, hub: HubPeer, outstanding: dict[FetchId, Fetch], confirmed: list[FetchId],
        message: Message | None, now: float,
    ) -> bool:  # fmt: skip
        if not isinstance(message, Shares):  # the session is lost, or the hub answers nonsense
            for fetch in outstanding.values():
                self._answered_for(hub, fetch)
            if message is None:
                self._confirmations.again(hub, confirmed, now)
            confirmed.clear()
            return True
        confirmed.clear()
        self._take_shares(hub, outstanding, message, now)
        for missing in message.missing:
            unanswered = outstanding.pop((missing.initiator, missing.key_id), None)
            if unanswered is not None:
                unanswered.missing[hub.x] = missing.code
                self._answered_for(hub, unanswered)
        return not outstanding

    def _answered_for(self, hub: HubPeer, fetch: Fetch) -> None:
        fetch.asked.discard(hub.x)
        self._changed(fetch)

    def _take_shares(
        self, hub: HubPeer, outstanding: dict[FetchId, Fetch], message: Shares, now: float
    ) -> None:
        grown: dict[Terms, list[Fetch]] = {}
        for group in message.groups:
            terms = share_terms(group)
            for key in group.keys:
                fetch = outstanding.get((group.initiator.client, key.key_id))
                if fetch is None:
                    continue
                if terms is None or not usable_terms(terms, key.code, self._client, self._hubs.k):
                    outstanding.pop(fetch.id)
                    fetch.take_unusable(hub.x)
                    self._answered_for(hub, fetch)
                    continue
                if self._fetches.take(fetch, hub.x, terms, key) is not None:
                    grown.setdefault(terms, []).append(fetch)
                if fetch.has_answered(hub.x):
                    outstanding.pop(fetch.id)
                    self._answered_for(hub, fetch)
        for terms, fetches in grown.items():
            self._grown(terms, fetches, now)
