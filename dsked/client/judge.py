"""Compares the shares in hand with the keys that passed, and notes which hubs differ."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from dsked.client.evidence import Evidence
from dsked.client.fetch import Fetch, FetchId
from dsked.client.hubs import Hubs
from dsked.client.slices import Slices
from dsked.sharing.proof import find_disagreeing, prove_wrong
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Terms, hashes_key

Notice = Callable[[int, str], None]


class Judge:
    """Names hubs, once for each key, when every hub that was asked for it has answered.

    That shares disagree is seen at once, for whole batches of short keys; who is proven wrong is worked out
    in slices. Where too much waits to be worked out, a key names nobody: the next ones will.

    A liar does not fill the log: there is one warning each time that it is set aside for an initiator, with
    the number of mismatches until then. Status counts the others.
    """

    def __init__(self, hubs: Hubs, evidence: Evidence, slices: Slices, notice: Notice) -> None:
        self._hubs = hubs
        self._evidence = evidence
        self._slices = slices
        self._notice = notice
        self._to_tell: dict[tuple[str, str], bytes] = {}  # (initiator, hub) -> the first key that it is about

    def judge(self, fetches: Iterable[Fetch]) -> None:
        """Judge those of `fetches` that have a key and have not been judged yet."""
        by_terms: dict[Terms, list[Fetch]] = {}
        for fetch in fetches:
            if not fetch.judged and fetch.terms is not None:
                fetch.judged = True
                by_terms.setdefault(fetch.terms, []).append(fetch)
        for terms, judged in by_terms.items():
            batch = [(fetch.passed, fetch.others()) for fetch in judged]
            suspicious = range(len(batch)) if hashes_key(terms) else find_disagreeing(terms, batch)
            for index in suspicious:
                self._work_out(terms, judged[index].id, *batch[index])

    def _work_out(
        self, terms: Terms, fetch_id: FetchId, passed: list[KeyShare], others: list[KeyShare]
    ) -> None:
        size = sum(len(share.share) for share in (*passed, *others))
        work = prove_wrong(terms, passed, others)
        self._slices.add(fetch_id[0], size, work, partial(self._proven, fetch_id))

    def _proven(self, fetch_id: FetchId, wrong: tuple[int, ...], now: float) -> None:
        for x in wrong:
            self._mismatch(fetch_id, x, now)

    def _mismatch(self, fetch_id: FetchId, x: int, now: float) -> None:
        hub = next(hub for hub in self._hubs if hub.x == x)
        initiator, key_id = fetch_id
        if self._evidence.mismatch(initiator, hub.name, now):
            self._to_tell[initiator, hub.name] = key_id

    def turn_ends(self) -> None:
        """Tell what has been proven in this turn."""
        for (initiator, hub), key_id in self._to_tell.items():
            number = self._evidence.number(initiator, hub)
            self._notice(
                logging.WARNING,
                f"hub {hub} gave a share that differs from the key {key_id.hex()} of initiator {initiator} "
                f"({number} of its keys so far): set aside",
            )
        self._to_tell.clear()
