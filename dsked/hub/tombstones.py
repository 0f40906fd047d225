"""Keys that are done with at a hub, remembered for the share time-out, so that no late copy is stored.

A tombstone for one responder client is left by its confirmation and counts on its account. One for everyone
is left by a share that timed out and counts on the account of its initiator client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from dsked.expiring import ExpiringKeyIds
from dsked.limits import MAX_CONFIRMED_PER_CLIENT, MAX_FORGOTTEN_PER_TURN, MAX_TOMBSTONES_PER_CLIENT

_EVERYONE = ""  # in place of a responder client; no client's name


class Tombstones:
    """All tombstones of a hub. Each lasts `timeout_s` seconds, and at most a twelfth of that longer."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._key_ids = ExpiringKeyIds()  # by (initiator client, responder client or EVERYONE)
        self._nr_expired: Counter[str] = Counter()  # those for everyone, per initiator client
        self._nr_confirmed: Counter[str] = Counter()  # the others, per responder client

    def __len__(self) -> int:
        return len(self._key_ids)

    def gone(self, initiator: str, clients: Iterable[str], ids: Collection[bytes]) -> dict[str, set[bytes]]:
        """By responder client, those of `ids` that are done with for it; without clients that have none."""
        for_everyone = self._key_ids.among((initiator, _EVERYONE), ids)
        gone: dict[str, set[bytes]] = {}
        for client in clients:
            those = for_everyone | self._key_ids.among((initiator, client), ids)
            if those:
                gone[client] = those
        return gone

    def add_confirmed(self, now: float, responder: str, initiator: str, ids: Collection[bytes]) -> None:
        """For one responder client, as far as it may have more. Each of `ids` stands there once."""
        whose = (initiator, responder)
        known = self._key_ids.among(whose, ids)
        new = [key_id for key_id in ids if key_id not in known]
        del new[max(0, MAX_CONFIRMED_PER_CLIENT - self._nr_confirmed[responder]) :]
        if new:
            self._nr_confirmed[responder] += len(new)
            self._key_ids.add(whose, new, now, self._timeout_s)

    def room_for_expired(self, initiator: str) -> int:
        """How many shares of an initiator client may still time out."""
        return MAX_TOMBSTONES_PER_CLIENT - self._nr_expired.get(initiator, 0)

    def add_expired(self, now: float, initiator: str, ids: Collection[bytes]) -> None:
        """For everyone. There is room for them: it was kept in reserve."""
        self._nr_expired[initiator] += len(ids)
        self._key_ids.add((initiator, _EVERYONE), ids, now, self._timeout_s)

    def next_expiry(self) -> float | None:
        """When `forget_expired` has something to do, or None."""
        return self._key_ids.next_expiry()

    def forget_expired(self, now: float) -> None:
        """Forget those whose time is out, or a part of them where they are many."""
        nr_forgotten = 0
        for (initiator, responder), number in self._key_ids.forget_expired(now):
            if responder == _EVERYONE:
                _release(self._nr_expired, initiator, number)
            else:
                _release(self._nr_confirmed, responder, number)
            nr_forgotten += number
            if nr_forgotten >= MAX_FORGOTTEN_PER_TURN:
                break


def _release(counter: Counter[str], name: str, amount: int) -> None:
    counter[name] -= amount
    if not counter[name]:
        del counter[name]
