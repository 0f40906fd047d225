"""The responder: asks all hubs at once, rebuilds from the first k good shares, hands out once.

One fetch is one (initiator client, key ID). Requests of one event-loop turn are one round (`rounds.py`):
they travel in one GET_SHARES per hub (`asking.py`). Keys that become complete with one frame are rebuilt
together.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from dsked.client.asking import Asking
from dsked.client.confirmations import Confirmations
from dsked.client.delivered import Delivered
from dsked.client.evidence import Evidence
from dsked.client.fetch import Fetch, FetchId
from dsked.client.fetches import Fetches
from dsked.client.hubs import Hubs
from dsked.client.judge import Judge, Notice
from dsked.client.rebuilder import needs_search, rebuild_fetches
from dsked.client.rounds import Request, Round
from dsked.client.searches import Searches
from dsked.client.slices import Slices
from dsked.errors import (
    AlreadyDeliveredError,
    DskedError,
    LimitError,
    NotNamedError,
    UnknownKeyError,
)
from dsked.fair_limit import FairLimit
from dsked.keys import Done, Key
from dsked.limits import (
    FETCH_DEADLINE_S,
    MAX_FETCHES,
    RETRY_MAX_S,
)
from dsked.sharing.terms import Party, Terms
from dsked.timers import Timers


class Responder:
    """Rebuilds keys dealt by other clients for the encryptors of this one."""

    def __init__(
        self, client: str, hubs: Hubs, evidence: Evidence, timers: Timers, share_timeout_s: float,
        notice: Notice,
    ) -> None:  # fmt: skip
        self._client = client
        self._slices = Slices(timers), Slices(timers)  # of searches, and of proofs
        self._judge = Judge(hubs, evidence, self._slices[1], notice)
        self.searches = Searches(self._slices[0], self._search_ended)
        self._hubs = hubs
        self._evidence = evidence
        self._timers = timers
        self._share_timeout_s = share_timeout_s
        self._fetches = Fetches(timers)
        self._delivered = Delivered()
        self._nr_waiting = FairLimit()  # keys that are waited for, by caller
        self._round: Round | None = None
        self._changed: dict[Fetch, None] = {}
        self._confirmations = Confirmations(hubs, timers)
        self._asking = Asking(
            client, hubs, evidence, self._fetches, self._confirmations, self._has_changed, self._rebuild
        )

    @property
    def _keep_s(self) -> float:
        """How long hubs may still hold shares of a key: as configured, or longer if k of them say so.

        Fewer than k could lie, and have the client refuse new keys rather than forget old ones.
        """
        told = sorted((hub.share_timeout_ms for hub in self._hubs), reverse=True)
        return max(told[self._hubs.k - 1] / 1000, self._share_timeout_s) + FETCH_DEADLINE_S

    # --- requests ---

    def get_keys_by_id(
        self, caller: str, initiator: Party, key_ids: Iterable[bytes], done: Done, now: float
    ) -> None:
        """Fetch the keys that `initiator` dealt for `caller`; the hubs are asked when the turn ends."""
        ids = [(initiator.client, key_id) for key_id in key_ids]
        refusal = self._refusal(caller, ids, now)
        if refusal is not None:
            done(refusal)
            return
        if self._round is None:
            self._round = Round(now + FETCH_DEADLINE_S)
        fetches = [self._fetches.of(fetch_id, caller, now, self._keep_s) for fetch_id in ids]
        request = Request(caller, initiator, fetches, done)
        self._nr_waiting.take(caller, len(fetches))
        self._round.requests.append(request)
        for fetch in fetches:
            self._round.fetches[fetch.id] = fetch
            fetch.waiting[request] = None

    def _refusal(self, caller: str, ids: list[FetchId], now: float) -> DskedError | None:
        if any((fetch_id, caller) in self._delivered for fetch_id in ids):
            return AlreadyDeliveredError("a key has been delivered to this encryptor before")
        self._delivered.forget_expired(now)
        if self._delivered.full(len(ids)) or not self._fetches.fits(caller, len(ids)):
            return LimitError("too many keys were fetched lately to remember more: ask again later")
        if not self._nr_waiting.fits(caller, len(ids), MAX_FETCHES):
            return LimitError("too many keys are waited for: ask again later")
        return None

    def turn_ends(self, now: float, *, busy: bool = False) -> None:
        """Ask the hubs for what this turn wants, and answer what is complete.

        `busy`: this turn has brought something; long work is for one that has not.
        """
        if self._round is not None:
            this_round, self._round = self._round, None
            self._start(this_round, now)
        self._look_at_changed(now)
        for slices in self._slices:
            slices.turn_ends(now, busy=busy)
        self._judge.turn_ends()
        self._look_at_changed(now)  # what has just been found

    def _look_at_changed(self, now: float) -> None:
        if self._changed:
            changed, self._changed = self._changed, {}
            self._answer_waiting(changed, now)
            settled = [fetch for fetch in changed if fetch.key is not None and fetch.settled]
            self._judge.judge(settled)
            for fetch in settled:
                self._drop_if_finished(fetch)

    def _has_changed(self, fetch: Fetch) -> None:
        self._changed[fetch] = None

    def _rebuild(self, terms: Terms, fetches: list[Fetch], now: float) -> None:
        """Try these, which have got whole shares: from the first k, and where that fails, by a search."""
        for fetch in rebuild_fetches(terms, fetches):
            self._changed[fetch] = None
            self._confirmations.rebuilt(fetch.id, now)
        for fetch in fetches:
            if needs_search(terms, fetch):
                self.searches.look(fetch, terms)

    def _search_ended(self, fetch: Fetch, now: float) -> None:
        self._changed[fetch] = None
        if fetch.key is not None:
            self._confirmations.rebuilt(fetch.id, now)

    def _start(self, this_round: Round, now: float) -> None:
        wanted = [fetch for fetch in this_round.fetches.values() if fetch.key is None]
        usable = self._hubs.usable()
        if wanted and len(usable) < self._hubs.k:
            self._end(this_round, self._hubs.too_few(len(usable)), now)
            return
        for fetch in wanted:
            self.searches.look_again(fetch)
        self._answer_waiting(this_round.fetches.values(), now)  # rebuilt before, or refused before
        self._asking.ask(this_round, wanted, now, spare_set_aside=True)
        self._timers.at(now + this_round.delay_s, partial(self._retry, this_round))

    def _retry(self, this_round: Round, now: float) -> None:
        if now >= this_round.deadline or all(request.answered for request in this_round.requests):
            self._end(this_round, None, now)
            return
        wanted = [fetch for fetch in this_round.fetches.values() if fetch.key is None]
        self._asking.ask(this_round, wanted, now, spare_set_aside=False)
        this_round.delay_s = min(2 * this_round.delay_s, RETRY_MAX_S)
        next_try = min(now + this_round.delay_s, this_round.deadline)
        self._timers.at(next_try, partial(self._retry, this_round))

    # --- handing out ---

    def _answer_waiting(self, fetches: Iterable[Fetch], now: float) -> None:
        """Answer the requests for these keys that can be answered; each is looked at once."""
        for request in {request: None for fetch in fetches for request in fetch.waiting}:
            if all(fetch.key is not None for fetch in request.fetches):
                self._hand_out(request, now)
            else:
                failed = next((fetch for fetch in request.fetches if self._hopeless(fetch)), None)
                if failed is not None:
                    self._finish(request, failed.failure())

    def _hopeless(self, fetch: Fetch) -> bool:
        return fetch.impossible(self._hubs.n, self._hubs.k) or fetch.exhausted(self._hubs.n)

    def _hand_out(self, request: Request, now: float) -> None:
        refusal = next(filter(None, (self._refusal_of(request, fetch) for fetch in request.fetches)), None)
        if refusal is not None:
            self._finish(request, refusal)
            return
        keys = []
        for fetch in request.fetches:
            assert fetch.key is not None
            keys.append(Key(fetch.id[1], fetch.key))
            self._delivered.add((fetch.id, request.caller), now, self._keep_s)
            fetch.handed_to.add(request.caller)
        self._finish(request, keys)
        for fetch in request.fetches:
            self._drop_if_finished(fetch)

    def _refusal_of(self, request: Request, fetch: Fetch) -> DskedError | None:
        """The last check before a key leaves, on what its secret tag has covered."""
        assert fetch.terms is not None
        if fetch.terms.initiator != request.initiator:
            return UnknownKeyError("one or more keys specified are not found on KME")
        if Party(self._client, request.caller) not in fetch.terms.responders:
            return NotNamedError("the initiator did not name the calling encryptor for the key")
        if request.caller in fetch.handed_to or (fetch.id, request.caller) in self._delivered:
            return AlreadyDeliveredError("a key has been delivered to this encryptor before")
        return None

    def _finish(self, request: Request, outcome: list[Key] | DskedError) -> None:
        request.answered = True
        self._nr_waiting.give_back(request.caller, len(request.fetches))
        for fetch in request.fetches:
            fetch.waiting.pop(request, None)
        request.done(outcome)

    # --- ends ---

    def _end(self, this_round: Round, error: DskedError | None, now: float) -> None:
        """The deadline: what has no key yet fails; what was asked and not answered is given up."""
        self._answer_waiting(this_round.fetches.values(), now)
        for hub, request_id in this_round.asked:
            hub.forget(request_id, now)
        for request in this_round.requests:
            if not request.answered:
                without = next((fetch for fetch in request.fetches if fetch.key is None), None)
                assert without is not None, "a request whose keys are all there has been answered"
                self._finish(request, error or self._why(without))
        self._judge.judge(this_round.fetches.values())
        for fetch in this_round.fetches.values():
            self._drop_if_finished(fetch)

    def _why(self, fetch: Fetch) -> DskedError:
        error = fetch.failure()
        usable = len(self._hubs.usable())
        return self._hubs.too_few(usable) if usable < self._hubs.k else error

    def _drop_if_finished(self, fetch: Fetch) -> None:
        """Forget a key that all its encryptors here have, once no more evidence is expected.

        And one of which nothing has come: there is nothing to remember of it.
        """
        if fetch.key is None or fetch.terms is None:
            if not fetch.waiting and not fetch.xs():
                self._fetches.drop(fetch)
            return
        if not fetch.settled:
            return
        named = {party.encryptor for party in fetch.terms.responders if party.client == self._client}
        if named <= fetch.handed_to:
            self._fetches.drop(fetch)
        elif fetch.judged:
            self._fetches.forget_shares(fetch)
