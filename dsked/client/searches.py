"""Searches for good shares: begun where the first k do not give the key, fed as more come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dsked.client.fetch import Batch, Fetch
from dsked.client.slices import Slices
from dsked.limits import MAX_EVIDENCE_INITIATORS
from dsked.sharing.search import LastPassed, Search, Work
from dsked.sharing.terms import Terms

#: What a search takes beside the shares.
_OVERHEAD_BYTES = 4096


class Searches:
    """Begins searches; `ended(batch, now)` is called when one has the key or nothing left to try.

    `nr_hubs`: from so many shares of a key may come.
    """

    def __init__(self, slices: Slices, nr_hubs: int, ended: Callable[[Batch, float], None]) -> None:
        self._slices = slices
        self._nr_hubs = nr_hubs
        self._ended = ended
        self._last_passed: dict[str, LastPassed] = {}  # by initiator, the latest at the end
        self.under_way = 0
        self.succeeded = 0
        self.failed = 0
        self.put_off = 0

    def look(self, batch: Batch, terms: Terms) -> None:
        """Look for k good shares among all that `batch`, which is of one key, holds under `terms`.

        A search goes on with new ones. Where too much is under way `batch.search_put_off` is set; ask again
        later.
        """
        [fetch] = batch.fetches.values()
        search = batch.searches.get(terms)
        if search is None:
            search = Search(terms, fetch.id[1], self._last_of(batch.initiator))
            batch.searches = {**batch.searches, terms: search}
        search.add(batch.rows(fetch.id[1], [column.x for column in batch.group(terms)]))
        if terms in batch.searching or search.exhausted:
            return
        if batch.search_failed:  # one more share gives it another chance
            self.failed, batch.search_failed = self.failed - 1, False
        size = self._nr_hubs * terms.key_bytes + _OVERHEAD_BYTES  # terms.n is the initiator's
        finished = partial(self._finished, batch, fetch, terms, search)
        work = _while_wanted(batch, terms, search)
        task = self._slices.add(batch.initiator, size, work, finished, lambda: bool(fetch.waiting))
        batch.search_put_off = task is None
        if task is None:
            self.put_off += 1
        else:
            batch.searching = {**batch.searching, terms: task}
            self.under_way += 1

    def _last_of(self, initiator: str) -> LastPassed:
        """What the searches for an initiator's keys have in common; that of the least recent is forgotten."""
        last = self._last_passed.pop(initiator) if initiator in self._last_passed else LastPassed()
        self._last_passed[initiator] = last
        if len(self._last_passed) > MAX_EVIDENCE_INITIATORS:
            del self._last_passed[next(iter(self._last_passed))]
        return last

    def look_again(self, batch: Batch) -> None:
        """Somebody waits for the key again: go on with what is under way, and try again what was put off."""
        for task in batch.searching.values():
            self._slices.await_again(task)
        if batch.search_put_off:
            for terms in batch.searches:
                self.look(batch, terms)

    def _finished(
        self, batch: Batch, fetch: Fetch, terms: Terms, search: Search, result: None, now: float
    ) -> None:
        self.under_way -= 1
        batch.searching = {other: task for other, task in batch.searching.items() if other != terms}
        if not _is_wanted(batch, terms, search):
            return
        if search.key is None:
            self.failed, batch.search_failed = self.failed + 1, True
        else:
            self.succeeded += 1
            fetch.key = search.key
            batch.succeed(terms, tuple([share.x for share in search.passed]))
        self._ended(batch, now)

    def report(self) -> dict[str, int]:
        """What status tells: numbers of keys since the start, but for those under way."""
        return {
            "under_way": self.under_way,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "put_off": self.put_off,
        }


def _while_wanted(batch: Batch, terms: Terms, search: Search) -> Work:
    """The search's work, until the key is there by other means or has been dropped."""
    for cost in search.work():
        yield cost
        if not _is_wanted(batch, terms, search):
            return


def _is_wanted(batch: Batch, terms: Terms, search: Search) -> bool:
    return batch.terms is None and batch.searches.get(terms) is search
