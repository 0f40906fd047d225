"""The hub's shares: volatile, with a time to live, never on a disk (the share-store seam).

A share is stored under (initiator client, key ID); the initiator client comes from the session that
brought it. It goes to the named responder clients only, once bound to the process (boot ID) that
asked first, and is removed when all of them have confirmed or the time is out. A tombstone keeps
late copies away. Confirmations leave theirs on the responder's account, shares that nobody fetched
on their initiator's, so that no client uses up what others may have.

Keys come and go in columns (lots.py), and every key is treated as if it had come alone, one behind the
other. What is usual is done for a whole column: keys that are new, and keys that are asked for or
confirmed as they came. The rest is done key by key.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import groupby

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
from dsked.errors import ErrorCode
from dsked.hub.lots import MAX_LOT_BYTES, MAX_LOT_KEYS, Given, Lot, Refused
from dsked.hub.tombstones import Tombstones
from dsked.limits import MAX_EXPIRED_PER_TURN, MAX_PENDING_RESPONDER_BYTES_PER_CLIENT
from dsked.sharing.terms import Terms, responder_clients
from dsked.wire.messages import cut_key_ids

#: Shares time out in steps of this: those of one step are removed together.
_STEP_S = 0.1


@dataclass(slots=True, eq=False)
class _Account:
    """What one initiator client has at the hub."""

    lots: dict[bytes, Lot] = field(default_factory=dict)  # by key ID
    nr_bytes: int = 0
    nr_responder_bytes: int = 0

    def count(self, lot: Lot, number: int) -> None:
        """So many keys of a lot more, or less where `number` is negative."""
        self.nr_bytes += number * lot.key_size
        self.nr_responder_bytes += number * lot.key_responder_bytes

    def room(self, lot: Lot, limits: Limits, tombstones: int) -> int:
        """How many of a lot's keys it may have beside.

        Every share has one of its `tombstones` in reserve, should nobody fetch it.
        """
        bytes_left = limits.max_pending_share_bytes_per_client - self.nr_bytes
        responder_bytes_left = MAX_PENDING_RESPONDER_BYTES_PER_CLIENT - self.nr_responder_bytes
        room = min(
            limits.max_pending_shares_per_client - len(self.lots),
            tombstones - len(self.lots),
            bytes_left // lot.key_size,
            responder_bytes_left // lot.key_responder_bytes,
        )
        return max(0, min(room, lot.number))


class ShareStore:
    """Shares and tombstones of all clients of one hub. `timeout_s` caps every time to live."""

    def __init__(self, timeout_s: float, limits: Limits = DEFAULT_LIMITS) -> None:
        self.timeout_s = timeout_s
        self.limits = limits
        self._accounts: dict[str, _Account] = {}  # of the initiator clients that have shares here
        self._tombstones = Tombstones(timeout_s)
        self._by_step: dict[int, dict[Lot, None]] = {}  # the lots that time out in one step
        self._steps: list[int] = []  # a heap
        #: Of all shares ever: taken, refused for want of room, and timed out before all had fetched them.
        self.nr_stored = self.nr_refused = self.nr_expired = 0

    def __len__(self) -> int:
        return sum(len(account.lots) for account in self._accounts.values())

    def find(self, initiator_client: str, key_id: bytes) -> Lot | None:
        """The lot in which a key's share stands, or None."""
        return self._lots(initiator_client).get(key_id)

    # --- shares come ---

    def put(
        self, now: float, terms: Terms, key_ids: bytes, offset: int, shares: bytes, codes: bytes, ttl_s: float
    ) -> bytes:
        """Store the shares of a column of keys, or of one key a piece from byte `offset` on.

        The columns have the lengths that `terms` demand. Returns an ErrorCode for each key. OK: stored whole,
        or stored before with the same content. PARTIAL: further pieces are expected. DONE: fetched and
        confirmed already. CONFLICT, LIMIT, BAD_REQUEST: nothing stored.
        """
        initiator, clients = terms.initiator.client, responder_clients(terms)
        account = self._accounts.get(initiator) or _Account()
        ids = cut_key_ids(key_ids)
        number, expires_at = len(ids), now + min(ttl_s, self.timeout_s)
        lot = Lot(terms, clients, expires_at, key_ids, shares, codes, number, number)
        gone = self._tombstones.gone(initiator, clients, ids)
        if not gone and not offset and account.lots.keys().isdisjoint(ids) and len(set(ids)) == number:
            return self._store(account, lot, ids)
        ones = (lot.cut(at, at + 1) for at in range(number))
        return bytes([self._put_one(account, one, offset, gone) for one in ones])

    def _put_one(self, account: _Account, one: Lot, offset: int, gone: dict[str, set[bytes]]) -> int:
        stored = account.lots.get(one.key_ids)
        if stored is not None:
            return stored.put_again(one, offset)
        gone_for = [client for client, ids in gone.items() if one.key_ids in ids]
        if len(gone_for) == len(one.clients):
            return ErrorCode.DONE
        if offset != 0:
            return ErrorCode.BAD_REQUEST
        for client in gone_for:
            one.confirm(client, [one.key_ids])
        return self._store(account, one, [one.key_ids])[0]

    def _store(self, account: _Account, lot: Lot, ids: list[bytes]) -> bytes:
        """Store as many keys of a new lot as there is room for."""
        initiator = lot.terms.initiator.client
        fitting = account.room(lot, self.limits, self._tombstones.room_for_expired(initiator))
        code = ErrorCode.OK if lot.complete else ErrorCode.PARTIAL
        self.nr_stored += fitting
        self.nr_refused += lot.number - fitting
        if fitting:
            self._accounts[initiator] = account
        most = max(1, min(MAX_LOT_KEYS, MAX_LOT_BYTES // lot.key_size))
        for start in range(0, fitting, most):
            end = min(start + most, fitting)
            self._add(account, lot.cut(start, end), ids[start:end])
        return bytes([code]) * fitting + bytes([ErrorCode.LIMIT]) * (lot.number - fitting)

    def _add(self, account: _Account, lot: Lot, ids: list[bytes]) -> None:
        if not lot.complete:
            lot.shares = bytearray(lot.shares)
        account.lots.update(dict.fromkeys(ids, lot))
        account.count(lot, lot.number)
        step = _step_of(lot)
        if step not in self._by_step:
            self._by_step[step] = {}
            heapq.heappush(self._steps, step)
        self._by_step[step][lot] = None

    # --- shares go ---

    def get(
        self, responder_client: str, boot_id: bytes, initiator_client: str, key_ids: bytes, offset: int = 0
    ) -> tuple[list[Given], list[Refused]]:
        """The shares for a named responder client's process, and why there are no others.

        Of one key alone the share may be asked for from byte `offset` on. The first process that gets a share
        is bound to it: another one of the same client gets DELIVERED.
        """
        given: list[Given] = []
        refused: list[Refused] = []
        by_lot: dict[Lot | None, list[bytes]] = {}
        lots = self._lots(initiator_client)
        unique = dict.fromkeys(cut_key_ids(key_ids))  # or one frame has a share joined a thousand times
        for lot, of_lot in groupby(unique, lots.get):
            by_lot.setdefault(lot, []).extend(of_lot)
        for lot, ids in by_lot.items():
            if lot is None:
                refused.extend(self._absent(responder_client, initiator_client, ids))
                continue
            found, others = lot.give(responder_client, boot_id, ids, offset)
            refused.extend(others)
            if found is not None:
                given.append(found)
        return given, refused

    def _lots(self, initiator: str) -> dict[bytes, Lot]:
        account = self._accounts.get(initiator)
        return account.lots if account is not None else {}

    def _absent(self, responder_client: str, initiator: str, ids: list[bytes]) -> list[Refused]:
        gone = self._tombstones.gone(initiator, (responder_client,), ids).get(responder_client, set())
        unknown = [key_id for key_id in ids if key_id not in gone]
        refused = [(ErrorCode.UNKNOWN_KEY, b"".join(unknown))] if unknown else []
        if gone:
            refused.append((ErrorCode.DONE, b"".join([key_id for key_id in ids if key_id in gone])))
        return refused

    def confirm(self, now: float, responder_client: str, initiator_client: str, key_ids: bytes) -> None:
        """A responder client has the keys: forget their shares for it, and keep late copies away."""
        unique = list(dict.fromkeys(cut_key_ids(key_ids)))
        for lot, of_lot in groupby(unique, self._lots(initiator_client).get):
            if lot is not None and responder_client not in lot.clients:
                continue  # not its keys: it may not remove anything
            ids = list(of_lot)
            self._tombstones.add_confirmed(now, responder_client, initiator_client, ids)
            if lot is not None:
                self._confirm_in(lot, responder_client, ids)

    def _confirm_in(self, lot: Lot, responder_client: str, ids: list[bytes]) -> None:
        """Remove what all have confirmed.

        Without a tombstone for each, a share stays as its own until its time is out.
        """
        initiator = lot.terms.initiator.client
        account = self._accounts[initiator]
        gone = self._tombstones.gone(initiator, lot.clients, ids)
        if len(lot.clients) == 1 and len(gone.get(responder_client, ())) == len(ids):
            self._remove(account, lot, ids)
            return
        lot.confirm(responder_client, ids)
        done = lot.confirmed_by_all(ids).intersection(*(gone.get(client, ()) for client in lot.clients))
        if done:
            self._remove(account, lot, done)

    def _remove(self, account: _Account, lot: Lot, ids: Collection[bytes]) -> None:
        """Remove some keys of a lot that are left."""
        for key_id in ids:
            del account.lots[key_id]
        account.count(lot, -len(ids))
        lot.left -= len(ids)
        if not lot.left:
            self._by_step[_step_of(lot)].pop(lot, None)
        elif lot.left * 2 <= lot.number:
            lot.cut_anew([account.lots.get(key_id) is lot for key_id in cut_key_ids(lot.key_ids)])
        if not account.lots:
            del self._accounts[lot.terms.initiator.client]

    # --- time ---

    def next_expiry(self) -> float | None:
        """When `expire` has something to do, or None."""
        times = [self._steps[0] * _STEP_S] if self._steps else []
        graves = self._tombstones.next_expiry()
        return min([*times, graves] if graves is not None else times, default=None)

    def last_expiry(self, now: float) -> float:
        """Seconds until all shares that are here now have timed out."""
        return max(max(self._steps, default=0) * _STEP_S - now, 0.0)

    def expire(self, now: float) -> None:
        """Remove what has timed out; an expired share leaves a tombstone for all its responders.

        A part of it where that is much, so that nobody can have shares time out together and hold up all
        others: `next_expiry` lies in the past then.
        """
        self._tombstones.forget_expired(now)
        left = MAX_EXPIRED_PER_TURN
        while left > 0 and self._steps and self._steps[0] * _STEP_S <= now:
            due = self._by_step[self._steps[0]]
            while due and left > 0:
                lot, _ = due.popitem()  # to find the first one takes ever longer
                left -= lot.left
                self.nr_expired += lot.left
                initiator = lot.terms.initiator.client
                account = self._accounts[initiator]
                ids = [key_id for key_id in cut_key_ids(lot.key_ids) if account.lots.get(key_id) is lot]
                self._remove(account, lot, ids)
                self._tombstones.add_expired(now, initiator, ids)
            if not due:
                del self._by_step[heapq.heappop(self._steps)]

    # --- figures ---

    @property
    def nr_tombstones(self) -> int:
        """Keys, or keys of one responder, of which late copies are kept away."""
        return len(self._tombstones)

    @property
    def nr_bytes(self) -> int:
        """Bytes of all shares."""
        return sum(account.nr_bytes for account in self._accounts.values())

    def counts(self, client: str) -> tuple[int, int]:
        """(shares, bytes) pending for an initiator client."""
        account = self._accounts.get(client)
        return (len(account.lots), account.nr_bytes) if account is not None else (0, 0)


def _step_of(lot: Lot) -> int:
    return math.ceil(lot.expires_at / _STEP_S)
