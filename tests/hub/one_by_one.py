"""What the share store must do, told plainly: every key alone, one dictionary entry each, no columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dsked.errors import ErrorCode
from dsked.expiring import ExpiringKeyIds
from dsked.limits import RESPONDER_OVERHEAD_BYTES
from dsked.sharing.terms import Terms, responder_clients

ShareId = tuple[str, bytes]


@dataclass
class Bounds:
    """The limits of one client."""

    shares: int
    share_bytes: int
    responder_bytes: int
    tombstones: int


@dataclass
class OneShare:
    terms: Terms
    codes: tuple[bytes, ...]  # in the order of the responder clients
    step: int  # tenths of a second
    share: bytes
    bound: dict[str, bytes] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        return len(self.share) == self.terms.key_bytes

    @property
    def size(self) -> int:
        return self.terms.key_bytes + sum(map(len, self.codes))

    @property
    def responder_bytes(self) -> int:
        names = sum(len(client) + len(encryptor) for client, encryptor in self.terms.responders)
        return names + RESPONDER_OVERHEAD_BYTES * len(self.terms.responders)

    @property
    def clients(self) -> tuple[str, ...]:
        return responder_clients(self.terms)


class OneByOne:
    """The model of a ShareStore."""

    def __init__(self, timeout_s: float, bounds: Bounds) -> None:
        self.timeout_s, self.bounds = timeout_s, bounds
        self.shares: dict[ShareId, OneShare] = {}
        self.graves = ExpiringKeyIds()
        self.nr_expired: dict[str, int] = {}
        self.nr_confirmed: dict[str, int] = {}

    def is_gone(self, share_id: ShareId, client: str) -> bool:
        initiator, key_id = share_id
        return any(self.graves.among((initiator, whose), [key_id]) for whose in (client, ""))

    def put(
        self, now: float, terms: Terms, key_id: bytes, offset: int, piece: bytes, codes: tuple[bytes, ...],
        ttl_s: float,
    ) -> ErrorCode:  # fmt: skip
        share_id = (terms.initiator.client, key_id)
        stored = self.shares.get(share_id)
        if stored is not None:
            return self._again(stored, terms, offset, piece, codes)
        gone = {client for client in responder_clients(terms) if self.is_gone(share_id, client)}
        if gone == set(responder_clients(terms)):
            return ErrorCode.DONE
        if offset:
            return ErrorCode.BAD_REQUEST
        step = math.ceil((now + min(ttl_s, self.timeout_s)) / 0.1)
        stored = OneShare(terms, codes, step, piece, confirmed=gone)
        if not self._fits(share_id[0], stored):
            return ErrorCode.LIMIT
        self.shares[share_id] = stored
        return ErrorCode.OK if stored.complete else ErrorCode.PARTIAL

    @staticmethod
    def _again(
        stored: OneShare, terms: Terms, offset: int, piece: bytes, codes: tuple[bytes, ...]
    ) -> ErrorCode:
        if stored.terms != terms or (offset == 0 and stored.codes != codes):
            return ErrorCode.CONFLICT
        if stored.confirmed == set(stored.clients):
            return ErrorCode.DONE
        have = len(stored.share)
        if offset > have:
            return ErrorCode.BAD_REQUEST
        if stored.share[offset : offset + len(piece)] != piece[: have - offset]:
            return ErrorCode.CONFLICT
        stored.share += piece[have - offset :]
        return ErrorCode.OK if stored.complete else ErrorCode.PARTIAL

    def of(self, initiator: str) -> list[OneShare]:
        return [stored for (client, _), stored in self.shares.items() if client == initiator]

    def _fits(self, initiator: str, stored: OneShare) -> bool:
        own = [*self.of(initiator), stored]
        return (
            len(own) <= self.bounds.shares
            and len(own) + self.nr_expired.get(initiator, 0) <= self.bounds.tombstones
            and sum(one.size for one in own) <= self.bounds.share_bytes
            and sum(one.responder_bytes for one in own) <= self.bounds.responder_bytes
        )

    def get(
        self, client: str, boot_id: bytes, initiator: str, key_id: bytes, offset: int
    ) -> tuple[bytes, bytes] | ErrorCode:
        """(share, code) or why not."""
        stored = self.shares.get((initiator, key_id))
        if stored is None:
            gone = self.is_gone((initiator, key_id), client)
            return ErrorCode.DONE if gone else ErrorCode.UNKNOWN_KEY
        if client not in stored.clients:
            return ErrorCode.NOT_NAMED
        if client in stored.confirmed:
            return ErrorCode.DONE
        if not stored.complete:
            return ErrorCode.UNKNOWN_KEY
        if stored.bound.get(client, boot_id) != boot_id:
            return ErrorCode.DELIVERED
        if offset >= stored.terms.key_bytes:
            return ErrorCode.BAD_REQUEST
        stored.bound[client] = boot_id
        return stored.share[offset:], b"" if offset else stored.codes[stored.clients.index(client)]

    def confirm(self, now: float, client: str, initiator: str, key_id: bytes) -> None:
        share_id = (initiator, key_id)
        stored = self.shares.get(share_id)
        if stored is not None and client not in stored.clients:
            return
        known = self.graves.among((initiator, client), [key_id])
        if not known and self.nr_confirmed.get(client, 0) < self.bounds.tombstones:
            self.nr_confirmed[client] = self.nr_confirmed.get(client, 0) + 1
            self.graves.add((initiator, client), [key_id], now, self.timeout_s)
        if stored is not None:
            stored.confirmed.add(client)
            everyone = stored.confirmed == set(stored.clients)
            if everyone and all(self.is_gone(share_id, name) for name in stored.clients):
                del self.shares[share_id]

    def expire(self, now: float) -> None:
        for (initiator, whose), number in self.graves.forget_expired(now):
            account = self.nr_confirmed if whose else self.nr_expired
            account[whose or initiator] -= number
        for share_id, stored in list(self.shares.items()):
            if stored.step * 0.1 <= now:
                del self.shares[share_id]
                self.nr_expired[share_id[0]] = self.nr_expired.get(share_id[0], 0) + 1
                self.graves.add((share_id[0], ""), [share_id[1]], now, self.timeout_s)
