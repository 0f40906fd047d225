"""The responder: asks all hubs at once, rebuilds from the first k good shares, hands out once.

One fetch is one (initiator client, key ID). Requests of one event-loop turn are one round (`rounds.py`):
they travel in one GET_SHARES per hub (`asking.py`). Keys with the same history are one batch (`fetch.py`),
rebuilt and judged as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain

from dsked.client.asking import Asking
from dsked.client.auditing import KeyAudit
from dsked.client.confirmations import Confirmations
from dsked.client.delivered import Recipient
from dsked.client.evidence import Evidence
from dsked.client.fetch import Batch
from dsked.client.fetches import Fetches
from dsked.client.handing_out import HandingOut
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import NO_STRANGERS, Hubs, Strangers
from dsked.client.judge import Judge
from dsked.client.outlook import failure, hopeless
from dsked.client.rebuilder import needs_search, rebuild_batches
from dsked.client.rounds import Request, Round
from dsked.client.searches import Searches
from dsked.client.slices import Slices
from dsked.errors import DskedError, LimitError
from dsked.fair_limit import FairLimit
from dsked.keys import Done, Key
from dsked.limits import FETCH_DEADLINE_S, MAX_FETCHES, RETRY_MAX_S
from dsked.notice import Notice
from dsked.sharing.terms import Party, Terms
from dsked.timers import Timers

#: The hubs that do not know an encryptor.
StrangersTo = Callable[[str], Strangers]


def nobody_is_strange(encryptor: str) -> Strangers:
    """All hubs know all encryptors."""
    return NO_STRANGERS


class Responder:
    """Rebuilds keys dealt by other clients for the encryptors of this one."""

    def __init__(
        self, client: str, hubs: Hubs, evidence: Evidence, timers: Timers, share_timeout_s: float,
        notice: Notice, audit: KeyAudit | None = None, strangers_to: StrangersTo = nobody_is_strange,
    ) -> None:  # fmt: skip
        self._client = client
        self._audit = audit
        self._strangers_to = strangers_to
        self._slices = Slices(timers), Slices(timers)  # of searches, and of proofs
        self._judge = Judge(hubs, evidence, self._slices[1], notice)
        self.searches = Searches(self._slices[0], hubs.n, self._search_ended)
        self._hubs = hubs
        self._evidence = evidence
        self._timers = timers
        self._fetches = Fetches(timers)
        self._handing_out = HandingOut(client, hubs, share_timeout_s)
        self._nr_waiting = FairLimit()  # keys that are waited for, by caller
        self._round: Round | None = None
        self._changed: dict[Batch, None] = {}
        self._confirmations = Confirmations(hubs, timers)
        self._asking = Asking(
            client, hubs, evidence, self._fetches, self._confirmations, self._has_changed, self._rebuild
        )

    # --- requests ---

    def get_keys_by_id(
        self, caller: str, initiator: Party, key_ids: Iterable[bytes], done: Done, now: float
    ) -> None:
        """Fetch the keys that `initiator` dealt for `caller`; the hubs are asked when the turn ends."""
        ids = list(dict.fromkeys(key_ids))
        refusal = self._refusal((initiator.client, caller), ids, now)
        if refusal is not None:
            done(refusal)
            return
        if self._round is None:
            self._round = Round(now + FETCH_DEADLINE_S, now + self._handing_out.keep_s)
        fresh = self._round.fresh.get(initiator.client)
        if fresh is None:
            fresh = self._round.fresh[initiator.client] = Batch(initiator.client)
        before = len(fresh.fetches)
        fetches = self._fetches.of(fresh, ids, caller, self._round.keep_until)
        self._nr_waiting.take(caller, len(fetches))
        known = len(fresh.fetches) - before < len(fetches)
        self._round.add(Request(caller, initiator, fetches, done), known=known)
        self._round.spare(initiator.client, self._strangers_to(initiator.encryptor))

    def _refusal(self, recipient: Recipient, key_ids: Sequence[bytes], now: float) -> DskedError | None:
        refusal = self._handing_out.refusal(recipient, key_ids, now)
        if refusal is not None:
            return refusal
        caller, number = recipient[1], len(key_ids)
        if not self._fetches.fits(caller, number):
            return LimitError("too many keys were fetched lately to remember more: ask again later")
        if not self._nr_waiting.fits(caller, number, MAX_FETCHES):
            return LimitError("too many keys are waited for: ask again later")
        return None

    def turn_ends(self, now: float, *, busy: bool = False) -> None:
        """Ask the hubs for what this turn wants, and answer what is complete.

        `busy`: this turn has brought something; long work is for one that has not.
        """
        if self._round is not None:
            this_round, self._round = self._round, None
            self._start(this_round, now)
        if self._changed:
            self._look_at_changed(now)
        for slices in self._slices:
            slices.turn_ends(now, busy=busy)
        self._judge.turn_ends()
        if self._changed:  # what has just been found
            self._look_at_changed(now)
        self._handing_out.turn_ends()

    def _look_at_changed(self, now: float) -> None:
        changed, self._changed = self._changed, {}
        decided = [batch for batch in changed if batch.terms is not None or self._hopeless(batch)]
        if not decided:
            return
        waiting = [fetch.waiting for batch in decided for fetch in batch.fetches.values() if fetch.waiting]
        if waiting:
            self._answer(dict.fromkeys(chain.from_iterable(waiting)), now)
            changed |= self._changed  # and what has just been handed out
            self._changed = {}
        settled = [batch for batch in changed if batch.terms is not None and batch.settled]
        self._judge.judge(settled)
        for batch in settled:
            self._drop_what_all_have(batch)

    def _has_changed(self, batch: Batch) -> None:
        self._changed[batch] = None

    def _rebuild(self, terms: Terms, batches: list[Batch], now: float) -> None:
        """Try these, which have got whole shares: from the first k, and where that fails, by a search."""
        ready = [batch for batch in batches if batch.terms is None and len(batch.columns) >= terms.k]
        for batch in rebuild_batches(terms, ready) if ready else ():
            self._changed[batch] = None
            if batch.terms is not None:
                self._confirm(batch, batch.terms, now)
        for batch in ready:
            if batch.failed_check and needs_search(terms, batch):
                self.searches.look(batch, terms)

    def _search_ended(self, batch: Batch, now: float) -> None:
        self._changed[batch] = None
        if batch.terms is not None:
            self._confirm(batch, batch.terms, now)

    def _confirm(self, batch: Batch, terms: Terms, now: float) -> None:
        """Its keys are there: every hub that may have a share of them may forget it."""
        strangers = self._strangers_to(terms.initiator.encryptor)
        if strangers:
            have = {*batch.xs(), *batch.asked}  # or may have
            strangers -= {hub.index for hub in self._hubs if hub.x in have}
        self._confirmations.rebuilt(batch.initiator, batch.key_ids, now, strangers)

    def _start(self, this_round: Round, now: float) -> None:
        self._handing_out.forget_expired(now)
        wanted = this_round.wanted()
        usable = self._hubs.usable()
        if wanted and len(usable) < self._hubs.k:
            self._end(this_round, self._hubs.too_few(len(usable)), now)
            return
        for batch in wanted:
            if batch.searches:
                self.searches.look_again(batch)
        known = [request for request in this_round.known if not request.answered]
        self._answer(known, now)  # what was rebuilt before, or refused before
        self._asking.ask(this_round, wanted, usable, now, spare_set_aside=True)
        self._timers.at(now + this_round.delay_s, partial(self._retry, this_round))

    def _retry(self, this_round: Round, now: float) -> None:
        if now >= this_round.deadline or all(request.answered for request in this_round.requests):
            self._end(this_round, None, now)
            return
        wanted, usable = this_round.wanted(), self._hubs.usable()
        self._asking.ask(this_round, wanted, usable, now, spare_set_aside=False)
        this_round.delay_s = min(2 * this_round.delay_s, RETRY_MAX_S)
        next_try = min(now + this_round.delay_s, this_round.deadline)
        self._timers.at(next_try, partial(self._retry, this_round))

    def confirm_at_once(self, hub: HubPeer) -> None:
        """A hub is about to stop: tell it what it need not keep."""
        self._confirmations.at_once(hub)

    # --- handing out ---

    def _answer(self, requests: Iterable[Request], now: float) -> None:
        """Answer those that can be answered."""
        complete: dict[tuple[Party, str], list[Request]] = {}
        for request in requests:
            lacking = [fetch.batch for fetch in request.fetches if fetch.key is None]
            if not lacking:
                complete.setdefault((request.initiator, request.caller), []).append(request)
                continue
            failed = next(filter(self._hopeless, dict.fromkeys(lacking)), None)
            if failed is not None:
                self._finish(request, failure(failed, self._hubs.k))
        for (initiator, caller), of_caller in complete.items():
            self._grant((initiator.client, caller), of_caller, now)

    def _hopeless(self, batch: Batch) -> bool:
        return hopeless(batch, self._hubs.n, self._hubs.k)

    def _grant(self, recipient: Recipient, requests: Sequence[Request], now: float) -> None:
        """Hand out what one encryptor has asked for of one initiator, or refuse it."""
        granted, refused = self._handing_out.grant(recipient, requests, now)
        for request in granted:
            self._changed.update(dict.fromkeys([fetch.batch for fetch in request.fetches]))
        for request in granted:
            self._hand_out(request)
        for request, refusal in refused:
            self._finish(request, refusal)

    def _hand_out(self, request: Request) -> None:
        keys = [Key(fetch.id[1], fetch.key) for fetch in request.fetches if fetch.key is not None]
        assert len(keys) == len(request.fetches), "all keys or none"
        if self._audit is not None:
            self._audit.delivered(request)
        self._finish(request, keys)

    def _finish(self, request: Request, outcome: list[Key] | DskedError) -> None:
        request.answered = True
        self._nr_waiting.give_back(request.caller, len(request.fetches))
        for fetch in request.fetches:
            if len(fetch.waiting) == 1:
                fetch.waiting = ()
            else:
                fetch.waiting = tuple([other for other in fetch.waiting if other is not request])
        request.done(outcome)

    # --- ends ---

    def _end(self, this_round: Round, error: DskedError | None, now: float) -> None:
        """The deadline: what has no key yet fails; what was asked and not answered is given up."""
        if self._changed:
            self._look_at_changed(now)
        self._answer([request for request in this_round.requests if not request.answered], now)
        for hub, request_id in this_round.asked:
            hub.forget(request_id, now)
        for request in this_round.requests:
            if not request.answered:
                without = next((fetch for fetch in request.fetches if fetch.key is None), None)
                assert without is not None, "a request whose keys are all there has been answered"
                self._finish(request, error or self._why(without.batch))
        for batch in this_round.batches():
            if batch.fetches:
                self._forget(batch)
        if self._changed:
            self._look_at_changed(now)

    def _forget(self, batch: Batch) -> None:
        """Forget keys that nobody waits for and of which nothing has come; look at the others again."""
        self._changed[batch] = None
        if batch.terms is None and not batch.xs():
            self._fetches.drop(batch, [fetch for fetch in batch.fetches.values() if not fetch.waiting])

    def _why(self, batch: Batch) -> DskedError:
        usable = len(self._hubs.usable())
        return self._hubs.too_few(usable) if usable < self._hubs.k else failure(batch, self._hubs.k)

    def _drop_what_all_have(self, batch: Batch) -> None:
        """Forget keys that all their encryptors here have, and the shares of the others."""
        assert batch.terms is not None
        named = {party.encryptor for party in batch.terms.responders if party.client == self._client}
        fetches = [fetch for fetch in batch.fetches.values() if named <= fetch.handed_to]
        self._fetches.drop(batch, fetches)
        if batch.fetches:
            self._fetches.forget_shares(batch)
