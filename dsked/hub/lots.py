"""Shares in columns: what one PUT_SHARES group brought stays together, and goes out as it came.

A `Lot` holds the shares of up to 128 keys under the same terms, 32 KiB or one key. Nothing is kept per key
but its place in the store's dictionary, and what has become of some keys and not of others: to which process
they were given, and which clients have confirmed them. When half of a lot's keys are gone its columns are cut
anew, so that no lot holds more than twice the bytes of the keys that are left, which is what counts against
limits. `Given` is what one responder client gets of a lot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import NamedTuple, NoReturn

from dsked.errors import ErrorCode
from dsked.limits import KEY_ID_BYTES, RESPONDER_OVERHEAD_BYTES
from dsked.secrecy import no_pickle, no_secrets
from dsked.sharing.terms import Terms
from dsked.wire.messages import cut_column, cut_key_ids

#: Of a lot, at most: what is looked through to find a key (0.3 us), and cut anew when half of it is gone
#: (30 us).
MAX_LOT_KEYS = 128
MAX_LOT_BYTES = 32 * 1024
Refused = tuple[ErrorCode, bytes]  # why, and the key IDs


class Given(NamedTuple):
    """What one responder client gets under the same terms: columns as in a SHARES group.

    `shares`: whole, or of one key alone from `offset` bytes on; `codes`: its own, with offset 0 only.
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
    """Shares of keys that came together; the columns are those of a PUT_SHARES group.

    `clients`: those of the responders, sorted; the codes of each key stand in their order. `number`: keys in
    the columns; `left`: those of them that are not gone. The share of a single key may be growing, as a
    bytearray.
    """

    terms: Terms
    clients: tuple[str, ...]
    expires_at: float
    key_ids: bytes
    shares: bytes | bytearray = field(repr=False)
    codes: bytes = field(repr=False)
    number: int
    left: int
    #: By responder client the keys that it was given, with the boot ID of the process that got them.
    bound: dict[str, dict[bytes, bytes]] | None = None
    confirmed: dict[str, set[bytes]] | None = None  # by responder client
    #: Bytes of each key that count against its initiator's limit: in full from the first piece on.
    key_size: int = field(init=False)
    #: What a key's responders weigh: many of them, for a short key, weigh far more than its share.
    key_responder_bytes: int = field(init=False)

    __reduce__ = no_pickle

    def __post_init__(self) -> None:
        self.key_size = self.terms.key_bytes + len(self.codes) // self.number
        responders = self.terms.responders
        names = sum([len(client) + len(encryptor) for client, encryptor in responders])
        self.key_responder_bytes = names + RESPONDER_OVERHEAD_BYTES * len(responders)

    @property
    def complete(self) -> bool:
        """True when all pieces of a share have come."""
        return len(self.shares) == self.number * self.terms.key_bytes

    def cut(self, start: int, end: int) -> Lot:
        """A lot of the keys from `start` to `end`, as if they had come alone."""
        if start == 0 and end == self.number:
            return self
        share, code = len(self.shares) // self.number, len(self.codes) // self.number
        number, key_ids = end - start, self.key_ids[start * KEY_ID_BYTES : end * KEY_ID_BYTES]
        shares, codes = self.shares[start * share : end * share], self.codes[start * code : end * code]
        return Lot(self.terms, self.clients, self.expires_at, key_ids, shares, codes, number, number)

    # --- its columns ---

    def columns(self, ids: Sequence[bytes]) -> tuple[bytes, bytes | bytearray, bytes]:
        """Key IDs, shares and codes of some of the keys, in this order."""
        if self.number == 1 == len(ids):
            return self.key_ids, self.shares, self.codes
        key_ids, number = b"".join(ids), self.number
        start = self.key_ids.find(ids[0]) // KEY_ID_BYTES  # perhaps across two others: then they differ
        end = start + len(ids)
        share, code = len(self.shares) // number, len(self.codes) // number
        if self.key_ids[start * KEY_ID_BYTES : end * KEY_ID_BYTES] == key_ids:
            return key_ids, self.shares[start * share : end * share], self.codes[start * code : end * code]
        places = dict(zip(cut_key_ids(self.key_ids), range(number), strict=True))
        at = [places[key_id] for key_id in ids]
        all_shares, all_codes = cut_column(self.shares, share), cut_column(self.codes, code)
        return key_ids, b"".join([all_shares[one] for one in at]), b"".join([all_codes[one] for one in at])

    def cut_anew(self, is_left: Sequence[bool]) -> None:
        """Some keys are gone, and with them what the columns hold of them."""
        share, code = len(self.shares) // self.number, len(self.codes) // self.number
        left = list(compress(cut_key_ids(self.key_ids), is_left))
        self.shares = b"".join(compress(cut_column(self.shares, share), is_left))
        self.codes = b"".join(compress(cut_column(self.codes, code), is_left))
        self.key_ids, self.number = b"".join(left), len(left)
        if self.bound is not None:
            self.bound = {
                client: {key_id: keys[key_id] for key_id in left if key_id in keys}
                for client, keys in self.bound.items()
            }
        if self.confirmed is not None:
            self.confirmed = {client: keys.intersection(left) for client, keys in self.confirmed.items()}

    # --- an initiator brings a key once more ---

    def put_again(self, one: Lot, offset: int) -> ErrorCode:
        """A retry of one of the keys, a further piece of its share from byte `offset` on, or a conflict."""
        _, there, codes = self.columns([one.key_ids])
        if self.terms != one.terms or (offset == 0 and codes != one.codes):
            return ErrorCode.CONFLICT
        if self.confirmed_by_all([one.key_ids]):
            return ErrorCode.DONE
        have, piece = len(there), one.shares
        if offset > have:
            return ErrorCode.BAD_REQUEST
        if there[offset : offset + len(piece)] != piece[: have - offset]:
            return ErrorCode.CONFLICT
        return self._extend(piece[have - offset :])

    def _extend(self, piece: bytes | bytearray) -> ErrorCode:
        if not self.complete:
            self.shares += piece
            if not self.complete:
                return ErrorCode.PARTIAL
            self.shares = bytes(self.shares)
        return ErrorCode.OK

    # --- responders get keys, and confirm them ---

    def give(
        self, client: str, boot_id: bytes, ids: Sequence[bytes], offset: int
    ) -> tuple[Given | None, list[Refused]]:
        """Some of the keys for a process of a client, to which they are bound then; and why not the others.

        Of one key alone the share may be wanted from byte `offset` on.
        """
        if client not in self.clients:
            return None, [(ErrorCode.NOT_NAMED, b"".join(ids))]
        refused: list[Refused] = []
        if self.confirmed is not None:
            done = self.confirmed.get(client, set()).intersection(ids)
            ids = _without(ids, done, ErrorCode.DONE, refused)
        if not self.complete:
            ids = _without(ids, ids, ErrorCode.UNKNOWN_KEY, refused)
        if self.bound is not None:
            bound = self.bound.get(client, {})
            others = [key_id for key_id in ids if bound.get(key_id, boot_id) != boot_id]
            ids = _without(ids, others, ErrorCode.DELIVERED, refused)
        if offset >= self.terms.key_bytes:
            ids = _without(ids, ids, ErrorCode.BAD_REQUEST, refused)
        if not ids:
            return None, refused
        if self.bound is None:
            self.bound = {}
        self.bound.setdefault(client, {}).update(dict.fromkeys(ids, boot_id))
        return self._given(client, ids, offset), refused

    def _given(self, client: str, ids: Sequence[bytes], offset: int) -> Given:
        key_ids, shares, codes = self.columns(ids)
        if offset:
            return Given(self.terms, key_ids, offset, bytes(shares[offset:]), b"")
        if len(self.clients) > 1:
            each = len(codes) // len(ids)
            size = each // len(self.clients)
            first = self.clients.index(client) * size
            codes = b"".join([codes[at : at + size] for at in range(first, len(codes), each)])
        return Given(self.terms, key_ids, 0, bytes(shares), codes)

    def confirm(self, client: str, ids: Iterable[bytes]) -> None:
        """A named client has these keys: it is not given them any more."""
        if self.confirmed is None:
            self.confirmed = {}
        self.confirmed.setdefault(client, set()).update(ids)

    def confirmed_by_all(self, ids: Iterable[bytes]) -> set[bytes]:
        """Those keys that every named client has confirmed."""
        confirmed = self.confirmed or {}
        return set(ids).intersection(*(confirmed.get(client, ()) for client in self.clients))


def _without(
    ids: Sequence[bytes], those: Collection[bytes], code: ErrorCode, refused: list[Refused]
) -> Sequence[bytes]:
    """`ids` without those that are refused with this code."""
    if not those:
        return ids
    out = set(those)
    refused.append((code, b"".join([key_id for key_id in ids if key_id in out])))
    return [key_id for key_id in ids if key_id not in out]
