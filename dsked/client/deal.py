"""One key request of the initiator on its way to the hubs: its shares, who has them, when to answer.

The acknowledgement rule (proto/keys.md, section 3): wait for min(k + floor((n - k) / 2),
hubs counted), never fewer than k; once k are in, 50 ms more at most; 0.8 s in all.
"""

from __future__ import annotations

from collections import Counter

from dsked.errors import (
    ConflictError,
    DskedError,
    ErrorCode,
    LimitError,
    NotOwnerError,
    PoolExhaustedError,
    TooFewHubsError,
)
from dsked.keys import Done, Key
from dsked.limits import ACK_GRACE_S
from dsked.sharing.shares import HubShare
from dsked.sharing.terms import Terms
from dsked.timers import Timer

_REFUSALS: dict[int, tuple[type[DskedError], str]] = {
    ErrorCode.CONFLICT: (ConflictError, "hold other content under the key's ID"),
    ErrorCode.LIMIT: (LimitError, "have reached the limit of pending shares of this client"),
    ErrorCode.NOT_OWNER: (NotOwnerError, "do not take the calling encryptor as one of this client's"),
    ErrorCode.POOL_EXHAUSTED: (PoolExhaustedError, "share no unused PSRD with this client any more"),
}


class SharedTimer:
    """The time limit of requests that left together: cancelled when the last of them is answered.

    A limit that ran on would keep their keys and shares in memory until its end.
    """

    def __init__(self, timer: Timer, deals: list[Deal]) -> None:
        self._timer = timer
        self._open = len(deals)
        for deal in deals:
            deal.limit = self

    def answered(self) -> None:
        """One of the requests is answered."""
        self._open -= 1
        if not self._open:
            self._timer.cancel()


class Deal:
    """The keys of one request. `done` is called once, with the keys or with an error."""

    __slots__ = (
        "acked", "counted", "done", "expires_at", "failed", "k", "k_at", "keys", "limit", "needed",
        "possible", "shares", "terms", "timer", "unacked",
    )  # fmt: skip

    def __init__(self, terms: Terms, keys: list[Key], done: Done) -> None:
        self.terms = terms
        self.k = terms.k
        self.keys = keys
        self.done: Done | None = done
        self.expires_at = 0.0
        self.shares: dict[int, list[HubShare]] = {}  # hub index -> shares not acknowledged yet
        self.unacked: dict[int, int] = {}  # hub index -> keys not acknowledged yet
        self.acked: set[int] = set()
        self.failed: dict[int, int] = {}  # hub index -> ErrorCode
        self.counted: frozenset[int] = frozenset()
        self.possible: set[int] = set()  # hubs with a session that have not refused
        self.needed = self.k
        self.k_at: float | None = None  # when the k-th acknowledgement came
        self.timer: Timer | None = None  # of the grace
        self.limit: SharedTimer | None = None

    def scattered(self, expires_at: float, possible: set[int], counted: frozenset[int]) -> None:
        """The shares leave now: the hubs counted set the acknowledgement rule's number."""
        self.expires_at, self.possible, self.counted = expires_at, possible, counted
        comfortable = self.k + (self.terms.n - self.k) // 2
        self.needed = max(self.k, min(comfortable, len(counted)))

    @property
    def answered(self) -> bool:
        """True once `done` was called."""
        return self.done is None

    @property
    def abandoned(self) -> bool:
        """True when the request failed: shares that have not left are not worth sending."""
        return self.done is None and len(self.acked) < self.k

    def acknowledge(self, hub: int, now: float) -> bool:
        """One key is at `hub`. True when all keys are, for the first time."""
        left = self.unacked[hub] = self.unacked[hub] - 1
        if left or hub in self.failed:
            return False
        self.acked.add(hub)
        self.shares.pop(hub, None)
        if len(self.acked) == self.k:
            self.k_at = now
        return True

    def within_grace(self, now: float) -> bool:
        """True while an acknowledgement still comes in good time."""
        return self.k_at is None or now <= self.k_at + ACK_GRACE_S

    def fail(self, hub: int, code: int) -> None:
        """`hub` refused, or cannot take, the shares."""
        self.failed[hub] = code
        self.possible.discard(hub)
        self.acked.discard(hub)
        self.shares.pop(hub, None)

    def succeed(self) -> None:
        """Hand the keys to the caller; the shares of hubs that are not in yet stay."""
        done, self.done = self.done, None
        keys, self.keys = self.keys, []
        self._stop_timers()
        assert done is not None
        done(keys)

    def give_up(self, error: DskedError) -> None:
        """Fail the request; no key of it ever leaves."""
        done, self.done = self.done, None
        self.keys = []
        self.shares.clear()
        self._stop_timers()
        assert done is not None
        done(error)

    def _stop_timers(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.limit is not None:
            self.limit.answered()
            self.limit = None

    def refusal(self) -> DskedError:
        """Why too few hubs have taken the shares."""
        codes = Counter(self.failed.values()).most_common(1)
        text = f"{len(self.acked)} of {self.terms.n} hubs took the key's shares, {self.k} are needed"
        if codes and codes[0][0] in _REFUSALS:
            kind, why = _REFUSALS[codes[0][0]]
            return kind(f"{text}: {codes[0][1]} hubs {why}")
        return TooFewHubsError(text)
