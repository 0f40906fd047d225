"""The hub's shares: volatile, with a time to live, never on a disk (the share-store seam).

A share is stored under (initiator client, key ID); the initiator client comes from the session that
brought it. It goes to the named responder clients only, once bound to the process (boot ID) that
asked first, and is removed when all of them have confirmed or the time is out. A tombstone keeps
late copies away. Confirmations leave theirs on the responder's account, shares that nobody fetched
on their initiator's, so that no client uses up what others may have.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.errors import ErrorCode
from dsked.expiring import ExpiringKeyIds
from dsked.limits import (
    MAX_EXPIRED_PER_TURN,
    MAX_FORGOTTEN_PER_TURN,
    MAX_PENDING_RESPONDER_BYTES_PER_CLIENT,
    MAX_TOMBSTONES_PER_CLIENT,
    RESPONDER_OVERHEAD_BYTES,
)
from dsked.secrecy import no_pickle
from dsked.sharing.terms import Terms

ShareId = tuple[str, bytes]  # (initiator client, key ID)
_EVERYONE = ""  # in place of a responder client; no client's name
#: Shares time out in steps of this: those of one step are removed together.
_STEP_S = 0.1


@dataclass(slots=True, eq=False)
class StoredShare:
    """One key's share at this hub. `codes`: by responder client."""

    terms: Terms
    codes: dict[str, bytes] = field(repr=False)
    expires_at: float
    share: bytes | bytearray = field(default=b"", repr=False)  # growing until it is complete
    delivered_to: dict[str, bytes] = field(default_factory=dict)  # responder client -> boot ID
    confirmed: set[str] = field(default_factory=set)

    __reduce__ = no_pickle

    @property
    def complete(self) -> bool:
        """True when all pieces of the share have come."""
        return len(self.share) == self.terms.key_bytes

    @property
    def size(self) -> int:
        """Bytes accounted against the initiator's limit: at full length from the first piece on."""
        return self.terms.key_bytes + sum(map(len, self.codes.values()))

    @property
    def responder_bytes(self) -> int:
        """What its responders weigh: many of them, for a short key, weigh far more than its share."""
        names = sum(len(client) + len(encryptor) for client, encryptor in self.terms.responders)
        return names + RESPONDER_OVERHEAD_BYTES * len(self.terms.responders)

    @property
    def confirmed_by_all(self) -> bool:
        """True when every named responder client has the key."""
        return len(self.confirmed) == len(self.codes)


class ShareStore:
    """Shares and tombstones of all clients of one hub. `timeout_s` caps every time to live."""

    def __init__(self, timeout_s: float, limits: Limits = DEFAULT_LIMITS) -> None:
        self.timeout_s = timeout_s
        self._limits = limits
        self._shares: dict[ShareId, StoredShare] = {}
        self._tombstones = ExpiringKeyIds()  # by (initiator client, responder client or EVERYONE)
        self._nr_shares: Counter[str] = Counter()  # per initiator client
        self._nr_bytes: Counter[str] = Counter()
        self._nr_responder_bytes: Counter[str] = Counter()
        self._nr_expired: Counter[str] = Counter()  # tombstones for everyone, per initiator client
        self._nr_tombstones: Counter[str] = Counter()  # per responder client
        self._by_step: dict[int, dict[ShareId, None]] = {}  # the shares that time out in one step
        self._steps: list[int] = []  # a heap

    def __len__(self) -> int:
        return len(self._shares)

    def put(
        self, now: float, terms: Terms, key_id: bytes, offset: int, piece: bytes,
        codes: dict[str, bytes], ttl_s: float,
    ) -> ErrorCode:  # fmt: skip
        """Store a share, or a piece of it from byte `offset` on.

        OK: stored whole, or stored before with the same content. PARTIAL: further pieces are
        expected. DONE: fetched and confirmed already. CONFLICT, LIMIT, BAD_REQUEST: nothing stored.
        """
        share_id = (terms.initiator.client, key_id)
        stored = self._shares.get(share_id)
        if stored is None:
            if all(self._is_gone(share_id, party.client) for party in terms.responders):
                return ErrorCode.DONE
            if offset != 0:
                return ErrorCode.BAD_REQUEST
            return self._store(now, share_id, terms, piece, codes, ttl_s)
        if stored.terms != terms or (offset == 0 and stored.codes != codes):
            return ErrorCode.CONFLICT
        if stored.confirmed_by_all:
            return ErrorCode.DONE
        return self._extend(stored, offset, piece)

    def _is_gone(self, share_id: ShareId, responder_client: str) -> bool:
        initiator, key_id = share_id
        graves = self._tombstones
        return graves.contains((initiator, responder_client), key_id) or graves.contains(
            (initiator, _EVERYONE), key_id
        )

    def _store(
        self, now: float, share_id: ShareId, terms: Terms, piece: bytes, codes: dict[str, bytes],
        ttl_s: float,
    ) -> ErrorCode:  # fmt: skip
        client = share_id[0]
        stored = StoredShare(terms, codes, now + min(ttl_s, self.timeout_s), piece)
        if not stored.complete:
            stored.share = bytearray(piece)
        if not self._has_room(client, stored):
            return ErrorCode.LIMIT
        for responder in stored.codes:
            if self._is_gone(share_id, responder):
                stored.confirmed.add(responder)
        self._shares[share_id] = stored
        self._nr_shares[client] += 1
        self._nr_bytes[client] += stored.size
        self._nr_responder_bytes[client] += stored.responder_bytes
        step = _step_of(stored)
        if step not in self._by_step:
            self._by_step[step] = {}
            heapq.heappush(self._steps, step)
        self._by_step[step][share_id] = None
        return ErrorCode.OK if stored.complete else ErrorCode.PARTIAL

    def _has_room(self, client: str, stored: StoredShare) -> bool:
        """Every share has its tombstone in reserve, should nobody fetch it."""
        nr_shares = self._nr_shares[client]
        return (
            nr_shares < self._limits.max_pending_shares_per_client
            and nr_shares + self._nr_expired[client] < MAX_TOMBSTONES_PER_CLIENT
            and self._nr_bytes[client] + stored.size <= self._limits.max_pending_share_bytes_per_client
            and self._nr_responder_bytes[client] + stored.responder_bytes
            <= MAX_PENDING_RESPONDER_BYTES_PER_CLIENT
        )

    @staticmethod
    def _extend(stored: StoredShare, offset: int, piece: bytes) -> ErrorCode:
        have = len(stored.share)
        if offset > have:
            return ErrorCode.BAD_REQUEST
        if stored.share[offset : offset + len(piece)] != piece[: have - offset]:
            return ErrorCode.CONFLICT
        if stored.complete:
            return ErrorCode.OK
        stored.share += piece[have - offset :]
        if not stored.complete:
            return ErrorCode.PARTIAL
        stored.share = bytes(stored.share)
        return ErrorCode.OK

    def get(
        self, responder_client: str, boot_id: bytes, initiator_client: str, key_id: bytes
    ) -> StoredShare | ErrorCode:
        """The share for a named responder client's process, or why there is none.

        The first process that gets it is bound to it: another one of the same client gets DELIVERED.
        """
        stored = self._shares.get((initiator_client, key_id))
        if stored is None:
            gone = self._is_gone((initiator_client, key_id), responder_client)
            return ErrorCode.DONE if gone else ErrorCode.UNKNOWN_KEY
        if responder_client not in stored.codes:
            return ErrorCode.NOT_NAMED
        if responder_client in stored.confirmed:
            return ErrorCode.DONE
        if not stored.complete:
            return ErrorCode.UNKNOWN_KEY
        if stored.delivered_to.setdefault(responder_client, boot_id) != boot_id:
            return ErrorCode.DELIVERED
        return stored

    def confirm(self, now: float, responder_client: str, initiator_client: str, key_id: bytes) -> None:
        """A responder client has the key: forget the share for it, and keep late copies away."""
        share_id = (initiator_client, key_id)
        stored = self._shares.get(share_id)
        if stored is not None and responder_client not in stored.codes:
            return  # not its key: it may not remove anything
        self._bury_for(now, responder_client, share_id)
        if stored is not None:
            stored.confirmed.add(responder_client)
            # Without a tombstone for each, the share stays as its own until its time is out.
            if stored.confirmed_by_all and all(self._is_gone(share_id, name) for name in stored.codes):
                self._remove(share_id, stored)

    def _bury_for(self, now: float, responder_client: str, share_id: ShareId) -> None:
        """A tombstone for one responder client, while it may have more."""
        whose = (share_id[0], responder_client)
        has_room = self._nr_tombstones[responder_client] < MAX_TOMBSTONES_PER_CLIENT
        if has_room and not self._tombstones.contains(whose, share_id[1]):
            self._nr_tombstones[responder_client] += 1
            self._tombstones.add(whose, share_id[1], now, self.timeout_s)

    def _remove(self, share_id: ShareId, stored: StoredShare) -> None:
        del self._shares[share_id]
        self._by_step[_step_of(stored)].pop(share_id, None)
        _release(self._nr_shares, share_id[0], 1)
        _release(self._nr_bytes, share_id[0], stored.size)
        _release(self._nr_responder_bytes, share_id[0], stored.responder_bytes)

    def next_expiry(self) -> float | None:
        """When `expire` has something to do, or None."""
        times = [self._steps[0] * _STEP_S] if self._steps else []
        graves = self._tombstones.next_expiry()
        return min([*times, graves] if graves is not None else times, default=None)

    def expire(self, now: float) -> None:
        """Remove what has timed out; an expired share leaves a tombstone for all its responders.

        A part of it where that is much, so that nobody can have shares time out together and hold up all
        others: `next_expiry` lies in the past then.
        """
        nr_forgotten = 0
        for (initiator, whose), number in self._tombstones.forget_expired(now):
            account = (self._nr_expired, initiator) if whose == _EVERYONE else (self._nr_tombstones, whose)
            _release(*account, number)
            nr_forgotten += number
            if nr_forgotten >= MAX_FORGOTTEN_PER_TURN:
                break
        left = MAX_EXPIRED_PER_TURN
        while left and self._steps and self._steps[0] * _STEP_S <= now:
            due = self._by_step[self._steps[0]]
            while due and left:
                share_id, _ = due.popitem()  # to find the first one takes ever longer
                self._remove(share_id, self._shares[share_id])
                self._nr_expired[share_id[0]] += 1
                self._tombstones.add((share_id[0], _EVERYONE), share_id[1], now, self.timeout_s)
                left -= 1
            if not due:
                del self._by_step[heapq.heappop(self._steps)]

    @property
    def nr_tombstones(self) -> int:
        """Keys, or keys of one responder, of which late copies are kept away."""
        return len(self._tombstones)

    def counts(self, client: str) -> tuple[int, int]:
        """(shares, bytes) pending for an initiator client."""
        return self._nr_shares[client], self._nr_bytes[client]


def _step_of(stored: StoredShare) -> int:
    return math.ceil(stored.expires_at / _STEP_S)


def _release(counter: Counter[str], name: str, amount: int) -> None:
    counter[name] -= amount
    if not counter[name]:
        del counter[name]
