"""The hub's shares: volatile, with a time to live, never on a disk (the share-store seam).

A share is stored under (initiator client, key ID); the initiator client comes from the session that
brought it. It goes to the named responder clients only, once bound to the process (boot ID) that
asked first, and is removed when all of them have confirmed or the time is out. A tombstone keeps
late copies away.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from dsked.errors import ErrorCode
from dsked.limits import (
    MAX_PENDING_SHARE_BYTES_PER_CLIENT,
    MAX_PENDING_SHARES_PER_CLIENT,
    MAX_TOMBSTONES_PER_CLIENT,
)
from dsked.sharing.terms import Terms, responder_clients

ShareId = tuple[str, bytes]  # (initiator client, key ID)


@dataclass(slots=True, eq=False)
class StoredShare:
    """One key's share at this hub. `codes`: by responder client."""

    terms: Terms
    codes: dict[str, bytes] = field(repr=False)
    expires_at: float
    share: bytes = field(default=b"", repr=False)
    delivered_to: dict[str, bytes] = field(default_factory=dict)  # responder client -> boot ID
    confirmed: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """True when all pieces of the share have come."""
        return len(self.share) == self.terms.key_bytes

    @property
    def size(self) -> int:
        """Bytes accounted against the initiator's limit: at full length from the first piece on."""
        return self.terms.key_bytes + sum(map(len, self.codes.values()))


class ShareStore:
    """Shares and tombstones of all clients of one hub. `timeout_s` caps every time to live."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._shares: dict[ShareId, StoredShare] = {}
        self._tombstones: dict[tuple[str, bytes, str], float] = {}  # + responder client
        self._nr_shares: Counter[str] = Counter()  # per initiator client
        self._nr_bytes: Counter[str] = Counter()
        self._nr_tombstones: Counter[str] = Counter()  # per responder client
        #: (deadline, order, share ID or tombstone): names only, so that removed shares are freed.
        self._expiries: list[tuple[float, int, tuple[str, bytes, str] | ShareId]] = []
        self._order = count()

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
            if all((*share_id, client) in self._tombstones for client in responder_clients(terms)):
                return ErrorCode.DONE
            if offset != 0:
                return ErrorCode.BAD_REQUEST
            return self._store(now, share_id, terms, piece, codes, ttl_s)
        if stored.terms != terms or (offset == 0 and stored.codes != codes):
            return ErrorCode.CONFLICT
        return self._extend(stored, offset, piece)

    def _store(
        self, now: float, share_id: ShareId, terms: Terms, piece: bytes, codes: dict[str, bytes],
        ttl_s: float,
    ) -> ErrorCode:  # fmt: skip
        client = share_id[0]
        stored = StoredShare(terms, codes, now + min(ttl_s, self.timeout_s), piece)
        if (
            self._nr_shares[client] >= MAX_PENDING_SHARES_PER_CLIENT
            or self._nr_bytes[client] + stored.size > MAX_PENDING_SHARE_BYTES_PER_CLIENT
        ):
            return ErrorCode.LIMIT
        for responder in stored.codes:
            if (*share_id, responder) in self._tombstones:
                stored.confirmed.add(responder)
        self._shares[share_id] = stored
        self._nr_shares[client] += 1
        self._nr_bytes[client] += stored.size
        heapq.heappush(self._expiries, (stored.expires_at, next(self._order), share_id))
        return ErrorCode.OK if stored.complete else ErrorCode.PARTIAL

    @staticmethod
    def _extend(stored: StoredShare, offset: int, piece: bytes) -> ErrorCode:
        have = len(stored.share)
        if offset > have:
            return ErrorCode.BAD_REQUEST
        if stored.share[offset : offset + len(piece)] != piece[: have - offset]:
            return ErrorCode.CONFLICT
        stored.share += piece[have - offset :]
        return ErrorCode.OK if stored.complete else ErrorCode.PARTIAL

    def get(
        self, responder_client: str, boot_id: bytes, initiator_client: str, key_id: bytes
    ) -> StoredShare | ErrorCode:
        """The share for a named responder client's process, or why there is none.

        The first process that gets it is bound to it: another one of the same client gets DELIVERED.
        """
        stored = self._shares.get((initiator_client, key_id))
        if stored is None:
            gone = (initiator_client, key_id, responder_client) in self._tombstones
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
        stored = self._shares.get((initiator_client, key_id))
        if stored is not None and responder_client not in stored.codes:
            return  # not its key: it may not remove anything
        self._bury(now, initiator_client, key_id, responder_client)
        if stored is not None:
            stored.confirmed.add(responder_client)
            if len(stored.confirmed) == len(stored.codes):
                self._remove((initiator_client, key_id), stored)

    def _bury(self, now: float, initiator_client: str, key_id: bytes, responder_client: str) -> None:
        grave = (initiator_client, key_id, responder_client)
        if grave in self._tombstones or self._nr_tombstones[responder_client] >= MAX_TOMBSTONES_PER_CLIENT:
            return
        expires_at = now + self.timeout_s
        self._tombstones[grave] = expires_at
        self._nr_tombstones[responder_client] += 1
        heapq.heappush(self._expiries, (expires_at, next(self._order), grave))

    def _remove(self, share_id: ShareId, stored: StoredShare) -> None:
        del self._shares[share_id]
        _release(self._nr_shares, share_id[0], 1)
        _release(self._nr_bytes, share_id[0], stored.size)

    def next_expiry(self) -> float | None:
        """When `expire` has something to do, or None."""
        return self._expiries[0][0] if self._expiries else None

    def expire(self, now: float) -> None:
        """Remove what has timed out; an expired share leaves tombstones for its responders."""
        while self._expiries and self._expiries[0][0] <= now:
            deadline, _, name = heapq.heappop(self._expiries)
            if len(name) == 3:
                del self._tombstones[name]
                _release(self._nr_tombstones, name[2], 1)
                continue
            stored = self._shares.get(name)
            if stored is not None and stored.expires_at == deadline:
                self._remove(name, stored)
                for client in responder_clients(stored.terms):
                    self._bury(now, *name, client)

    def counts(self, client: str) -> tuple[int, int]:
        """(shares, bytes) pending for an initiator client."""
        return self._nr_shares[client], self._nr_bytes[client]


def _release(counter: Counter[str], name: str, amount: int) -> None:
    counter[name] -= amount
    if not counter[name]:
        del counter[name]
