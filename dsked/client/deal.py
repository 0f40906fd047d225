"""Key requests of the initiator on their way to the hubs together: who has their shares, when to answer.

What one turn asks for under the same terms is one dealing. Its shares travel together and are mostly
acknowledged together, so hubs are counted for the dealing; what a hub refused is kept with the request.

The acknowledgement rule (proto/keys.md, section 3): wait for min(k + floor((n - k) / 2),
hubs counted), never fewer than k; once k are in, 50 ms more at most; 0.8 s in all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from operator import attrgetter

from dsked.client.holders import Holders
from dsked.errors import (
    ConflictError,
    DskedError,
    ErrorCode,
    LimitError,
    NotOwnerError,
    PoolExhaustedError,
    TooFewHubsError,
)
from dsked.keys import Done, Key, Outcome
from dsked.limits import ACK_GRACE_S, KEY_ID_BYTES
from dsked.secrecy import no_pickle
from dsked.sharing.terms import Terms
from dsked.timers import Timer

_REFUSALS: dict[int, tuple[type[DskedError], str]] = {
    ErrorCode.CONFLICT: (ConflictError, "hold other content under the key's ID"),
    ErrorCode.LIMIT: (LimitError, "have reached the limit of pending shares of this client"),
    ErrorCode.NOT_OWNER: (NotOwnerError, "do not take the calling encryptor as one of this client's"),
    ErrorCode.POOL_EXHAUSTED: (PoolExhaustedError, "share no unused PSRD with this client any more"),
}


def nr_awaited(n: int, k: int, counted: int) -> int:
    """The acknowledgement rule: of so many hubs that count, how many are waited for."""
    return max(k, min(k + (n - k) // 2, counted))


class SharedTimer:
    """The time limit of dealings that left together: cancelled when the last of them is answered.

    A limit that ran on would keep their keys and shares in memory until its end.
    """

    def __init__(self, timer: Timer, deals: list[Deal]) -> None:
        self._timer = timer
        self._open = len(deals)
        for deal in deals:
            deal.limit = self

    def answered(self) -> None:
        """All requests of one of the dealings are answered."""
        self._open -= 1
        if not self._open:
            self._timer.cancel()


class KeyRequest:
    """The keys of one request: `number` of them. `done` is called once, with the keys or with an error."""

    __slots__ = ("done", "number", "refusals", "start")

    def __init__(self, number: int, done: Done) -> None:
        self.number = number
        self.done: Done | None = done
        self.start = 0  # its first key's place in the dealing
        self.refusals: dict[int, int] | None = None  # hub index -> ErrorCode

    def refused_by(self, hubs: set[int]) -> int:
        """How many of these hubs have refused one of its keys."""
        return sum(hub in hubs for hub in self.refusals) if self.refusals is not None else 0


_start = attrgetter("start")


class Deal:
    """A dealing: the keys of all `requests`, one behind the other, in the order of the requests.

    `hubs`: those that it is dealt to, by index, terms.n of them.
    """

    __slots__ = (
        "_in_order", "_succeeded", "_taken", "acked", "counted", "expires_at", "grace_over", "has_refusals",
        "holders", "k_at", "key_ids", "keys", "limit", "needed", "possible", "requests", "terms", "timer",
        "unanswered",
    )  # fmt: skip

    def __init__(
        self, terms: Terms, requests: list[KeyRequest], key_ids: bytes, keys: bytes, hubs: Iterable[int]
    ) -> None:
        self.terms = terms
        self.requests = dict.fromkeys(requests)  # those that are not answered yet, in order
        self._in_order = requests  # all of them
        self._succeeded = False  # one of them at least
        self.key_ids = key_ids
        self.keys = keys
        self.expires_at = 0.0
        self.holders: Holders | None = None  # of keys that are established ahead
        self.unanswered = dict.fromkeys(hubs, len(key_ids) // KEY_ID_BYTES)  # by hub index
        self.acked: set[int] = set()  # hubs that have answered for all keys, and taken some
        self._taken: set[int] = set()  # hubs that have taken some
        self.counted: frozenset[int] = frozenset()
        self.possible: set[int] = set()  # hubs with a session
        self.needed = terms.k
        self.k_at: float | None = None  # when the k-th acknowledgement came
        self.grace_over = False
        self.has_refusals = False
        self.timer: Timer | None = None  # of the grace
        self.limit: SharedTimer | None = None
        start = 0
        for request in requests:
            request.start = start
            start += request.number

    __reduce__ = no_pickle

    def scattered(self, expires_at: float, possible: set[int], counted: frozenset[int]) -> None:
        """The shares leave now: the hubs counted set the acknowledgement rule's number."""
        self.expires_at, self.possible, self.counted = expires_at, possible, counted
        self.needed = nr_awaited(self.terms.n, self.terms.k, len(counted))

    @property
    def number(self) -> int:
        """How many keys."""
        return len(self.key_ids) // KEY_ID_BYTES

    @property
    def abandoned(self) -> bool:
        """True when all requests have failed: shares that have not left are not worth sending."""
        return not self.requests and not self._succeeded

    # --- what hubs say ---

    def refuse(self, hub: int, code: int, first: int, number: int) -> None:
        """`hub` refused, or cannot take, `number` keys from the one at `first` on."""
        self.has_refusals = True
        begin = bisect_right(self._in_order, first, key=_start) - 1
        end = bisect_left(self._in_order, first + number, key=_start)
        for request in self._in_order[begin:end]:
            request.refusals = request.refusals or {}
            request.refusals.setdefault(hub, code)

    def answered_by(self, hub: int, number: int, taken: int, now: float) -> bool:
        """`hub` has taken so many of `number` further keys. True once it has answered for all."""
        if taken:
            self._taken.add(hub)
        left = self.unanswered[hub] = self.unanswered[hub] - number
        if left or hub not in self._taken:
            return False
        self.acked.add(hub)
        if len(self.acked) == self.terms.k:
            self.k_at = now
        return True

    def within_grace(self, now: float) -> bool:
        """True while an acknowledgement still comes in good time."""
        return self.k_at is None or now <= self.k_at + ACK_GRACE_S

    def nr_acked(self, request: KeyRequest) -> int:
        """The hubs that have taken all keys of a request."""
        return len(self.acked) - request.refused_by(self.acked)

    def is_hopeless(self, request: KeyRequest) -> bool:
        """True when fewer than k hubs are left that may take the keys of a request."""
        return len(self.possible) - request.refused_by(self.possible) < self.terms.k

    # --- the ends of requests ---

    def succeed(self, request: KeyRequest) -> None:
        """Hand the keys to the caller; the shares of hubs that are not in yet stay."""
        self._succeeded = True
        ids = request.start * KEY_ID_BYTES
        size = self.terms.key_bytes
        keys = [
            Key(
                self.key_ids[ids + i * KEY_ID_BYTES : ids + (i + 1) * KEY_ID_BYTES],
                self.keys[(request.start + i) * size : (request.start + i + 1) * size],
            )
            for i in range(request.number)
        ]
        self._end(request, keys)

    def give_up(self, request: KeyRequest, error: DskedError) -> None:
        """Fail a request; no key of it ever leaves."""
        self._end(request, error)

    def _end(self, request: KeyRequest, outcome: Outcome) -> None:
        del self.requests[request]
        if not self.requests:
            self.keys = b""
            self._stop_timers()
        done, request.done = request.done, None
        assert done is not None
        done(outcome)

    def _stop_timers(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.limit is not None:
            self.limit.answered()
            self.limit = None

    def refusal(self, request: KeyRequest, hubs: str) -> DskedError:
        """Why too few hubs have taken the shares. `hubs`: which they are."""
        codes = Counter((request.refusals or {}).values()).most_common(1)
        text = f"{self.nr_acked(request)} of {hubs} took the key's shares, {self.terms.k} are needed"
        if codes and codes[0][0] in _REFUSALS:
            kind, why = _REFUSALS[codes[0][0]]
            return kind(f"{text}: {codes[0][1]} hubs {why}")
        return TooFewHubsError(text)
