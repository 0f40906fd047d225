"""Shares in columns: what came together stays together, as long as the same becomes of all of it.

A `Lot` holds the shares of keys that one PUT_SHARES group brought. All its keys are alike in their terms, in
their deadline, in the process that got them and in who has confirmed them. Where something happens to some
of them alone, those are cut out into a lot of their own. So nothing is kept per key but its place in a
dictionary, and a lot's columns are never longer than its keys need: what is cut out is a copy, and what stays
is cut anew. `Given` is what one responder client gets of a lot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from dsked.errors import ErrorCode
from dsked.limits import KEY_ID_BYTES, RESPONDER_OVERHEAD_BYTES
from dsked.secrecy import no_pickle, no_secrets
from dsked.sharing.terms import Terms

#: Keys of a lot, at most: cutting one out copies 128 key IDs, and up to a frame's 256 KiB of shares (20 us).
MAX_LOT_KEYS = 128
Refused = tuple[ErrorCode, bytes]  # why, and the key IDs
_NOBODY: Mapping[str, bytes] = MappingProxyType({})


class Given(NamedTuple):
    """What one responder client gets under the same terms: columns as in a SHARES group.

    `shares`: from `offset` bytes on of one key alone, or whole; `codes`: its own, with offset 0 only.
    """

    terms: Terms
    key_ids: bytes
    offset: int
    shares: bytes
    codes: bytes

    @property
    def number(self) -> int:
        """How many keys."""
        return len(self.key_ids) // KEY_ID_BYTES

    @property
    def key_secrets(self) -> int:
        """Secret bytes of each key."""
        return (len(self.shares) + len(self.codes)) // self.number

    def cut(self, start: int, end: int) -> Given:
        """The keys from `start` to `end`."""
        if start == 0 and end == self.number:
            return self
        share, code = len(self.shares) // self.number, len(self.codes) // self.number
        return Given(
            self.terms, self.key_ids[start * KEY_ID_BYTES : end * KEY_ID_BYTES], self.offset,
            self.shares[start * share : end * share], self.codes[start * code : end * code],
        )  # fmt: skip

    def __repr__(self) -> str:
        return no_secrets(self)

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


@dataclass(slots=True, eq=False)
class Lot:
    """Shares of keys to which the same has happened. The columns are those of a PUT_SHARES group.

    `clients`: those of the responders, sorted; the codes of each key stand in their order. `bound`: responder
    client to the boot ID of the process that got the shares; it is replaced, never changed, since lots that
    were cut out of one another have it in common. The share of a single key may be growing, as a bytearray.
    """

    terms: Terms
    clients: tuple[str, ...]
    expires_at: float
    key_ids: bytes
    shares: bytes | bytearray = field(repr=False)
    codes: bytes = field(repr=False)
    bound: Mapping[str, bytes] = field(default_factory=lambda: _NOBODY)
    confirmed: frozenset[str] = frozenset()

    __reduce__ = no_pickle

    @property
    def number(self) -> int:
        """How many keys."""
        return len(self.key_ids) // KEY_ID_BYTES

    @property
    def complete(self) -> bool:
        """True when all pieces of a share have come."""
        return len(self.shares) == self.number * self.terms.key_bytes

    @property
    def key_size(self) -> int:
        """Bytes of each key that count against its initiator's limit: in full from the first piece on."""
        return self.terms.key_bytes + len(self.codes) // self.number

    @property
    def key_responder_bytes(self) -> int:
        """What a key's responders weigh: many of them, for a short key, weigh far more than its share."""
        responders = self.terms.responders
        names = sum([len(client) + len(encryptor) for client, encryptor in responders])
        return names + RESPONDER_OVERHEAD_BYTES * len(responders)

    @property
    def confirmed_by_all(self) -> bool:
        """True when every named responder client has the keys."""
        return len(self.confirmed) == len(self.clients)

    def position(self, key_id: bytes) -> int:
        """Where a key of the lot stands in it."""
        at = self.key_ids.find(key_id)
        while at % KEY_ID_BYTES:  # found across two key IDs
            at = self.key_ids.find(key_id, at - at % KEY_ID_BYTES + KEY_ID_BYTES)
        return at // KEY_ID_BYTES

    def cut(self, start: int, end: int) -> Lot:
        """A lot of the keys from `start` to `end`; itself where these are all."""
        if start == 0 and end == self.number:
            return self
        columns = self._columns(start, end)
        return Lot(self.terms, self.clients, self.expires_at, *columns, self.bound, self.confirmed)

    def keep(self, start: int, end: int) -> None:
        """Keep the keys from `start` to `end` only."""
        self.key_ids, self.shares, self.codes = self._columns(start, end)

    def _columns(self, start: int, end: int) -> tuple[bytes, bytes | bytearray, bytes]:
        share, code = len(self.shares) // self.number, len(self.codes) // self.number
        return (
            self.key_ids[start * KEY_ID_BYTES : end * KEY_ID_BYTES],
            self.shares[start * share : end * share],
            self.codes[start * code : end * code],
        )

    def common_bytes(self, start: int, key_ids: bytes) -> int:
        """Bytes of whole key IDs that are alike in the lot from key `start` on and in `key_ids`."""
        own = self.key_ids[start * KEY_ID_BYTES : start * KEY_ID_BYTES + len(key_ids)]
        if own == key_ids[: len(own)]:
            return len(own)
        ends = range(0, len(own), KEY_ID_BYTES)
        return next(at for at in ends if own[at : at + KEY_ID_BYTES] != key_ids[at : at + KEY_ID_BYTES])

    def put_again(self, one: Lot, offset: int) -> ErrorCode:
        """One of the keys once more: a retry, a further piece from byte `offset` on, or a conflict."""
        at = self.position(one.key_ids)
        there = self.cut(at, at + 1)
        if there.terms != one.terms or (offset == 0 and there.codes != one.codes):
            return ErrorCode.CONFLICT
        if there.confirmed_by_all:
            return ErrorCode.DONE
        return there._extend(offset, one.shares)

    def _extend(self, offset: int, piece: bytes | bytearray) -> ErrorCode:
        have = len(self.shares)
        if offset > have:
            return ErrorCode.BAD_REQUEST
        if self.shares[offset : offset + len(piece)] != piece[: have - offset]:
            return ErrorCode.CONFLICT
        if self.complete:
            return ErrorCode.OK
        self.shares += piece[have - offset :]
        if not self.complete:
            return ErrorCode.PARTIAL
        self.shares = bytes(self.shares)
        return ErrorCode.OK

    def refuses(self, responder_client: str, boot_id: bytes, offset: int) -> ErrorCode | None:
        """Why a process of a client does not get the shares from byte `offset` on, or None."""
        if responder_client not in self.clients:
            return ErrorCode.NOT_NAMED
        if responder_client in self.confirmed:
            return ErrorCode.DONE
        if not self.complete:
            return ErrorCode.UNKNOWN_KEY
        if self.bound.get(responder_client, boot_id) != boot_id:
            return ErrorCode.DELIVERED
        return ErrorCode.BAD_REQUEST if offset >= self.terms.key_bytes else None

    def given(self, responder_client: str, start: int, end: int, offset: int) -> Given:
        """The keys from `start` to `end` for a named client: of one key alone from byte `offset` on."""
        key_ids, shares, codes = self._columns(start, end)
        if offset:
            return Given(self.terms, key_ids, offset, bytes(shares[offset:]), b"")
        return Given(self.terms, key_ids, 0, bytes(shares), self._own_codes(responder_client, codes))

    def _own_codes(self, responder_client: str, codes: bytes) -> bytes:
        if len(self.clients) == 1:
            return codes
        each = len(self.codes) // self.number
        size = each // len(self.clients)
        first = self.clients.index(responder_client) * size
        return b"".join([codes[at : at + size] for at in range(first, len(codes), each)])
