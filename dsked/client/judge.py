"""Compares the shares in hand with the keys that passed, and notes which hubs differ."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from uuid import UUID

from dsked.client.evidence import Evidence
from dsked.client.fetch import Batch, Fetch, FetchId
from dsked.client.hubs import Hubs
from dsked.client.rebuilder import join_batches
from dsked.client.slices import Slices
from dsked.notice import Notice
from dsked.sharing.proof import disagreeing_columns, prove_wrong
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Terms, hashes_key


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

    def judge(self, batches: Iterable[Batch]) -> None:
        """Judge those of `batches` that have their keys and have not been judged yet."""
        alike: dict[tuple[Terms, tuple[int, ...]], list[Batch]] = {}
        for batch in batches:
            if batch.judged or batch.terms is None:
                continue
            batch.judged = True
            comparable, malformed = batch.others()
            if malformed or (comparable and hashes_key(batch.terms)):
                for fetch in batch.fetches.values():
                    self._work_out(fetch)
            elif comparable:
                alike.setdefault((batch.terms, (*batch.passed, *comparable)), []).append(batch)
        for (terms, xs), of_xs in alike.items():
            disagreeing = disagreeing_columns(terms, join_batches(of_xs, xs))
            if disagreeing:
                fetches = [fetch for batch in of_xs for fetch in batch.fetches.values()]
                for index in disagreeing:
                    self._work_out(fetches[index])

    def _work_out(self, fetch: Fetch) -> None:
        batch, key_id = fetch.batch, fetch.id[1]
        assert batch.terms is not None
        comparable, malformed = batch.others()
        passed = batch.rows(key_id, batch.passed)
        others = batch.rows(key_id, comparable) + [KeyShare(x, b"", b"") for x in malformed]
        size = sum(len(share.share) for share in (*passed, *others))
        work = prove_wrong(batch.terms, passed, others)
        self._slices.add(batch.initiator, size, work, partial(self._proven, fetch.id))

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
            number, key = self._evidence.number(initiator, hub), str(UUID(bytes=key_id))
            self._notice(
                logging.WARNING,
                f"hub {hub} gave a share that differs from the key {key} of initiator {initiator} "
                f"({number} of its keys so far): set aside",
                peer=hub,
                key_id=key,
            )
        self._to_tell.clear()
