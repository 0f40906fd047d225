"""Compares the shares in hand with the keys that passed, and notes which hubs differ."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from dsked.client.evidence import Evidence
from dsked.client.fetch import Fetch
from dsked.client.hubs import Hubs
from dsked.sharing.recovery import mismatches
from dsked.sharing.terms import Terms

Notice = Callable[[int, str], None]


class Judge:
    """Names hubs, once for each key, when every hub that was asked for it has answered."""

    def __init__(self, hubs: Hubs, evidence: Evidence, notice: Notice) -> None:
        self._hubs = hubs
        self._evidence = evidence
        self._notice = notice

    def judge(self, fetches: Iterable[Fetch], now: float) -> None:
        """Judge those of `fetches` that have a key and have not been judged yet."""
        by_terms: dict[Terms, list[Fetch]] = {}
        for fetch in fetches:
            if not fetch.judged and fetch.terms is not None:
                fetch.judged = True
                by_terms.setdefault(fetch.terms, []).append(fetch)
        for terms, judged in by_terms.items():
            wrong = mismatches(terms, [(fetch.passed, fetch.others()) for fetch in judged])
            for fetch, xs in zip(judged, wrong, strict=True):
                for x in xs:
                    self._mismatch(fetch, x, now)

    def _mismatch(self, fetch: Fetch, x: int, now: float) -> None:
        hub = next(hub for hub in self._hubs if hub.x == x)
        initiator, key_id = fetch.id
        self._evidence.mismatch(initiator, hub.name, now)
        self._notice(
            logging.WARNING,
            f"hub {hub.name} gave a share that differs from the key {key_id.hex()} of initiator {initiator}",
        )
